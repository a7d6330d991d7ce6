//! Console pages of permission sets: the list, one set with its matrix of permissions, and the forms.
//!
//! The handlers parse the request, call `actions` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::actions;
use super::model::{NewSet, OwnSet, PermissionSets, SetEdit, SetView};
use super::store::SetHolders;
use crate::access::{Level, Permissions, authorize_write, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::{Form, ItemPath, Query, html, redirect};
use crate::platform::{Result, ValidationErrors};
use crate::principals;
use crate::state::AppState;
use crate::ui::{ConsolePath, Layout, LevelRow, Paths, filters, level_rows, paths, refused, render};

const SECTION: &str = "Permission sets";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.permission_sets();
    let one = paths.permission_set("{set}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(one.as_ref(), get(show_set))
        .route(one.edit().as_ref(), get(show_edit_form).post(edit))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
}

#[derive(Template)]
#[template(path = "permission_sets/list.html")]
struct ListPage {
    layout: Layout,
    sets: Vec<SetView>,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "permission_sets/show.html")]
struct ShowPage {
    layout: Layout,
    set: SetView,
    holders: SetHolders,
    organization: Vec<LevelRow>,
    project: Vec<LevelRow>,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "permission_sets/form.html")]
struct FormPage {
    layout: Layout,
    form: NewSet,
    version: String,
    /// Slug of the set that is edited. `None` for a new one.
    edits: Option<String>,
    action: ConsolePath,
    organization: Vec<LevelRow>,
    project: Vec<LevelRow>,
}

#[derive(Template)]
#[template(path = "permission_sets/preview.html")]
struct PreviewPage {
    layout: Layout,
    form: NewSet,
    version: String,
    slug: String,
    holders: SetHolders,
    gained: Permissions,
    lost: Permissions,
}

#[derive(Template)]
#[template(path = "permission_sets/delete.html")]
struct DeletePage {
    layout: Layout,
    set: SetView,
    holders: SetHolders,
}

async fn show_list(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let mut sets = actions::list(&app.context, &caller.member).await?;
    // The organization's own sets come first.
    sets.sort_by_key(|set| set.built_in);
    let may_manage = can_write(&caller.member.subject, &PermissionSets);
    let layout = Layout::of(&app, &caller, SECTION, "Permission sets").await?;
    Ok(render(&ListPage { layout, sets, may_manage }))
}

async fn show_set(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    let (set, _, holders) = actions::get(&app.context, &caller.member, &named).await?;
    let layout = Layout::of(&app, &caller, SECTION, set.name.clone()).await?;
    let (organization, project) =
        (level_rows(set.permissions, Level::Organization), level_rows(set.permissions, Level::Project));
    let may_manage = can_write(&caller.member.subject, &PermissionSets);
    Ok(render(&ShowPage { layout, set, holders, organization, project, may_manage }))
}

/// Reads the form. Each select of the matrix sends an empty value, `<resource>:read` or `<resource>:write`.
fn read(form: &Form) -> NewSet {
    NewSet {
        slug: form.text("slug"),
        name: form.text("name"),
        description: form.text("description"),
        level: form.text("level"),
        permissions: form.all("permission").filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    }
}

async fn render_form(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: NewSet,
    (edits, version): (Option<String>, String),
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, PermissionSets)?;
    let chosen = principals::parse_permissions(&form.permissions.join(" "));
    let title = if edits.is_some() { format!("Edit {}", form.name) } else { "New permission set".to_owned() };
    let all = paths(caller).permission_sets();
    let action = edits.as_ref().map_or(all, |slug| paths(caller).permission_set(slug).edit());
    let page = FormPage {
        layout: Layout::of(app, caller, SECTION, title).await?.with_errors(errors),
        action,
        form,
        version,
        edits,
        organization: level_rows(chosen, Level::Organization),
        project: level_rows(chosen, Level::Project),
    };
    Ok(html(status, &page))
}

