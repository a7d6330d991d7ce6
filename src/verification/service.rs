//! Authentication of registered services by their secret. Only services can call
//! the verification endpoints, and a service secret can do nothing else.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};

use super::credentials::read_token_from;
use super::principal::{SecretFacts, ServiceCaller, has_ended};
use super::token_format::{PlainToken, TokenHash};
use super::verifier::Verifier;
use crate::access::TokenKind;
use crate::platform::id::{ServiceId, TokenId};
use crate::platform::web::RequestContext;
use crate::platform::{Error, Result, Timestamp, sql};
use crate::principals::OrganizationRow;

#[derive(sqlx::FromRow)]
struct ServiceRow {
    token_id: TokenId,
    service_id: ServiceId,
    service_name: String,
    accepted_kinds: String,
    stops_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[sqlx(flatten)]
    organization: OrganizationRow,
}

/// Authenticates a service by the secret in a header: `Bearer <secret>`, or Basic
/// with the service's id and the secret.
///
/// # Errors
/// [`Error::Unauthenticated`] without a valid secret; [`Error::TooMany`] after
/// many failures from one network; when the database cannot.
pub async fn authenticate(
    verifier: &Verifier,
    request: &RequestContext,
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Arc<ServiceCaller>> {
    let found = authenticate_header(verifier, request, headers, name).await;
    found.map_err(|error| verifier.rate_limits.count_failure(request.ip, error))
}

/// Authenticates a service by its id and secret, as an OAuth client sends them.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_as(
    verifier: &Verifier,
    request: &RequestContext,
    id: &str,
    secret: &PlainToken,
) -> Result<Arc<ServiceCaller>> {
    let found = find_service(verifier, request, Some(id), secret).await;
    found.map_err(|error| verifier.rate_limits.count_failure(request.ip, error))
}

async fn authenticate_header(
    verifier: &Verifier,
    request: &RequestContext,
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Arc<ServiceCaller>> {
    let (user, secret) = read_token_from(headers, name)?;
    find_service(verifier, request, user.as_deref(), &secret).await
}

async fn find_service(
    verifier: &Verifier,
    request: &RequestContext,
    user: Option<&str>,
    secret: &PlainToken,
) -> Result<Arc<ServiceCaller>> {
    let refused = Error::Unauthenticated { presented: true };
    if secret.kind() != TokenKind::ServiceSecret {
        return Err(refused);
    }
    let (hash, now) = (secret.hash(), verifier.context.clock.now());
    let known = match verifier.cache.services.get(verifier.context.db.invalidations(), &hash, now) {
        Some(known) => known,
        None => Box::pin(load_service(verifier, hash)).await?.ok_or_else(|| refused.clone())?,
    };
    if has_ended(known.expires_at, now) || user.is_some_and(|user| user != known.service.id.to_string()) {
        return Err(refused);
    }
    verifier.usage.record_secret(now, hash, (known.token, &known.service), request);
    Ok(known.service.clone())
}

/// Loads the service of a secret and stores it in the cache. Returns `None` if
/// the secret is unknown or revoked, or the service is disabled.
async fn load_service(verifier: &Verifier, hash: TokenHash) -> Result<Option<Arc<SecretFacts>>> {
    let snapshot = verifier.context.db.invalidations().snapshot();
    let row: Option<ServiceRow> =
        sql("SELECT t.id AS token_id, s.id AS service_id, s.name AS service_name, \
            s.accepted_kinds, v.stops_at, t.expires_at, \
            o.id AS organization_id, o.slug AS organization_slug, o.name AS organization_name, o.policy \
         FROM token_values v JOIN tokens t ON t.id = v.token_id AND t.revoked_at IS NULL \
         JOIN services s ON s.id = t.service_id AND s.disabled_at IS NULL \
         JOIN organizations o ON o.id = s.organization_id WHERE v.hash = $1")
        .bind(hash)
        .optional(&verifier.context.db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let known = Arc::new(SecretFacts {
        token: row.token_id,
        expires_at: [row.stops_at, row.expires_at].into_iter().flatten().min(),
        service: Arc::new(ServiceCaller {
            id: row.service_id,
            name: row.service_name.into(),
            kinds: TokenKind::parse_list(&row.accepted_kinds),
            organization: Arc::new(row.organization.load_facts(&verifier.context.db).await?),
        }),
    });
    let version = verifier
        .context
        .db
        .invalidations()
        .version(snapshot, &[known.service.organization.id.into(), known.token.into()]);
    verifier.cache.services.put(hash, version, &known);
    Ok(Some(known))
}
