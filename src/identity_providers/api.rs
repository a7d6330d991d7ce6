//! Identity providers for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json as Answer, Router};
use serde_json::json;

use super::actions;
use super::model::{NewProvider, ProviderEdit};
use crate::identity::{ApiCaller, App};
use crate::platform::Result;
use crate::platform::web::Json;

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/organizations/{org}/identity-providers", get(list).post(create))
        .route("/organizations/{org}/identity-providers/{idp}", patch(edit).get(one).delete(delete))
}

type Named = Path<(String, String)>;

async fn list(State(app): State<App>, caller: ApiCaller) -> Result<Response> {
    Ok(Answer(json!({ "items": actions::list(&app, &caller).await?, "next": null })).into_response())
}

async fn create(
    State(app): State<App>,
    caller: ApiCaller,
    Json(input): Json<NewProvider>,
) -> Result<Response> {
    Ok((StatusCode::CREATED, Answer(actions::create(&app, &caller, &input).await?)).into_response())
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, idp)): Named) -> Result<Response> {
    Ok(Answer(actions::get(&app, &caller, &idp).await?).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, idp)): Named,
    Json(input): Json<ProviderEdit>,
) -> Result<Response> {
    Ok(Answer(actions::edit(&app, &caller, &idp, &input, None).await?).into_response())
}

async fn delete(State(app): State<App>, caller: ApiCaller, Path((_, idp)): Named) -> Result<StatusCode> {
    actions::delete(&app, &caller, &idp).await?;
    Ok(StatusCode::NO_CONTENT)
}
