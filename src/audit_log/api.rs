//! The audit log for programs.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json as Answer, Router};
use serde_json::json;

use super::actions;
use crate::identity::{ApiCaller, App};
use crate::platform::Result;
use crate::platform::web::Query;
use crate::platform::web::paging::Page;

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new().route("/organizations/{org}/audit-events", get(list))
}

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let slice = actions::list(&app, &caller, &actions::filter(&query), &Page::of_api(&query)?).await?;
    Ok(Answer(json!({ "items": slice.rows, "next": slice.next })).into_response())
}
