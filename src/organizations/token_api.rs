//! API of the organization token, for personal tokens of owners.
//!
//! The handlers call the same functions in `token` as the pages.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::token;
use crate::callers::ApiCaller;
use crate::platform::web::Json;
use crate::platform::web::operation::{Api, delete, get, post};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::tokens::api::{issued, view};
use crate::tokens::model::{RenewalBody, TokenView};
use crate::tokens::one_time_secret::SecretDelivery;

/// The API operations for the organization token.
pub fn routes() -> Api<AppState> {
    let path = "/organizations/{org}/token";
    Api::of("Organization token", "The organization's one API token: none until it is made.")
        .with(
            get("getOrganizationToken", path, one, "The particulars of the organization token")
                .note("404 where there is none. Members of the owners team alone; no permission stands for it.")
                .only(&["personal"])
                .gives::<TokenView>(),
        )
        .with(
            post("generateOrganizationToken", path, generate, "Generates the organization token, or gives it a new value")
                .note(
                    "Members of the owners team alone; no permission stands for it. The old value stops at once, or after `overlap`. Without `expires_at` the new \
                     value lasts as long as the old one was made for.",
                )
                .only(&["personal"])
                .takes::<RenewalBody>()
                .makes::<TokenView>(),
        )
        .with(delete("deleteOrganizationToken", path, end, "Deletes the organization token").note("Members of the owners team alone; no permission stands for it.").only(&["personal"]))
}

async fn one(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<Response> {
    let token = token::get(&app.context, &caller).await?;
    Ok(view(&app, &token.ok_or(Error::NotFound)?).into_response())
}

async fn generate(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    issued(&app, &token::generate(&app.context, &caller, &body.into(), &SecretDelivery::Answer).await?).await
}

async fn end(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<StatusCode> {
    token::delete(&app.context, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
