//! Projects for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{NewProject, ProjectEdit};
use super::store::{Filter, Named};
use super::{actions, grants};
use crate::identity::{ApiCaller, App};
use crate::platform::Result;
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};

/// The routes of this section.
pub fn routes() -> Router<App> {
    let project = "/organizations/{org}/projects/{project}";
    Router::new()
        .route("/organizations/{org}/projects", get(list).post(create))
        .route(project, get(one).patch(edit).delete(delete))
        .route(&format!("{project}/grants"), get(named))
        .route(&format!("{project}/grants/{{principal}}"), put(set).delete(remove))
}

type Of = Path<(String, String)>;

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let filter =
        Filter { search: query.text("q"), team: query.text("team"), visibility: query.text("visibility") };
    let slice = actions::list(&app, &caller, &filter, &Page::of_api(&query)?).await?;
    Ok(Answer(json!({ "items": slice.rows, "next": slice.next })).into_response())
}

async fn create(
    State(app): State<App>,
    caller: ApiCaller,
    Json(input): Json<NewProject>,
) -> Result<Response> {
    let project = actions::create(&app, &caller, &input).await?;
    Ok((StatusCode::CREATED, Answer(project)).into_response())
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, project)): Of) -> Result<Response> {
    Ok(Answer(actions::get(&app, &caller, &project).await?).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, project)): Of,
    Json(input): Json<ProjectEdit>,
) -> Result<Response> {
    Ok(Answer(actions::edit(&app, &caller, &project, &input, None).await?).into_response())
}

async fn delete(State(app): State<App>, caller: ApiCaller, Path((_, project)): Of) -> Result<StatusCode> {
    actions::delete(&app, &caller, &project, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(named: &Named) -> Value {
    json!({
        "principal": named.principal, "id": named.principal_id, "name": named.name,
        "permission_set": named.permission_set, "created_at": named.created_at, "created_by": named.created_by_name,
    })
}

async fn named(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, project)): Of,
    query: Query,
) -> Result<Response> {
    let (_, slice) = grants::list(&app, &caller, &project, &Page::of_api(&query)?).await?;
    let items: Vec<Value> = slice.rows.iter().map(view).collect();
    Ok(Answer(json!({ "items": items, "next": slice.next })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    #[serde(default)]
    permission_set: String,
}

async fn set(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, project, principal)): Path<(String, String, String)>,
    Json(grant): Json<Grant>,
) -> Result<Response> {
    let (_, named) = grants::put(&app, &caller, &project, &principal, &grant.permission_set).await?;
    Ok(Answer(view(&Named { principal, ..named })).into_response())
}

async fn remove(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, project, principal)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    grants::remove(&app, &caller, &project, &principal).await?;
    Ok(StatusCode::NO_CONTENT)
}
