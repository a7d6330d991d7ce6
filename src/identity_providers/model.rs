//! What an identity provider is.

use serde::Serialize;

use crate::access::{Guarded, Resource, Target};
use crate::platform::Timestamp;
use crate::platform::id::IdentityProviderId;

/// An issuer that the organization trusts for federated accounts.
#[derive(Clone, Debug, sqlx::FromRow, Serialize)]
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
    pub accounts: i64,
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
