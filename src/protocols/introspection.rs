//! Token introspection (RFC 7662).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json as Answer, Router};
use serde_json::{Value, json};

use super::oauth_error::{Code, Refused, needed, once, refuse};
use super::verified::{self, Question, Verified};
use crate::access::effective;
use crate::identity::{App, PlainToken};
use crate::identity::attribution::Claimed;
use crate::identity::service::{Authenticated, ServiceCaller};
use crate::platform::web::{Direct, Form};
use crate::platform::{Result, Timestamp};

/// The routes of this protocol.
pub fn routes() -> Router<App> {
    Router::new().route("/oauth2/introspect", post(Direct(introspect)))
}

async fn introspect(
    State(app): State<App>,
    service: Result<Authenticated>,
    form: Result<Form>,
) -> Result<Response, Refused> {
    let Authenticated(service) = service.map_err(Refused::client)?;
    let form = form?;
    let token = PlainToken::parse(&needed(&form, "token")?);
    let address = match once(&form, "client_address")? {
        None => None,
        Some(text) => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => return refuse(Code::InvalidRequest, "client_address must be an IPv4 or IPv6 address"),
        },
    };
    let claimed = Claimed { on_behalf_of: once(&form, "on_behalf_of")?, team: once(&form, "team")? };
    let question = Question { token, claimed, address, agent: None };
    let answer = match verified::verify(&app, &service, question).await? {
        Some(verified) => active(&app, &service, &verified),
        // RFC 7662, 2.2: nothing about a token that is not good, not even why.
        None => json!({ "active": false }),
    };
    Ok(Answer(answer).into_response())
}

fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

fn active(app: &App, service: &ServiceCaller, verified: &Verified) -> Value {
    let Verified { bearer, subject, default_team, attribution } = verified;
    let sub = bearer.principal.id();
    let mut answer = json!({
        "active": true,
        "sub": sub,
        "client_id": sub,
        "username": bearer.principal.username(),
        "scope": effective(subject).scope(),
        "iss": app.config.public_url,
        "aud": service.id,
        "token_type": "Bearer",
        "iat": seconds(bearer.issued_at),
        "nbf": seconds(bearer.issued_at),
        "tessera": {
            "kind": bearer.principal.kind(),
            "organization": service.organization.slug,
            "team": attribution.team,
            "default_team": default_team,
            "attributed_to": attribution.person,
            "attribution": attribution.outcome,
        },
    });
    if let Some(end) = bearer.expires_at {
        answer["exp"] = json!(seconds(end));
    }
    answer
}
