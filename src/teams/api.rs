//! API of teams and their members.
//!
//! The handlers call the same functions in `actions` as the pages. The descriptions and types here also
//! produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions;
use super::model::{Member, NewTeam, Team, TeamEdit};
use super::store::{COLUMNS, Filter};
use crate::access::TeamRole;
use crate::callers::ApiCaller;
use crate::platform::web::operation::{Api, delete as end, get, patch, post, put};
use crate::platform::web::pagination::{PageRequest, sort_filter};
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{IfMatch, ItemPath, Json, PartPath, Query, list_response, tagged};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;

const FILTERS: &[QueryFilter] = &[
    QueryFilter { name: "q", about: "Text in the name or slug.", words: &[] },
    QueryFilter { name: "visibility", about: "Visibility of the team.", words: &["visible", "secret"] },
    QueryFilter {
        name: "token",
        about: "Teams without a token, or with one that expires within 14 days.",
        words: &["none", "expiring"],
    },
    sort_filter(&["name", "-name"]),
];

/// The API operations for teams and their members.
pub fn routes() -> Api<AppState> {
    let all = "/organizations/{org}/teams";
    let one = "/organizations/{org}/teams/{team}";
    let member = "/organizations/{org}/teams/{team}/members/{username}";
    Api::of("Teams", "People and service accounts that belong together, and what they hold through it.")
        .with(get("listTeams", all, list, "The teams that the caller sees").filters(FILTERS).lists::<Team>())
        .with(
            post("createTeam", all, create, "Makes a team")
                .note("It is empty: who makes it is not added.")
                .needs("groups:write")
                .takes::<NewTeam>()
                .makes::<Team>(),
        )
        .with(get("getTeam", one, show, "One team").gives::<Team>().tagged())
        .with(
            patch("editTeam", one, edit, "Edits a team")
                .needs("groups:write")
                .takes::<TeamEdit>()
                .gives::<Team>()
                .tagged(),
        )
        .with(
            end("deleteTeam", one, delete, "Deletes a team")
                .note("Refused with 409 while it has projects or service accounts, or is one's default team.")
                .needs("groups:write"),
        )
        .with(
            get("listTeamMembers", "/organizations/{org}/teams/{team}/members", members, "Who is in a team")
                .lists::<Member>(),
        )
        .with(
            put(
                "setTeamMember",
                member,
                set_member,
                "Puts a person into a team, or changes what they are there",
            )
            .note("Admins of the team may, and who holds `groups:write`. The owners team takes an owner.")
            .takes::<Place>()
            .gives::<InTeam>(),
        )
        .with(
            end("removeTeamMember", member, remove_member, "Takes a person out of a team")
                .note("The owners team keeps its last member: 409."),
        )
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    query.check_filters(FILTERS)?;
    let page = PageRequest::for_api(&query)?.sorted(&query, COLUMNS)?;
    let filter = Filter::read(&query);
    let slice = actions::list(&app.context, &caller, &filter, &page).await?;
    Ok(list_response(slice.rows, slice.next))
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(input): Json<NewTeam>,
) -> Result<Response> {
    let team = actions::create(&app.context, &caller, &input).await?;
    Ok((StatusCode::CREATED, Answer(team)).into_response())
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
) -> Result<Response> {
    let team = actions::get(&app.context, &caller, &team).await?;
    Ok(tagged(team.version, team))
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
    held: IfMatch,
    Json(input): Json<TeamEdit>,
) -> Result<Response> {
    let team =
        held.map_stale_error(actions::edit(&app.context, &caller, &team, &input, held.version()).await)?;
    Ok(tagged(team.version, team))
}

async fn delete(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
) -> Result<StatusCode> {
    actions::delete(&app.context, &caller, &team, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn members(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let (_, members) = actions::members(&app.context, &caller, &team, &PageRequest::for_api(&query)?).await?;
    Ok(list_response(members.rows, members.next))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Team role: `admin` or `member`; `member` by default.
    #[schemars(with = "Option<TeamRole>")]
    role: Option<String>,
}

/// A person in a team.
#[derive(Debug, Serialize, JsonSchema)]
struct InTeam {
    username: String,
    name: String,
    role: TeamRole,
}

async fn set_member(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team, username)): PartPath,
    Json(place): Json<Place>,
) -> Result<Response> {
    let role = place.role.as_deref().unwrap_or("member").parse::<TeamRole>();
    let role = role.map_err(|message| Error::Invalid(ValidationErrors::one("role", message)))?;
    let member = actions::set_member(&app.context, &caller, &team, &username, role).await?;
    let Member { username, name, role, .. } = member;
    Ok(Answer(InTeam { username, name, role }).into_response())
}

async fn remove_member(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, team, username)): PartPath,
) -> Result<StatusCode> {
    actions::remove_member(&app.context, &caller, &team, &username).await?;
    Ok(StatusCode::NO_CONTENT)
}
