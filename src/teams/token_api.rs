//! API of a team's token.
//!
//! The handlers call the same functions in `token` as the pages.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::token;
use crate::callers::ApiCaller;
use crate::platform::web::operation::{Api, delete, get, post};
use crate::platform::web::{ItemPath, Json};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::tokens::api::{issued, view};
use crate::tokens::model::{RenewalBody, TokenView};
use crate::tokens::one_time_secret::SecretDelivery;

/// The API operations for the token of a team.
pub fn routes() -> Api<AppState> {
    let path = "/organizations/{org}/teams/{team}/token";
    Api::of("Team tokens", "A team's one API token: none until it is made.")
        .with(
            get("getTeamToken", path, one, "The particulars of a team's token")
                .note("404 where there is none.")
                .gives::<TokenView>(),
        )
        .with(
            post("generateTeamToken", path, generate, "Generates a team's token, or gives it a new value")
                .note(
                    "Every member of the team may, while the team lets them. The old value stops at once, or after `overlap`. Without `expires_at` the new \
                     value lasts as long as the old one was made for.",
                )
                .takes::<RenewalBody>()
                .makes::<TokenView>(),
        )
        .with(delete("deleteTeamToken", path, end, "Deletes a team's token").note("Every member of the team may, while the team lets them."))
}

async fn one(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
) -> Result<Response> {
    let (_, token) = token::get(&app.context, &caller, &team).await?;
    Ok(view(&app, &token.ok_or(Error::NotFound)?).into_response())
}

async fn generate(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let (_, made) =
        token::generate(&app.context, &caller, &team, &body.into(), &SecretDelivery::Answer).await?;
    issued(&app, &made).await
}

async fn end(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
) -> Result<StatusCode> {
    token::delete(&app.context, &caller, &team).await?;
    Ok(StatusCode::NO_CONTENT)
}
