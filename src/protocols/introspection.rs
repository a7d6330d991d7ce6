//! Token introspection (RFC 7662).
//!
//! A service authenticates with its secret and posts a token. The response describes the token if it is valid
//! and the service accepts its kind, and is `{"active": false}` otherwise. It also reports the attribution.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::oauth_error::{Code, OAuthError, optional_param, refuse, required_param};
use super::verified::{self, VerificationQuery, Verified};
use crate::access::effective_permissions;
use crate::callers::AuthenticatedService;
use crate::platform::id::ServiceId;
use crate::platform::server::FastPath;
use crate::platform::web::{Form, json_response};
use crate::platform::{Error, Result, Timestamp};
use crate::state::AppState;
use crate::verification::PlainToken;
use crate::verification::attribution::{AttributedPerson, AttributionClaim, AttributionOutcome};
use crate::verification::principal::{PrincipalKind, ServiceCaller};
use crate::verification::usage::Check;

/// The router of this protocol's endpoints.
pub fn routes() -> FastPath<AppState> {
    FastPath::default().route("/oauth2/introspect", Method::POST, introspect)
}

async fn introspect(
    State(app): State<AppState>,
    service: Result<AuthenticatedService>,
    form: Result<Form>,
) -> Result<Response, OAuthError> {
    let AuthenticatedService(service) = service.map_err(OAuthError::client)?;
    let form = form?;
    let token = PlainToken::parse(&required_param(&form, "token")?);
    let address = match optional_param(&form, "client_address")? {
        None => None,
        Some(text) => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => return refuse(Code::InvalidRequest, "Send an IPv4 or IPv6 address as client_address."),
        },
    };
    let claimed = AttributionClaim {
        on_behalf_of: optional_param(&form, "on_behalf_of")?,
        team: optional_param(&form, "team")?,
    };
    let question = VerificationQuery { token, claimed, address, agent: None };
    match verified::verify(&app, &service, question).await? {
        Some(verified) => {
            verified.record(&app, &service, Check::VALID);
            Ok(json_response(&active(&app, &service, &verified)?)?)
        }
        // RFC 7662, section 2.2: the response says nothing about an inactive token, not even why it is
        // inactive.
        None => Ok(json_response(&json!({ "active": false }))?),
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// The response for an active token (RFC 7662, section 2.2).
#[derive(Debug, Serialize)]
struct ActiveToken<'a> {
    active: bool,
    sub: Cow<'a, str>,
    client_id: Cow<'a, str>,
    username: &'a str,
    scope: String,
    iss: &'a str,
    aud: ServiceId,
    token_type: &'static str,
    iat: i64,
    nbf: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    tessera: TesseraClaims<'a>,
}

/// Members beyond RFC 7662.
#[derive(Debug, Serialize)]
struct TesseraClaims<'a> {
    kind: PrincipalKind,
    organization: &'a str,
    team: Option<&'a str>,
    default_team: Option<&'a str>,
    attributed_to: Option<&'a AttributedPerson>,
    attribution: Option<AttributionOutcome>,
}

fn active<'a>(
    app: &'a AppState,
    service: &'a ServiceCaller,
    verified: &'a Verified,
) -> Result<ActiveToken<'a>> {
    let Verified { token, subject, default_team, attribution } = verified;
    let scope = &app.verifier.cache.encoded_permissions(effective_permissions(subject))?.scope;
    Ok(ActiveToken {
        active: true,
        sub: token.facts().principal.id(),
        client_id: token.facts().principal.id(),
        username: token.facts().principal.username(),
        scope: scope.to_str().map_err(Error::internal)?.to_owned(),
        iss: &app.context.config.public_url,
        aud: service.id,
        token_type: "Bearer",
        iat: seconds(token.facts().issued_at),
        nbf: seconds(token.facts().issued_at),
        exp: token.facts().expires_at.map(seconds),
        tessera: TesseraClaims {
            kind: token.facts().principal.kind(),
            organization: &service.organization.slug,
            team: attribution.team.as_deref(),
            default_team: default_team.as_deref(),
            attributed_to: attribution.person.as_ref(),
            attribution: attribution.outcome,
        },
    })
}
