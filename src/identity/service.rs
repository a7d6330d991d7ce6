//! A registered service, by its secret: who may ask the verification endpoints.

use axum::http::{HeaderMap, HeaderName};

use super::app::App;
use super::bearer::{passed, presented_in};
use super::standing::{OrganizationFacts, OrganizationRow};
use crate::access::TokenKind;
use crate::platform::id::{ServiceId, TokenId};
use crate::platform::{Error, Result, Timestamp, sql};

/// A service that proved who it is.
#[derive(Clone, Debug)]
pub struct ServiceCaller {
    /// Its id.
    pub id: ServiceId,
    /// The kinds of token that it accepts.
    pub kinds: Vec<TokenKind>,
    /// Its organization: it learns of no other.
    pub organization: OrganizationFacts,
}

#[derive(sqlx::FromRow)]
struct Row {
    token_id: TokenId,
    service_id: ServiceId,
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
/// [`Error::Unauthenticated`] without one or with one that is not good.
pub async fn authenticate(app: &App, headers: &HeaderMap, name: &HeaderName) -> Result<ServiceCaller> {
    let refused = Error::Unauthenticated { presented: true };
    let (user, secret) = presented_in(headers, name)?;
    if secret.kind() != TokenKind::ServiceSecret {
        return Err(refused);
    }
    let hash = secret.hash();
    let row: Option<Row> =
        sql("SELECT t.id AS token_id, s.id AS service_id, s.accepted_kinds, v.stops_at, t.expires_at, \
            o.id AS organization_id, o.slug AS organization_slug, o.name AS organization_name, o.policy \
         FROM token_values v JOIN tokens t ON t.id = v.token_id AND t.revoked_at IS NULL \
         JOIN services s ON s.id = t.service_id AND s.disabled_at IS NULL \
         JOIN organizations o ON o.id = s.organization_id WHERE v.hash = $1")
        .bind(hash)
        .optional(&app.db)
        .await?;
    let now = app.clock.now();
    let Some(row) = row.filter(|row| !passed(row.stops_at, now) && !passed(row.expires_at, now)) else {
        return Err(refused);
    };
    if user.is_some_and(|user| user != row.service_id.to_string()) {
        return Err(refused);
    }
    app.usage.note(hash, row.token_id, now, None);
    Ok(ServiceCaller {
        id: row.service_id,
        kinds: TokenKind::list(&row.accepted_kinds),
        organization: row.organization.facts(&app.db).await?,
    })
}
