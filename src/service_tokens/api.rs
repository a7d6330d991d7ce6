//! Service tokens for programs.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::actions;
use super::model::{GrantInput, Listed, NewServiceToken, ServiceTokenEdit};
use super::store::Filter;
use crate::identity::once;
use crate::identity::reveal::Delivery;
use crate::identity::{ApiCaller, App};
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};
use crate::platform::{Result, Timestamp};
use crate::tokens::model::RenewalBody;

/// The routes of this section.
pub fn routes() -> Router<App> {
    let token = "/organizations/{org}/service-tokens/{tok}";
    Router::new()
        .route("/organizations/{org}/service-tokens", get(list).post(create))
        .route(token, get(one).patch(edit).delete(revoke))
        .route(&format!("{token}/regenerate"), post(regenerate))
}

type Named = Path<(String, String)>;

fn view(app: &App, token: &Listed) -> Value {
    let mut view = json!(token.token.view(app.clock.now()));
    view["description"] = json!(token.token.description);
    view["grants"] = json!(token.grants());
    view
}

async fn with_value(app: &App, caller: &ApiCaller, id: &str, value: Option<&str>) -> Result<Response> {
    let mut view = view(app, &actions::get(app, caller, id).await?);
    view["token"] = json!(value);
    Ok((StatusCode::CREATED, Answer(view)).into_response())
}

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let filter = Filter {
        search: query.text("q"),
        status: query.text("status"),
        set: query.text("permission_set"),
        project: query.text("project"),
    };
    let slice = actions::list(&app, &caller, &filter, &Page::of_api(&query)?).await?;
    let items: Vec<Value> = slice.rows.iter().map(|token| view(&app, token)).collect();
    Ok(Answer(json!({ "items": items, "next": slice.next })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    allowed_addresses: Vec<String>,
    #[serde(default)]
    grants: Vec<GrantInput>,
}

async fn create(
    State(app): State<App>,
    caller: ApiCaller,
    headers: HeaderMap,
    Json(body): Json<Creation>,
) -> Result<Response> {
    let input = NewServiceToken {
        name: body.name,
        description: body.description,
        lifetime: body.expires_at.into(),
        allowed_addresses: body.allowed_addresses.join("\n"),
        grants: body.grants,
    };
    let made = actions::create(&app, &caller, &input, once::key(&headers), &Delivery::Answer).await?;
    let value = made.value.as_ref().map(crate::identity::PlainToken::reveal);
    with_value(&app, &caller, &made.id.to_string(), value).await
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, id)): Named) -> Result<Response> {
    Ok(Answer(view(&app, &actions::get(&app, &caller, &id).await?)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Editing {
    name: Option<String>,
    description: Option<String>,
    allowed_addresses: Option<Vec<String>>,
    grants: Option<Vec<GrantInput>>,
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Named,
    Json(body): Json<Editing>,
) -> Result<Response> {
    let input = ServiceTokenEdit {
        name: body.name,
        description: body.description,
        allowed_addresses: body.allowed_addresses.map(|ranges| ranges.join("\n")),
        grants: body.grants,
    };
    Ok(Answer(view(&app, &actions::edit(&app, &caller, &id, &input).await?)).into_response())
}

async fn regenerate(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Named,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let made = actions::regenerate(&app, &caller, &id, &body.into(), &Delivery::Answer).await?;
    with_value(&app, &caller, &id, Some(made.value.reveal())).await
}

async fn revoke(State(app): State<App>, caller: ApiCaller, Path((_, id)): Named) -> Result<StatusCode> {
    actions::revoke(&app, &caller, &[id]).await?;
    Ok(StatusCode::NO_CONTENT)
}
