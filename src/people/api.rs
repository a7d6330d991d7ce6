//! People and invitations for programs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::members::{self, Profile};
use super::model::{Invitation, NewInvitation, TeamPlace};
use super::{actions, store};
use crate::identity::{ApiCaller, App};
use crate::platform::web::paging::Page;
use crate::platform::web::{Json, Query};
use crate::platform::{Result, Timestamp};

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/organizations/{org}/people", get(list))
        .route("/organizations/{org}/people/{username}", patch(edit).get(one).delete(remove))
        .route("/organizations/{org}/invitations", get(invitations).post(invite))
        .route("/organizations/{org}/invitations/{id}", axum::routing::delete(revoke))
}

type Named = Path<(String, String)>;

fn view(profile: &Profile) -> Value {
    let member = &profile.member;
    json!({
        "id": member.id, "username": member.username, "email": member.email, "name": member.name,
        "role": member.role, "teams": profile.teams, "owner": member.is_owner,
    })
}

async fn list(State(app): State<App>, caller: ApiCaller, query: Query) -> Result<Response> {
    let filter = (query.text("q"), query.text("role"));
    let page = Page::of_api(&query)?;
    let slice = actions::list(&app, &caller, (&filter.0, &filter.1), &page).await?;
    let mut items = Vec::new();
    for member in &slice.rows {
        let teams = store::places(&app.db, caller.organization.id, member.id).await?;
        let teams = teams.into_iter().filter(|team| actions::knows(&caller, team)).collect();
        items.push(view(&Profile { member: member.clone(), teams }));
    }
    Ok(Answer(json!({ "items": items, "next": slice.next })).into_response())
}

async fn one(State(app): State<App>, caller: ApiCaller, Path((_, named)): Named) -> Result<Response> {
    Ok(Answer(view(&members::get(&app, &caller, &named).await?)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Editing {
    role: Option<String>,
}

async fn edit(
    State(app): State<App>,
    caller: ApiCaller,
    Path((_, named)): Named,
    Json(body): Json<Editing>,
) -> Result<Response> {
    let was = members::get(&app, &caller, &named).await?;
    let role = body.role.unwrap_or(was.member.role);
    Ok(Answer(view(&members::edit(&app, &caller, &named, &role).await?)).into_response())
}

async fn remove(State(app): State<App>, caller: ApiCaller, Path((_, named)): Named) -> Result<StatusCode> {
    members::remove(&app, &caller, &named, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn invitation_view(invitation: &Invitation) -> Value {
    json!({
        "id": invitation.id, "email": invitation.email, "role": invitation.role,
        "created_by": invitation.created_by_name, "expires_at": invitation.expires_at,
    })
}

async fn invitations(State(app): State<App>, caller: ApiCaller) -> Result<Response> {
    crate::access::see(&caller.subject, super::model::Invitations)?;
    let all = actions::invitations(&app, &caller).await?;
    let items: Vec<Value> = all.iter().map(invitation_view).collect();
    Ok(Answer(json!({ "items": items, "next": null })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inviting {
    #[serde(default)]
    email: String,
    role: Option<String>,
    #[serde(default)]
    teams: Vec<TeamPlace>,
    expires_at: Option<Timestamp>,
}

async fn invite(State(app): State<App>, caller: ApiCaller, Json(body): Json<Inviting>) -> Result<Response> {
    let input = NewInvitation {
        email: body.email,
        role: body.role.unwrap_or_else(|| "member".to_owned()),
        teams: body.teams,
        lifetime: body.expires_at.into(),
    };
    let made = actions::invite(&app, &caller, &input).await?;
    let link = format!("{}/invitations/{}", app.config.public_url, made.code.expose());
    let mut view = invitation_view(&made.invitation);
    view["link"] = json!(link);
    Ok((StatusCode::CREATED, Answer(view)).into_response())
}

async fn revoke(State(app): State<App>, caller: ApiCaller, Path((_, id)): Named) -> Result<StatusCode> {
    actions::revoke(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
