//! The SQL of identity providers.

use super::model::IdentityProvider;
use crate::platform::db::Source;
use crate::platform::id::OrganizationId;
use crate::platform::text::fold;
use crate::platform::{Error, Result, sql};

/// One of the organization's, by id or name.
///
/// # Errors
/// [`Error::NotFound`]; when the database cannot.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    named: &str,
) -> Result<IdentityProvider> {
    let found: Option<IdentityProvider> =
        sql("SELECT i.id, i.name, i.issuer, i.audience, i.created_at, i.created_by_name, i.version, \
            (SELECT COUNT(*) FROM service_accounts a WHERE a.identity_provider_id = i.id AND a.deleted_at IS NULL) AS accounts \
         FROM identity_providers i WHERE i.organization_id = $1 AND (i.id = $2 OR i.name_folded = $3)")
        .bind(organization)
        .bind(named)
        .bind(fold(named))
        .optional(source)
        .await?;
    found.ok_or(Error::NotFound)
}

/// All of the organization's, by name.
///
/// # Errors
/// When the database cannot.
pub async fn all(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
) -> Result<Vec<IdentityProvider>> {
    Ok(sql("SELECT i.id, i.name, i.issuer, i.audience, i.created_at, i.created_by_name, i.version, \
            (SELECT COUNT(*) FROM service_accounts a WHERE a.identity_provider_id = i.id AND a.deleted_at IS NULL) AS accounts \
         FROM identity_providers i WHERE i.organization_id = $1 ORDER BY i.name_folded LIMIT 200")
    .bind(organization)
    .all(source)
    .await?)
}
