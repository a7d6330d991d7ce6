//! Services for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json as Answer, Router};
use serde_json::json;

use super::actions;
use super::model::{NewService, ServiceEdit};
use crate::identity::reveal::Delivery;
use crate::identity::{ApiCaller, App};
use crate::platform::Result;
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};
use crate::tokens::api::issued;

/// The routes of this section.
pub fn routes() -> Router<App> {
    let service = "/organizations/{org}/services/{svc}";
    Router::new()
        .route("/organizations/{org}/services", get(list).post(create))
        .route(service, get(one).patch(edit).delete(delete))
        .route(&format!("{service}/secrets"), post(add_secret))
        .route(&format!("{service}/secrets/{{tok}}"), axum::routing::delete(revoke_secret))
}

type Named = Path<(String, String)>;

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let slice = actions::list(&app, &caller, &query.text("q"), &Page::of_api(&query)?).await?;
    let items: Vec<_> = slice.rows.iter().map(super::model::Service::view).collect();
    Ok(Answer(json!({ "items": items, "next": slice.next })).into_response())
}

async fn create(
    State(app): State<App>,
    caller: ApiCaller,
    Json(input): Json<NewService>,
) -> Result<Response> {
    let (service, made) = actions::create(&app, &caller, &input, &Delivery::Answer).await?;
    let mut view = json!(service.view());
    view["secret"] = json!(made.value.reveal());
    Ok((StatusCode::CREATED, Answer(view)).into_response())
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, id)): Named) -> Result<Response> {
    let (service, secrets) = actions::get(&app, &caller, &id).await?;
    let now = app.clock.now();
    let mut view = json!(service.view());
    view["secrets"] = json!(secrets.iter().map(|secret| secret.view(now)).collect::<Vec<_>>());
    Ok(Answer(view).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Named,
    Json(input): Json<ServiceEdit>,
) -> Result<Response> {
    Ok(Answer(actions::edit(&app, &caller, &id, &input, None).await?.view()).into_response())
}

async fn delete(State(app): State<App>, caller: ApiCaller, Path((_, id)): Named) -> Result<StatusCode> {
    actions::delete(&app, &caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn add_secret(State(app): State<App>, caller: ApiCaller, Path((_, id)): Named) -> Result<Response> {
    let (_, made) = actions::add_secret(&app, &caller, &id, &Delivery::Answer).await?;
    issued(&app, &made).await
}

async fn revoke_secret(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id, secret)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    actions::revoke_secret(&app, &caller, &id, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
