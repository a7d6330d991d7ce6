//! API of projects and their grants.
//!
//! The handlers call the same functions in `actions` and `grants` as the pages. The descriptions and types
//! here also produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{NewProject, Project, ProjectEdit};
use super::store::{COLUMNS, Filter, Named};
use super::{actions, grants};
use crate::callers::ApiCaller;
use crate::platform::web::operation::{Api, delete as end, get, patch, post, put};
use crate::platform::web::pagination::{PageRequest, sort_filter};
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{IfMatch, ItemPath, Json, PartPath, Query, list_response, tagged};
use crate::platform::{Result, Timestamp};
use crate::state::AppState;
use crate::usage::api::{DAYS, UsageView, usage_of};

const FILTERS: &[QueryFilter] = &[
    QueryFilter { name: "q", about: "Text in the name or slug.", words: &[] },
    QueryFilter { name: "team", about: "The slug of the team that owns it.", words: &[] },
    QueryFilter {
        name: "visibility",
        about: "Whom it lets in.",
        words: &["open", "public", "team", "restricted"],
    },
    sort_filter(&["name", "-name"]),
];

/// The API operations for projects and their grants.
pub fn routes() -> Api<AppState> {
    let (all, one) = ("/organizations/{org}/projects", "/organizations/{org}/projects/{project}");
    let grant = "/organizations/{org}/projects/{project}/grants/{principal}";
    Api::of("Projects", "What services act on. A project belongs to a team and says whom it lets in.")
        .with(
            get("listProjects", all, list, "The projects that the caller reaches").filters(FILTERS).lists::<Project>(),
        )
        .with(
            post("createProject", all, create, "Makes a project")
                .note("Admins of the team may, and who holds `project_create:write`.")
                .takes::<NewProject>()
                .makes::<Project>(),
        )
        .with(get("getProject", one, show, "One project").needs("projects:read").gives::<Project>().tagged())
        .with(
            get("getProjectUsage", "/organizations/{org}/projects/{project}/usage", show_usage, "How often services asked about a project, by day")
                .needs("projects:read")
                .filters(DAYS)
                .gives::<UsageView>(),
        )
        .with(
            patch("editProject", one, edit, "Edits a project")
                .note(
                    "Another team or visibility takes `permissions:write` too. Making it restricted drops everyone who is \
                     not named in it; who does it is named with `admin`.",
                )
                .needs("projects:write")
                .takes::<ProjectEdit>()
                .gives::<Project>()
                .tagged(),
        )
        .with(end("deleteProject", one, delete, "Deletes a project and its grants").needs("projects:write"))
        .with(
            get("listProjectGrants", "/organizations/{org}/projects/{project}/grants", named, "Who is named in a project")
                .needs("permissions:read")
                .lists::<Granted>(),
        )
        .with(
            put("setProjectGrant", grant, set, "Names a principal in a project, with a permission set")
                .note("In place of the set that it was named with before. Nobody gives what they do not hold.")
                .needs("permissions:write")
                .takes::<Grant>()
                .gives::<Granted>(),
        )
        .with(
            end("removeProjectGrant", grant, remove, "Takes a principal's grant in a project away")
                .needs("permissions:write"),
        )
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    query.check_filters(FILTERS)?;
    let filter =
        Filter { search: query.text("q"), team: query.text("team"), visibility: query.text("visibility") };
    let page = PageRequest::for_api(&query)?.sorted(&query, COLUMNS)?;
    let slice = actions::list(&app.context, &caller, &filter, &page).await?;
    Ok(list_response(slice.rows, slice.next))
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(input): Json<NewProject>,
) -> Result<Response> {
    let project = actions::create(&app.context, &caller, &input).await?;
    Ok((StatusCode::CREATED, Answer(project)).into_response())
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project)): ItemPath,
) -> Result<Response> {
    let project = actions::get(&app.context, &caller, &project).await?;
    Ok(tagged(project.version, project))
}

async fn show_usage(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project)): ItemPath,
    query: Query,
) -> Result<Response> {
    let project = actions::get(&app.context, &caller, &project).await?;
    usage_of(&app.context, project.id, &query).await
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project)): ItemPath,
    held: IfMatch,
    Json(input): Json<ProjectEdit>,
) -> Result<Response> {
    let project =
        held.map_stale_error(actions::edit(&app.context, &caller, &project, &input, held.version()).await)?;
    Ok(tagged(project.version, project))
}

async fn delete(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project)): ItemPath,
) -> Result<StatusCode> {
    actions::delete(&app.context, &caller, &project, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A grant that names a principal in a project.
#[derive(Debug, Serialize, JsonSchema)]
struct Granted {
    /// Identifier of the principal: `person:olive`, `team:platform`, a UID, or the id of a service token.
    principal: String,
    id: String,
    name: String,
    /// Slug of the permission set.
    permission_set: String,
    created_at: Timestamp,
    created_by: String,
}

impl From<Named> for Granted {
    fn from(named: Named) -> Self {
        Self {
            principal: named.principal,
            id: named.principal_id,
            name: named.name,
            permission_set: named.permission_set,
            created_at: named.created_at,
            created_by: named.created_by_name,
        }
    }
}

async fn named(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let (_, slice) = grants::list(&app.context, &caller, &project, &PageRequest::for_api(&query)?).await?;
    let items: Vec<Granted> = slice.rows.into_iter().map(Granted::from).collect();
    Ok(list_response(items, slice.next))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Grant {
    /// Slug of a permission set of the project level.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    permission_set: String,
}

async fn set(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project, principal)): PartPath,
    Json(grant): Json<Grant>,
) -> Result<Response> {
    let (_, named) = grants::put(&app.context, &caller, &project, &principal, &grant.permission_set).await?;
    Ok(Answer(Granted::from(Named { principal, ..named })).into_response())
}

async fn remove(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, project, principal)): PartPath,
) -> Result<StatusCode> {
    grants::remove(&app.context, &caller, &project, &principal).await?;
    Ok(StatusCode::NO_CONTENT)
}
