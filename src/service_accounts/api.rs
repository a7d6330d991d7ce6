//! Service accounts for programs, and what every token may ask.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::actions;
use super::model::{AccountEdit, NewAccount, Renewal};
use super::store::Filter;
use crate::identity::once;
use crate::identity::reveal::Delivery;
use crate::identity::{ApiCaller, App};
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};
use crate::platform::{Result, Timestamp};
use crate::tokens::lifecycle::Issued;
use crate::tokens::store as tokens;

/// The routes of this section.
pub fn routes() -> Router<App> {
    let account = "/organizations/{org}/service-accounts/{id}";
    Router::new()
        .route("/organizations/{org}/service-accounts", get(list).post(create))
        .route(account, get(one).patch(edit).delete(delete))
        .route(&format!("{account}/disable"), post(disable))
        .route(&format!("{account}/enable"), post(enable))
        .route(&format!("{account}/tokens"), get(keys).post(add_key))
        .route(&format!("{account}/tokens/{{tok}}"), axum::routing::delete(revoke))
        .route(&format!("{account}/tokens/{{tok}}/regenerate"), post(regenerate))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    team: String,
    #[serde(default)]
    default_team: String,
    role: Option<String>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    key: Key,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: Option<String>,
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Editing {
    name: Option<String>,
    description: Option<String>,
    comment: Option<String>,
    role: Option<String>,
    default_team: Option<String>,
    /// Missing stays, `null` takes the end away.
    #[serde(default, deserialize_with = "present")]
    expires_at: Option<Option<Timestamp>>,
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(value).map(Some)
}

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let filter = Filter {
        search: query.text("q"),
        scope: query.text("scope"),
        team: query.text("team"),
        status: query.text("status"),
    };
    let slice = actions::list(&app, &caller, &filter, &Page::of_api(&query)?).await?;
    let now = app.clock.now();
    let items: Vec<_> = slice.rows.iter().map(|account| account.view(now)).collect();
    Ok(Answer(json!({ "items": items, "next": slice.next })).into_response())
}

async fn create(
    State(app): State<App>,
    caller: ApiCaller,
    headers: HeaderMap,
    Json(body): Json<Creation>,
) -> Result<Response> {
    let input = NewAccount {
        name: body.name,
        description: body.description,
        comment: body.comment,
        scope: body.scope,
        team: body.team,
        default_team: body.default_team,
        role: body.role.unwrap_or_else(|| "member".to_owned()),
        expires_at: Ok(body.expires_at),
        key_name: body.key.name.unwrap_or_else(|| "default".to_owned()),
        key_expires_at: Ok(body.key.expires_at),
    };
    let nonce = once::key(&headers);
    let made = actions::create(&app, &caller, &input, nonce, &Delivery::Answer).await?;
    let value = made.value.as_ref().map(crate::identity::PlainToken::reveal);
    let mut answer = json!(made.account.view(app.clock.now()));
    answer["key"] = key_view(&app, made.key, value).await?;
    Ok((StatusCode::CREATED, Answer(answer)).into_response())
}

/// A token as JSON, with its value where this answer shows it.
async fn key_view(app: &App, id: crate::platform::id::TokenId, value: Option<&str>) -> Result<Value> {
    let token = tokens::find(&app.db, id).await?.ok_or(crate::platform::Error::NotFound)?;
    let mut view = token.view(app.clock.now());
    view.token = Some(value.map(str::to_owned));
    Ok(json!(view))
}

async fn one(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let account = actions::get(&app, &caller, &id).await?;
    Ok(Answer(account.view(app.clock.now())).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Editing>,
) -> Result<Response> {
    let input = AccountEdit {
        name: body.name,
        description: body.description,
        comment: body.comment,
        role: body.role,
        default_team: body.default_team,
        expires_at: body.expires_at.map(Ok),
        version: None,
    };
    let account = actions::edit(&app, &caller, &id, &input).await?;
    Ok(Answer(account.view(app.clock.now())).into_response())
}

async fn disable(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let account = actions::disable(&app, &caller, &id).await?;
    Ok(Answer(account.view(app.clock.now())).into_response())
}

async fn enable(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let account = actions::enable(&app, &caller, &id).await?;
    Ok(Answer(account.view(app.clock.now())).into_response())
}

async fn delete(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    actions::delete(&app, &caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keys(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let (_, keys) = actions::with_keys(&app, &caller, &id).await?;
    let now = app.clock.now();
    let items: Vec<_> = keys.iter().map(|key| key.view(now)).collect();
    Ok(Answer(json!({ "items": items, "next": null })).into_response())
}

async fn issued(app: &App, issued: &Issued) -> Result<Response> {
    let view = key_view(app, issued.id, Some(issued.value.reveal())).await?;
    Ok((StatusCode::CREATED, Answer(view)).into_response())
}

async fn add_key(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Key>,
) -> Result<Response> {
    let renewal = Renewal { expires_at: body.expires_at, overlap: None };
    let name = body.name.unwrap_or_default();
    let (_, made) = actions::add_key(&app, &caller, &id, &name, &renewal, &Delivery::Answer).await?;
    issued(&app, &made).await
}

async fn regenerate(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id, key)): Path<(String, String, String)>,
    Json(renewal): Json<Renewal>,
) -> Result<Response> {
    let (_, made) = actions::regenerate(&app, &caller, &id, &key, &renewal, &Delivery::Answer).await?;
    issued(&app, &made).await
}

async fn revoke(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id, key)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    actions::revoke(&app, &caller, &id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
