//! The organization token for programs: those of owners.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::token;
use crate::identity::reveal::Delivery;
use crate::identity::{ApiCaller, App};
use crate::platform::web::Json;
use crate::platform::{Error, Result};
use crate::tokens::api::{issued, view};
use crate::tokens::model::RenewalBody;

/// The routes of this part.
pub fn routes() -> Router<App> {
    Router::new().route("/organizations/{org}/token", get(one).post(generate).delete(delete))
}

async fn one(State(app): State<App>, caller: ApiCaller) -> Result<Response> {
    let token = token::get(&app, &caller).await?;
    Ok(view(&app, &token.ok_or(Error::NotFound)?).into_response())
}

async fn generate(
    State(app): State<App>,
    caller: ApiCaller,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    issued(&app, &token::generate(&app, &caller, &body.into(), &Delivery::Answer).await?).await
}

async fn delete(State(app): State<App>, caller: ApiCaller) -> Result<StatusCode> {
    token::delete(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
