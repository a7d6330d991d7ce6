//! A team's API token for programs.

use axum::Router;
use axum::extract::{Path, State};
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

type Named = Path<(String, String)>;

/// The routes of this part.
pub fn routes() -> Router<App> {
    Router::new().route("/organizations/{org}/teams/{team}/token", get(one).post(generate).delete(delete))
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, team)): Named) -> Result<Response> {
    let (_, token) = token::get(&app, &caller, &team).await?;
    Ok(view(&app, &token.ok_or(Error::NotFound)?).into_response())
}

async fn generate(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team)): Named,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let (_, made) = token::generate(&app, &caller, &team, &body.into(), &Delivery::Answer).await?;
    issued(&app, &made).await
}

async fn delete(State(app): State<App>, caller: ApiCaller, Path((_, team)): Named) -> Result<StatusCode> {
    token::delete(&app, &caller, &team).await?;
    Ok(StatusCode::NO_CONTENT)
}
