//! The SQL of identity providers.

use super::model::{Checked, IdentityProvider, IdentityProviders};
use crate::access::Permit;
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{IdentityProviderId, OrganizationId};
use crate::platform::text::{self, casefold};
use crate::platform::{Error, Result, Timestamp, Tx, ValidationErrors, sql};
use crate::principals::Effect;

/// The text of a statement: providers with what lists say of them. `most`: where
/// the count stops, as ` LIMIT …`.
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
        sql(providers_where!("", "i.organization_id = $1 AND (i.id = $2 OR i.name_folded = $3)"))
            .bind(organization)
            .bind(named)
            .bind(casefold(named))
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
    Ok(sql(providers_where!(" LIMIT 101", "i.organization_id = $1 ORDER BY i.name_folded LIMIT 200"))
        .bind(organization)
        .all(source)
        .await?)
}

/// An identity provider of one of the organizations that trust its pair of issuer
/// and audience.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct TrustedProvider {
    /// Its id.
    pub id: IdentityProviderId,
    /// Counts its edits.
    pub version: i64,
}

/// The providers of this issuer and audience, exactly, one of each organization
/// that trusts the pair; two at most. `organization` names one by slug or id,
/// `account` the one of a service account by its UID.
///
/// # Errors
/// When the database cannot.
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

/// Which field is taken, where a statement met a unique constraint: SQLite
/// does not say.
async fn taken(tx: &mut Tx, organization: OrganizationId, own: &str, provider: &Checked) -> Result<()> {
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
    provider: &Checked,
    (by, now): (&str, Timestamp),
) -> Result<()> {
    taken(tx, organization, "", provider).await?;
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

/// Writes an edit over the version that was read; false if another came first.
pub(super) async fn update(
    change: &mut Change<'_>,
    permit: &Permit<IdentityProviders>,
    organization: OrganizationId,
    was: &IdentityProvider,
    provider: &Checked,
) -> Result<bool> {
    taken(change.tx(), organization, &was.id.to_string(), provider).await?;
    let statement =
        sql("UPDATE identity_providers SET name = $1, name_folded = $2, issuer = $3, audience = $4, \
            version = version + 1 WHERE id = $5 AND version = $6")
        .bind(&provider.name)
        .bind(casefold(&provider.name))
        .bind(&provider.issuer)
        .bind(&provider.audience)
        .bind(was.id)
        .bind(was.version);
    // Whoever issues the tokens that are trusted from now on can act as every bound account.
    let same = (&was.issuer, &was.audience) == (&provider.issuer, &provider.audience);
    let effect = if same { Effect::None } else { Effect::IdentityProvider(was.id) };
    let taken = |error| Error::unique(error, "audience", PAIR_IS_TAKEN);
    Ok(change.write_unique(permit, effect, statement, taken).await? == 1)
}

/// Removes a provider; accounts that were deleted let go of it first.
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

/// Ends the access tokens of every account that proves itself by a provider:
/// it is another issuer or audience from now on.
pub(super) async fn end_exchanged(
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