fn words(permissions: Permissions) -> Vec<String> {
    permissions.strongest().map(|permission| permission.to_string()).collect()
}

async fn show_new_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let form = match query.filled("from") {
        None => NewSet { level: Level::Project.to_string(), ..NewSet::default() },
        Some(from) => {
            let (set, ..) = actions::get(&app.context, &caller.member, &from).await?;
            NewSet {
                slug: format!("{}-2", set.slug),
                name: format!("{} (copy)", set.name),
                description: set.description,
                level: set.level.to_string(),
                permissions: words(set.permissions),
            }
        }
    };
    render_form(&app, &caller, StatusCode::OK, form, (None, String::new()), ValidationErrors::default()).await
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let input = read(&form);
    match actions::create(&app.context, &caller.member, &input).await {
        Ok(set) => {
            flash(&caller.signed_in.session, format!("Permission set {} created.", set.name)).await?;
            Ok(redirect(paths(&caller).permission_set(&set.slug)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_form(&app, &caller, status, input, (None, String::new()), errors).await
        }
    }
}

fn typed(own: &OwnSet) -> NewSet {
    NewSet {
        slug: own.slug.clone(),
        name: own.name.clone(),
        description: own.description.clone(),
        level: own.level.to_string(),
        permissions: words(principals::parse_permissions(&own.permissions)),
    }
}

async fn show_edit_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    let (_, own, _) = actions::get(&app.context, &caller.member, &named).await?;
    let Some(own) = own else { return Ok(redirect(paths(&caller).permission_set(&named))) };
    let edits = (Some(own.slug.clone()), own.version.to_string());
    render_form(&app, &caller, StatusCode::OK, typed(&own), edits, ValidationErrors::default()).await
}

async fn edit(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    authorize_write(&caller.member.subject, PermissionSets)?;
    let (_, own, holders) = actions::get(&app.context, &caller.member, &named).await?;
    let version = form.text("version");
    let typed = read(&form);
    let input = SetEdit {
        name: Some(typed.name.clone()),
        description: Some(typed.description.clone()),
        permissions: Some(typed.permissions.clone()),
    };
    // If the edit changes what holders can do, a preview of the gained and lost permissions is shown first.
    if let (Some(own), false) = (&own, form.has("confirmed"))
        && let Ok(checked) = input.check(own)
    {
        let was = principals::parse_permissions(&own.permissions);
        let (gained, lost) = (checked.permissions.without(was), was.without(checked.permissions));
        if holders.total() > 0 && !(gained.is_empty() && lost.is_empty()) {
            let layout = Layout::of(&app, &caller, SECTION, format!("Change {}?", own.name)).await?;
            let slug = own.slug.clone();
            return Ok(render(&PreviewPage { layout, form: typed, version, slug, holders, gained, lost }));
        }
    }
    match actions::edit(&app.context, &caller.member, &named, &input, version.parse().ok()).await {
        Ok(set) => {
            flash(&caller.signed_in.session, format!("Permission set {} saved.", set.name)).await?;
            Ok(redirect(paths(&caller).permission_set(&set.slug)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let form = NewSet { slug: named.clone(), ..typed };
            render_form(&app, &caller, status, form, (Some(named), version), errors).await
        }
    }
}

async fn confirm_delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    render_delete(&app, &caller, StatusCode::OK, &named, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    named: &str,
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, PermissionSets)?;
    let (set, _, holders) = actions::get(&app.context, &caller.member, named).await?;
    let layout = Layout::of(app, caller, SECTION, format!("Delete {}?", set.name)).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors), set, holders }))
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    match actions::delete(&app.context, &caller.member, &named).await {
        Ok(set) => {
            flash(&caller.signed_in.session, format!("Permission set {} deleted.", set.name)).await?;
            Ok(redirect(paths(&caller).permission_sets()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_delete(&app, &caller, status, &named, errors).await
        }
    }
}
