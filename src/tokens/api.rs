//! API responses with tokens, used by the API handlers of all sections.
//!
//! A value is part of a response only if the request created it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::lifecycle::Issued;
use super::model::{Token, TokenView};
use super::store;
use crate::access::{Permission, Permissions};
use crate::platform::id::TokenId;
use crate::platform::secret::RevealedSecret;
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::verification::PlainToken;

/// The response body for a token without its value.
#[must_use]
pub fn view(app: &AppState, token: &Token) -> Json<TokenView> {
    Json(token.view(app.context.clock.now()))
}

/// The response body for a token with its value. The field is `null` if the request repeats an earlier one.
///
/// # Errors
/// [`Error::NotFound`] if the token does not exist; otherwise an error of the database.
pub async fn with_value(app: &AppState, id: TokenId, value: Option<RevealedSecret>) -> Result<TokenView> {
    let token = store::find(&app.context.db, id).await?.ok_or(Error::NotFound)?;
    let mut view = token.view(app.context.clock.now());
    view.token = Some(value);
    Ok(view)
}

/// A response 201 with a token that has just been created or regenerated.
///
/// # Errors
/// As [`with_value`].
pub async fn issued(app: &AppState, issued: &Issued) -> Result<Response> {
    let view = with_value(app, issued.id, issued.value.as_ref().map(PlainToken::reveal)).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// The permissions to which a request limits a new token.
///
/// # Errors
/// [`Error::Invalid`] for a word that is no permission.
pub fn limited_to(words: &[String]) -> Result<Permissions> {
    let mut errors = ValidationErrors::default();
    let all: Vec<Permission> =
        words.iter().filter_map(|word| errors.check("permissions", word.parse())).collect();
    errors.into_result()?;
    Ok(all.into_iter().collect())
}
