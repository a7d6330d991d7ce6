//! Permission sets for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json as Answer, Router};
use serde_json::json;

use super::actions;
use super::model::{NewSet, SetEdit};
use crate::identity::{ApiCaller, App};
use crate::platform::Result;
use crate::platform::web::Json;

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/organizations/{org}/permission-sets", get(list).post(create))
        .route("/organizations/{org}/permission-sets/{set}", patch(edit).get(one).delete(delete))
}

type Named = Path<(String, String)>;

async fn list(State(app): State<App>, caller: ApiCaller) -> Result<Response> {
    Ok(Answer(json!({ "items": actions::list(&app, &caller).await?, "next": null })).into_response())
}

async fn create(State(app): State<App>, caller: ApiCaller, Json(input): Json<NewSet>) -> Result<Response> {
    Ok((StatusCode::CREATED, Answer(actions::create(&app, &caller, &input).await?)).into_response())
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, set)): Named) -> Result<Response> {
    Ok(Answer(actions::get(&app, &caller, &set).await?.0).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, set)): Named,
    Json(input): Json<SetEdit>,
) -> Result<Response> {
    Ok(Answer(actions::edit(&app, &caller, &set, &input, None).await?).into_response())
}

async fn delete(State(app): State<App>, caller: ApiCaller, Path((_, set)): Named) -> Result<StatusCode> {
    actions::delete(&app, &caller, &set).await?;
    Ok(StatusCode::NO_CONTENT)
}
