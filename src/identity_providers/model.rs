//! What an identity provider is.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Resource, Target};
use crate::platform::id::IdentityProviderId;
use crate::platform::outbound::Outbound;
use crate::platform::text::{UpTo, name, name_of};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};

/// An issuer that the organization trusts for federated accounts.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct IdentityProvider {
    /// Its id.
    pub id: IdentityProviderId,
    /// Unique in the organization.
    pub name: String,
    /// The `iss` of its tokens, exactly.
    pub issuer: String,
    /// The `aud` that its tokens must carry, exactly.
    pub audience: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// Who added it.
    #[serde(rename = "created_by")]
    pub created_by_name: String,
    /// Counts its edits.
    #[serde(skip)]
    pub version: i64,
    /// How many living service accounts prove themselves by it.
    #[serde(skip)]
    pub accounts: UpTo<100>,
}

/// The claims that say whose a job is, for issuers that everybody can use: there
/// a branch or an environment alone would let in any stranger who calls theirs
/// the same.
#[must_use]
pub fn owners_of_shared(issuer: &str) -> Option<&'static [&'static str]> {
    match issuer.trim_end_matches('/') {
        "https://token.actions.githubusercontent.com" => {
            Some(&["repository", "repository_id", "repository_owner", "repository_owner_id"])
        }
        "https://gitlab.com" => Some(&["project_path", "project_id", "namespace_path", "namespace_id"]),
        _ => None,
    }
}

/// The identity providers of the organization: one kind of thing, one permission.
#[derive(Clone, Copy, Debug)]
pub struct IdentityProviders;

impl Guarded for IdentityProviders {
    const RESOURCE: Resource = Resource::IdentityProviders;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// An identity provider to be added, as typed or sent.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// Its name.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// The `iss` of its tokens.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub issuer: String,
    /// The `aud` that its tokens must carry.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub audience: String,
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderEdit {
    /// A new name.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// Another issuer.
    pub issuer: Option<String>,
    /// Another audience.
    #[schemars(length(min = 1, max = 255))]
    pub audience: Option<String>,
}

/// The fields of an identity provider, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// The `iss` of its tokens, exactly as it was typed.
    pub issuer: String,
    /// The `aud` that its tokens must carry.
    pub audience: String,
}

impl NewProvider {
    /// Checks every field; the issuer is asked afterwards.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, outbound: &Outbound) -> Result<Checked> {
        let mut mistakes = ValidationErrors::default();
        let checked = mistakes.check("name", name(&self.name));
        let issuer = self.issuer.trim().to_owned();
        mistakes.check("issuer", outbound.check(&issuer));
        let audience = mistakes.check("audience", name_of("audience", &self.audience));
        match (checked, audience) {
            (Some(name), Some(audience)) if mistakes.is_empty() => Ok(Checked { name, issuer, audience }),
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl ProviderEdit {
    /// Over what the provider has.
    #[must_use]
    pub fn over(&self, provider: &IdentityProvider) -> NewProvider {
        NewProvider {
            name: self.name.clone().unwrap_or_else(|| provider.name.clone()),
            issuer: self.issuer.clone().unwrap_or_else(|| provider.issuer.clone()),
            audience: self.audience.clone().unwrap_or_else(|| provider.audience.clone()),
        }
    }
}
