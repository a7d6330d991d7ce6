//! API of permission sets.
//!
//! The handlers call the same functions in `actions` as the pages. The descriptions and types here also
//! produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::actions;
use super::model::{NewSet, OwnSet, SetEdit, SetView};
use crate::callers::ApiCaller;
use crate::platform::Result;
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::{IfMatch, ItemPath, Json, list_response, tagged};
use crate::state::AppState;

/// The API operations for permission sets.
pub fn routes() -> Api<AppState> {
    let (all, one) = ("/organizations/{org}/permission-sets", "/organizations/{org}/permission-sets/{set}");
    Api::of("Permission sets", "Named bundles of permissions: the role of an account, the set of a grant.")
        .with(
            get("listPermissionSets", all, list, "All permission sets, the built-in ones first")
                .lists_all::<SetView>(),
        )
        .with(
            post("createPermissionSet", all, create, "Makes a permission set")
                .note("Only of what its maker holds.")
                .needs("permission_sets:write")
                .takes::<NewSet>()
                .makes::<SetView>(),
        )
        .with(get("getPermissionSet", one, show, "One permission set").gives::<SetView>().tagged())
        .with(
            patch("editPermissionSet", one, edit, "Edits a permission set of the organization's own")
                .note("Whoever holds it gains and loses with it. Built-in ones do not change: 409.")
                .needs("permission_sets:write")
                .takes::<SetEdit>()
                .gives::<SetView>()
                .tagged(),
        )
        .with(
            end("deletePermissionSet", one, delete, "Deletes a permission set that nobody holds")
                .needs("permission_sets:write"),
        )
}

async fn list(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<Response> {
    Ok(list_response(actions::list(&app.context, &caller).await?, None))
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(input): Json<NewSet>,
) -> Result<Response> {
    Ok((StatusCode::CREATED, Answer(actions::create(&app.context, &caller, &input).await?)).into_response())
}

/// The version for the entity tag. A built-in set never changes and always has version 0.
fn version(own: Option<&OwnSet>) -> i64 {
    own.map_or(0, |own| own.version)
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, set)): ItemPath,
) -> Result<Response> {
    let (view, own, _) = actions::get(&app.context, &caller, &set).await?;
    Ok(tagged(version(own.as_ref()), view))
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, set)): ItemPath,
    held: IfMatch,
    Json(input): Json<SetEdit>,
) -> Result<Response> {
    let own =
        held.map_stale_error(actions::edit(&app.context, &caller, &set, &input, held.version()).await)?;
    Ok(tagged(own.version, SetView::from(&own)))
}

async fn delete(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, set)): ItemPath,
) -> Result<StatusCode> {
    actions::delete(&app.context, &caller, &set).await?;
    Ok(StatusCode::NO_CONTENT)
}
