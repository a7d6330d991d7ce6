//! How the API answers with tokens, whatever their kind.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::lifecycle::Issued;
use super::model::{Token, TokenView};
use super::store;
use crate::platform::id::TokenId;
use crate::platform::secret::RevealedSecret;
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::verification::PlainToken;

/// A token without its value.
#[must_use]
pub fn view(app: &AppState, token: &Token) -> Json<TokenView> {
    Json(token.view(app.context.clock.now()))
}

/// A token with its value, or with `null` where the request was carried out before.
///
/// # Errors
/// When the database cannot.
pub async fn with_value(app: &AppState, id: TokenId, value: Option<RevealedSecret>) -> Result<TokenView> {
    let token = store::find(&app.context.db, id).await?.ok_or(Error::NotFound)?;
    let mut view = token.view(app.context.clock.now());
    view.token = Some(value);
    Ok(view)
}

/// 201 with a token that has just got a value.
///
/// # Errors
/// When the database cannot.
pub async fn issued(app: &AppState, issued: &Issued) -> Result<Response> {
    let view = with_value(app, issued.id, issued.value.as_ref().map(PlainToken::reveal)).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}
