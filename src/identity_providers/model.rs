//! Types of identity providers and their forms, with the checks of every field. No I/O.
//!
//! Issuer and audience are compared exactly with the claims of a JWT, so they are stored as they were typed.
//! The pair is unique in an organization.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Resource, Target};
use crate::platform::id::IdentityProviderId;
use crate::platform::outbound::Outbound;
use crate::platform::text::{UpTo, name, name_of};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};

/// An issuer that the organization trusts for federated accounts.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct IdentityProvider {
    /// Unique id.
    pub id: IdentityProviderId,
    /// Display name, unique in the organization.
    pub name: String,
    /// The exact `iss` claim of the issuer's JWTs, a URL.
    pub issuer: String,
    /// The exact `aud` claim that the JWTs must have.
    pub audience: String,
    /// Time at which the provider was added.
    pub created_at: Timestamp,
    /// Name of whoever added the provider.
    #[serde(rename = "created_by")]
    pub created_by_name: String,
    /// Version for optimistic locking; increases with every edit.
    #[serde(skip)]
    pub version: i64,
    /// Number of existing service accounts that use the provider. Lists count at most 100.
    #[serde(skip)]
    pub accounts: UpTo<100>,
}

/// The claims that identify the owner of a CI job, for issuers that everybody can use. Without one of these
/// claims, anybody could name a branch or an environment like the one in the conditions. `None` for other
/// issuers.
#[must_use]
pub fn required_owner_claims(issuer: &str) -> Option<&'static [&'static str]> {
    match issuer.trim_end_matches('/') {
        "https://token.actions.githubusercontent.com" => {
            Some(&["repository", "repository_id", "repository_owner", "repository_owner_id"])
        }
        "https://gitlab.com" => Some(&["project_path", "project_id", "namespace_path", "namespace_id"]),
        _ => None,
    }
}

/// The identity providers of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct IdentityProviders;

impl Guarded for IdentityProviders {
    const RESOURCE: Resource = Resource::IdentityProviders;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// An identity provider that will be added, as submitted by a form or the API.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// Display name, 1 to 255 characters, unique in the organization.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// The exact `iss` claim of the issuer's JWTs, a URL.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub issuer: String,
    /// The exact `aud` claim that the JWTs must have.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub audience: String,
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderEdit {
    /// New name; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// New issuer; `None` keeps the current one.
    pub issuer: Option<String>,
    /// New audience; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub audience: Option<String>,
}

/// The checked fields of a new or edited identity provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidProvider {
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// The `iss` claim, exactly as it was typed except for surrounding spaces.
    pub issuer: String,
    /// The `aud` claim that the JWTs must have.
    pub audience: String,
}

impl NewProvider {
    /// Checks every field. The request to the issuer is made by the action.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, outbound: &Outbound) -> Result<ValidProvider> {
        let mut errors = ValidationErrors::default();
        let checked = errors.check("name", name(&self.name));
        let issuer = self.issuer.trim().to_owned();
        errors.check("issuer", outbound.check(&issuer));
        let audience = errors.check("audience", name_of("audience", &self.audience));
        match (checked, audience) {
            (Some(name), Some(audience)) if errors.is_empty() => Ok(ValidProvider { name, issuer, audience }),
            _ => Err(Error::Invalid(errors)),
        }
    }
}

impl ProviderEdit {
    /// The complete fields after the edit. Fields that the edit leaves out are taken from the provider.
    #[must_use]
    pub fn over(&self, provider: &IdentityProvider) -> NewProvider {
        NewProvider {
            name: self.name.clone().unwrap_or_else(|| provider.name.clone()),
            issuer: self.issuer.clone().unwrap_or_else(|| provider.issuer.clone()),
            audience: self.audience.clone().unwrap_or_else(|| provider.audience.clone()),
        }
    }
}
