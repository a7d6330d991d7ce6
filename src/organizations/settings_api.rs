//! Organizations for programs.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json as Answer, Router};
use serde_json::{Value, json};

use super::settings::{self, NewOrganization, Organization, SettingsEdit};
use crate::identity::bearer::Principal;
use crate::identity::{ApiCaller, App, Bearer};
use crate::platform::web::Json;
use crate::platform::{Error, Result};

/// The routes of this part.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/organizations", post(create))
        .route("/organizations/{org}", get(one).patch(edit).delete(delete))
}

/// With the policies for who may see them.
fn view(caller: &ApiCaller, organization: &Organization) -> Value {
    let mut view = json!(organization);
    if settings::see_policies(caller).is_ok() {
        view["policy"] = serde_json::from_str(&organization.policy_text).unwrap_or_default();
    }
    view
}

async fn create(
    State(app): State<App>,
    bearer: Bearer,
    Json(input): Json<NewOrganization>,
) -> Result<Response> {
    let actor = bearer.actor();
    let (Principal::Person { id, .. }, None) = (bearer.principal, bearer.narrowed) else {
        return Err(Error::Forbidden(
            "People make organizations. Use a personal token that is not narrowed.".to_owned(),
        ));
    };
    let made = settings::create(&app, &actor, id, &input).await?;
    Ok((StatusCode::CREATED, Answer(made)).into_response())
}

async fn one(State(app): State<App>, caller: ApiCaller) -> Result<Response> {
    let organization = settings::get(&app, &caller).await?;
    Ok(Answer(view(&caller, &organization)).into_response())
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Json(input): Json<SettingsEdit>,
) -> Result<Response> {
    let organization = settings::edit(&app, &caller, &input, None).await?;
    Ok(Answer(view(&caller, &organization)).into_response())
}

async fn delete(State(app): State<App>, caller: ApiCaller) -> Result<StatusCode> {
    settings::delete(&app, &caller, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
