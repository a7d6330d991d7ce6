//! Token revocation (RFC 7009).
//!
//! Whoever has a token can revoke it. No other credential is required, so that somebody who finds a leaked
//! token can revoke it too.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use super::oauth_error::{Code, OAuthError, check_client, parse_form, refuse, required_param};
use crate::access::TokenKind;
use crate::audit::{Actor, ActorKind, Change};
use crate::platform::Error;
use crate::platform::web::{Form, RequestContext};
use crate::state::AppState;
use crate::tokens::store::FoundToken;
use crate::tokens::{lifecycle, store};
use crate::verification::PlainToken;

/// The router of this protocol's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new().route("/oauth2/revoke", post(revoke))
}

async fn revoke(
    State(app): State<AppState>,
    facts: RequestContext,
    headers: HeaderMap,
    form: Result<Form, Error>,
) -> Result<StatusCode, OAuthError> {
    let form = parse_form(form)?;
    let text = required_param(&form, "token")?;
    check_client(&app, &facts, &headers, &form).await?;
    // RFC 7009, section 2.2: an invalid token results in the same response as a revoked one.
    let Some(value) = PlainToken::parse(&text) else { return Ok(StatusCode::OK) };
    if value.kind() == TokenKind::ServiceSecret {
        return refuse(Code::UnsupportedTokenType, "Revoke service secrets in the console or with the API.");
    }
    let actor = Actor::program(&facts, ActorKind::Nobody, String::new(), "who has the token".to_owned());
    let mut change = Change::begin(&app.context, &actor, None).await?;
    let now = change.now;
    // An old value whose overlap is over does not revoke the current value.
    let Some(FoundToken { token, is_old_value }) = store::find_by_value(change.tx(), &value, now).await?
    else {
        return Ok(StatusCode::OK);
    };
    lifecycle::set_owner(&mut change, &token);
    match lifecycle::revoke_presented(change, &token, is_old_value).await {
        // A concurrent request revoked the token first.
        Ok(()) | Err(Error::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(StatusCode::OK)
}
