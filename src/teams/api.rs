//! Teams for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::json;

use super::actions;
use super::model::{NewTeam, TeamEdit};
use crate::access::TeamRole;
use crate::identity::{ApiCaller, App};
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};
use crate::platform::{Error, Mistakes, Result};

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/organizations/{org}/teams", get(list).post(create))
        .route("/organizations/{org}/teams/{team}", get(one).patch(edit).delete(delete))
        .route("/organizations/{org}/teams/{team}/members", get(members))
        .route("/organizations/{org}/teams/{team}/members/{username}", put(set_member).delete(remove_member))
}

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let slice = actions::list(&app, &caller, &query.text("q"), &Page::of_api(&query)?).await?;
    Ok(Answer(json!({ "items": slice.rows, "next": slice.next })).into_response())
}

async fn create(State(app): State<App>, caller: ApiCaller, Json(input): Json<NewTeam>) -> Result<Response> {
    let team = actions::create(&app, &caller, &input).await?;
    Ok((StatusCode::CREATED, Answer(team)).into_response())
}

async fn one(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team)): Path<(String, String)>,
) -> Result<Response> {
    Ok(Answer(actions::get(&app, &caller, &team).await?).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team)): Path<(String, String)>,
    Json(input): Json<TeamEdit>,
) -> Result<Response> {
    Ok(Answer(actions::edit(&app, &caller, &team, &input, None).await?).into_response())
}

async fn delete(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team)): Path<(String, String)>,
) -> Result<StatusCode> {
    actions::delete(&app, &caller, &team, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn members(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team)): Path<(String, String)>,
) -> Result<Response> {
    let (_, members) = actions::members(&app, &caller, &team).await?;
    Ok(Answer(json!({ "items": members, "next": null })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    role: Option<String>,
}

async fn set_member(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team, username)): Path<(String, String, String)>,
    Json(place): Json<Place>,
) -> Result<Response> {
    let role = place.role.as_deref().unwrap_or("member").parse::<TeamRole>();
    let role = role.map_err(|message| Error::Invalid(Mistakes::one("role", message)))?;
    let member = actions::set_member(&app, &caller, &team, &username, role).await?;
    Ok(Answer(json!({ "username": member.username, "name": member.name, "role": member.role }))
        .into_response())
}

async fn remove_member(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, team, username)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    actions::remove_member(&app, &caller, &team, &username).await?;
    Ok(StatusCode::NO_CONTENT)
}
