//! SQL for identity providers.
//!
//! Statements that write take a permit and are called by `actions` only.

use super::model::{IdentityProvider, IdentityProviders, ValidProvider};
use crate::access::Permit;
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{IdentityProviderId, OrganizationId};
use crate::platform::text::{self, casefold};
use crate::platform::{Error, Result, Timestamp, Tx, ValidationErrors, sql};
use crate::principals::Effect;

/// Text of a SELECT of [`IdentityProvider`]s. `$most` limits the count of accounts (` LIMIT …` or empty).
macro_rules! providers_where {
    ($most:literal, $rest:literal) => {
        concat!(
            "SELECT i.id, i.name, i.issuer, i.audience, i.created_at, i.created_by_name, i.version, \
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE a.identity_provider_id = i.id \
                    AND a.deleted_at IS NULL",
            $most,
            ") counted) AS accounts FROM identity_providers i WHERE ",
            $rest
        )
    };
}

/// Finds an identity provider of the organization by id or name.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    named: &str,
) -> Result<IdentityProvider> {
    let found: Option<IdentityProvider> =
        sql(providers_where!("", "i.organization_id = $1 AND (i.id = $2 OR i.name_folded = $3)"))
            .bind(organization)
            .bind(named)
            .bind(casefold(named))
            .optional(source)
            .await?;
    found.ok_or(Error::NotFound)
}

/// The identity providers of the organization, sorted by name, at most 200.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn all(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
) -> Result<Vec<IdentityProvider>> {
    Ok(sql(providers_where!(" LIMIT 101", "i.organization_id = $1 ORDER BY i.name_folded LIMIT 200"))
        .bind(organization)
        .all(source)
        .await?)
}

/// An identity provider that matches the issuer and audience of a JWT.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct TrustedProvider {
    /// Unique id.
    pub id: IdentityProviderId,
    /// Version of the row that was read.
    pub version: i64,
}

/// The identity providers with exactly this issuer and audience, at most two: the token endpoint needs to
/// know only whether there is exactly one. `organization` (slug or id) and `account` (UID) restrict them to
/// one organization.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list_trusted(
    source: impl Into<Source<'_>>,
    (issuer, audience): (&str, &str),
    organization: Option<&str>,
    account: Option<&str>,
) -> Result<Vec<TrustedProvider>> {
    Ok(sql("SELECT i.id, i.version FROM identity_providers i JOIN organizations o ON o.id = i.organization_id \
         WHERE i.issuer = $1 AND i.audience = $2 AND ($3 = '' OR o.id = $3 OR o.slug = $3) \
            AND ($4 = '' OR EXISTS (SELECT 1 FROM service_accounts a WHERE a.id = $4 AND a.organization_id = i.organization_id)) \
         ORDER BY i.id LIMIT 2")
    .bind(issuer)
    .bind(audience)
    .bind(organization.unwrap_or_default())
    .bind(account.unwrap_or_default())
    .all(source)
    .await?)
}

const PAIR_IS_TAKEN: &str =
    "This audience is taken by another identity provider with the same issuer. Choose another one.";

/// Returns [`Error::Conflict`] if the name or the pair of issuer and audience is taken. SQLite does not say
/// which unique constraint failed, so this is checked first.
async fn ensure_unique(
    tx: &mut Tx,
    organization: OrganizationId,
    own: &str,
    provider: &ValidProvider,
) -> Result<()> {
    let named: Option<(String,)> = sql("SELECT id FROM identity_providers \
         WHERE organization_id = $1 AND name_folded = $2 AND id <> $3")
    .bind(organization)
    .bind(casefold(&provider.name))
    .bind(own)
    .optional(&mut *tx)
    .await?;
    if named.is_some() {
        return Err(Error::Conflict(ValidationErrors::one("name", text::taken("name", "identity provider"))));
    }
    let pair: Option<(String,)> =
        sql("SELECT id FROM identity_providers WHERE organization_id = $1 AND issuer = $2 AND audience = $3 AND id <> $4")
            .bind(organization)
            .bind(&provider.issuer)
            .bind(&provider.audience)
            .bind(own)
            .optional(tx)
            .await?;
    if pair.is_some() {
        return Err(Error::Conflict(ValidationErrors::one("audience", PAIR_IS_TAKEN)));
    }
    Ok(())
}

pub(super) async fn insert(
    tx: &mut Tx,
    permit: &Permit<IdentityProviders>,
    (organization, id): (OrganizationId, IdentityProviderId),
    provider: &ValidProvider,
    (by, now): (&str, Timestamp),
) -> Result<()> {
    ensure_unique(tx, organization, "", provider).await?;
    sql("INSERT INTO identity_providers (id, organization_id, name, name_folded, issuer, audience, created_by_name, \
            created_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)")
    .bind(id)
    .bind(organization)
    .bind(&provider.name)
    .bind(casefold(&provider.name))
    .bind(&provider.issuer)
    .bind(&provider.audience)
    .bind(by)
    .bind(now)
    .execute(tx, permit)
    .await
    .map_err(|error| Error::unique(error, "audience", PAIR_IS_TAKEN))?;
    Ok(())
}

/// Writes an edit if the row still has the version that was read. Returns false otherwise.
pub(super) async fn update(
    change: &mut Change<'_>,
    permit: &Permit<IdentityProviders>,
    organization: OrganizationId,
    was: &IdentityProvider,
    provider: &ValidProvider,
) -> Result<bool> {
    ensure_unique(change.tx(), organization, &was.id.to_string(), provider).await?;
    let statement =
        sql("UPDATE identity_providers SET name = $1, name_folded = $2, issuer = $3, audience = $4, \
            version = version + 1 WHERE id = $5 AND version = $6")
        .bind(&provider.name)
        .bind(casefold(&provider.name))
        .bind(&provider.issuer)
        .bind(&provider.audience)
        .bind(was.id)
        .bind(was.version);
    // Whoever issues JWTs for the new issuer and audience can act as every bound account.
    let same = (&was.issuer, &was.audience) == (&provider.issuer, &provider.audience);
    let effect = if same { Effect::None } else { Effect::IdentityProvider(was.id) };
    let pair_is_taken = |error| Error::unique(error, "audience", PAIR_IS_TAKEN);
    Ok(change.write_unique(permit, effect, statement, pair_is_taken).await? == 1)
}

/// Deletes an identity provider. Rows of deleted accounts refer to it and are updated first.
pub(super) async fn delete(
    tx: &mut Tx,
    permit: &Permit<IdentityProviders>,
    id: IdentityProviderId,
) -> Result<()> {
    sql("UPDATE service_accounts SET identity_provider_id = NULL WHERE identity_provider_id = $1 AND deleted_at IS NOT NULL")
        .bind(id)
        .execute(&mut *tx, permit)
        .await?;
    sql("DELETE FROM identity_providers WHERE id = $1").bind(id).execute(tx, permit).await?;
    Ok(())
}

/// Revokes the access tokens of all accounts that use an identity provider, after its issuer or audience has
/// changed.
pub(super) async fn revoke_access_tokens(
    tx: &mut Tx,
    permit: &Permit<IdentityProviders>,
    id: IdentityProviderId,
    now: Timestamp,
) -> Result<()> {
    sql("UPDATE tokens SET revoked_at = $1 WHERE kind = 'access' AND revoked_at IS NULL AND service_account_id IN \
            (SELECT a.id FROM service_accounts a WHERE a.identity_provider_id = $2)")
    .bind(now)
    .bind(id)
    .execute(tx, permit)
    .await?;
    Ok(())
}
