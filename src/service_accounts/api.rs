//! Service accounts for programs, and what every token may ask.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::json;

use super::actions;
use super::model::{AccountEdit, IdentityInput, NewAccount};
use super::store::Filter;
use crate::identity::once;
use crate::identity::reveal::Delivery;
use crate::identity::{ApiCaller, App};
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};
use crate::platform::{Error, Result, Timestamp};
use crate::tokens::api::{issued, view, with_value};
use crate::tokens::model::{Lifetime, RenewalBody, TokenInput};

/// The routes of this section.
pub fn routes() -> Router<App> {
    let account = "/organizations/{org}/service-accounts/{id}";
    Router::new()
        .route("/organizations/{org}/service-accounts", get(list).post(create))
        .route(account, get(one).patch(edit).delete(delete))
        .route(&format!("{account}/disable"), post(disable))
        .route(&format!("{account}/enable"), post(enable))
        .route(&format!("{account}/tokens"), get(keys).post(add_key))
        .route(&format!("{account}/tokens/{{tok}}"), patch(edit_key).delete(revoke))
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
    allowed_addresses: Vec<String>,
    #[serde(default)]
    self_rotation: bool,
    authentication: Option<String>,
    #[serde(default)]
    key: Key,
    #[serde(default)]
    identity: IdentityInput,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: Option<String>,
    #[serde(default)]
    description: String,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    allowed_addresses: Vec<String>,
}

impl Key {
    fn input(self, otherwise: &str) -> TokenInput {
        TokenInput {
            name: self.name.unwrap_or_else(|| otherwise.to_owned()),
            description: self.description,
            lifetime: self.expires_at.into(),
            allowed_addresses: self.allowed_addresses.join("\n"),
            permissions: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Editing {
    name: Option<String>,
    description: Option<String>,
    comment: Option<String>,
    role: Option<String>,
    scope: Option<String>,
    team: Option<String>,
    default_team: Option<String>,
    allowed_addresses: Option<Vec<String>>,
    self_rotation: Option<bool>,
    identity: Option<IdentityInput>,
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
        lifetime: body.expires_at.into(),
        allowed_addresses: body.allowed_addresses.join("\n"),
        self_rotation: body.self_rotation,
        authentication: body.authentication.unwrap_or_else(|| "api_key".to_owned()),
        key: body.key.input("default"),
        identity: body.identity,
    };
    let nonce = once::key(&headers);
    let made = actions::create(&app, &caller, &input, nonce, &Delivery::Answer).await?;
    let value = made.value.as_ref().map(crate::identity::PlainToken::reveal);
    let mut answer = json!(made.account.view(app.clock.now()));
    if let Some(key) = made.key {
        answer["key"] = json!(with_value(&app, key, value).await?);
    }
    Ok((StatusCode::CREATED, Answer(answer)).into_response())
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
        scope: body.scope,
        team: body.team,
        default_team: body.default_team,
        lifetime: body.expires_at.map(|end| end.map_or(Lifetime::Endless, Lifetime::Until)),
        allowed_addresses: body.allowed_addresses.map(|ranges| ranges.join("\n")),
        self_rotation: body.self_rotation,
        identity: body.identity,
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

async fn add_key(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Key>,
) -> Result<Response> {
    let (_, made) = actions::add_key(&app, &caller, &id, &body.input(""), &Delivery::Answer).await?;
    issued(&app, &made).await
}

async fn regenerate(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id, key)): Path<(String, String, String)>,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let (_, made) = actions::regenerate(&app, &caller, &id, &key, &body.into(), &Delivery::Answer).await?;
    issued(&app, &made).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEditing {
    name: Option<String>,
    description: Option<String>,
    allowed_addresses: Option<Vec<String>>,
}

async fn edit_key(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id, key)): Path<(String, String, String)>,
    Json(body): Json<KeyEditing>,
) -> Result<Response> {
    let (_, keys) = actions::with_keys(&app, &caller, &id).await?;
    let was = keys.into_iter().find(|each| each.id.to_string() == key).ok_or(Error::NotFound)?;
    let input = TokenInput {
        name: body.name.unwrap_or(was.name),
        description: body.description.unwrap_or(was.description),
        allowed_addresses: body.allowed_addresses.map_or(was.allowed_addresses, |ranges| ranges.join("\n")),
        ..TokenInput::default()
    };
    let token = actions::edit_key(&app, &caller, &id, &key, &input).await?;
    Ok(view(&app, &token).into_response())
}

async fn revoke(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, id, key)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    actions::revoke(&app, &caller, &id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
