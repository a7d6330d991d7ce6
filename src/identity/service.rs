//! A registered service, by its secret: who may ask the verification endpoints.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use super::app::App;
use super::bearer::{passed, presented_in};
use super::caller::RequestFacts;
use super::token::{PlainToken, TokenHash};
use crate::access::TokenKind;
use crate::platform::id::{ServiceId, TokenId};
use crate::platform::{Error, Result, Timestamp, sql};
use crate::principals::{OrganizationFacts, OrganizationRow};

/// A service that proved who it is.
#[derive(Clone, Debug)]
pub struct ServiceCaller {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: Arc<str>,
    /// The kinds of token that it accepts.
    pub kinds: Vec<TokenKind>,
    /// Its organization: it learns of no other.
    pub organization: Arc<OrganizationFacts>,
}

/// The service whose secret is a request's `Authorization`.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Arc<ServiceCaller>);

/// What is remembered of a secret.
#[derive(Clone, Debug)]
pub struct Known {
    token: TokenId,
    /// The first of its ends.
    expires_at: Option<Timestamp>,
    service: Arc<ServiceCaller>,
}

#[derive(sqlx::FromRow)]
struct Row {
    token_id: TokenId,
    service_id: ServiceId,
    service_name: String,
    accepted_kinds: String,
    stops_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[sqlx(flatten)]
    organization: OrganizationRow,
}

/// Reads the service's secret from a header (`Bearer <secret>`, or Basic with
/// the service's id and the secret) and looks it up.
///
/// # Errors
/// [`Error::Unauthenticated`] without one or with one that is not good;
/// [`Error::TooMany`] after many of those.
pub async fn authenticate(
    app: &App,
    facts: &RequestFacts,
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Arc<ServiceCaller>> {
    let found = find(app, facts, headers, name).await;
    found.map_err(|error| app.limits.refused(facts.address, error))
}

impl FromRequestParts<App> for Authenticated {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let facts = RequestFacts::of(parts);
        authenticate(app, &facts, &parts.headers, &AUTHORIZATION).await.map(Self)
    }
}

/// The same with the service's id and secret.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_as(
    app: &App,
    facts: &RequestFacts,
    id: &str,
    secret: &PlainToken,
) -> Result<Arc<ServiceCaller>> {
    let found = look_up(app, facts, Some(id), secret).await;
    found.map_err(|error| app.limits.refused(facts.address, error))
}

async fn find(
    app: &App,
    facts: &RequestFacts,
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Arc<ServiceCaller>> {
    let (user, secret) = presented_in(headers, name)?;
    look_up(app, facts, user.as_deref(), &secret).await
}

async fn look_up(
    app: &App,
    facts: &RequestFacts,
    user: Option<&str>,
    secret: &PlainToken,
) -> Result<Arc<ServiceCaller>> {
    let refused = Error::Unauthenticated { presented: true };
    if secret.kind() != TokenKind::ServiceSecret {
        return Err(refused);
    }
    let (hash, now) = (secret.hash(), app.clock.now());
    let known = match app.memory.services.get(app.db.changes(), &hash, now) {
        Some(known) => known,
        None => Box::pin(read(app, hash)).await?.ok_or_else(|| refused.clone())?,
    };
    if passed(known.expires_at, now) || user.is_some_and(|user| user != known.service.id.to_string()) {
        return Err(refused);
    }
    app.usage.note_secret(now, hash, known.token, facts);
    Ok(known.service.clone())
}

/// Reads what is known of a secret, and remembers it.
async fn read(app: &App, hash: TokenHash) -> Result<Option<Arc<Known>>> {
    let before = app.db.changes().before();
    let row: Option<Row> = sql("SELECT t.id AS token_id, s.id AS service_id, s.name AS service_name, \
            s.accepted_kinds, v.stops_at, t.expires_at, \
            o.id AS organization_id, o.slug AS organization_slug, o.name AS organization_name, o.policy \
         FROM token_values v JOIN tokens t ON t.id = v.token_id AND t.revoked_at IS NULL \
         JOIN services s ON s.id = t.service_id AND s.disabled_at IS NULL \
         JOIN organizations o ON o.id = s.organization_id WHERE v.hash = $1")
    .bind(hash)
    .optional(&app.db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let known = Arc::new(Known {
        token: row.token_id,
        expires_at: [row.stops_at, row.expires_at].into_iter().flatten().min(),
        service: Arc::new(ServiceCaller {
            id: row.service_id,
            name: row.service_name.into(),
            kinds: TokenKind::list(&row.accepted_kinds),
            organization: Arc::new(row.organization.facts(&app.db).await?),
        }),
    });
    let stamp = app.db.changes().stamp(before, &[known.service.organization.id.into(), known.token.into()]);
    app.memory.services.put(hash, stamp, &known);
    Ok(Some(known))
}
