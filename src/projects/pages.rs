//! Console pages of projects: the list, the forms, and the tabs of one project.
//!
//! The handlers parse the request, call `actions` or `grants` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::model::{GrantsOf, NewProject, Project, ProjectEdit, ProjectsOf, VISIBILITIES};
use super::store::{self, COLUMNS, Filter, Named, ReachCounts};
use super::{actions, grants};
use crate::access::{Level, PermissionSet, Visibility, authorize_write, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{Form, ItemPath, Query, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::teams;
use crate::teams::model::Team;
use crate::ui::charts::CallsChart;
use crate::ui::{Layout, ListState, Paths, filters, paths, refused, render};
use crate::usage::model::Days;
use crate::usage::store as usage;

const SECTION: &str = "Projects";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.projects();
    let one = paths.project("{project}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(paths.team("{team}").projects().as_ref(), get(show_team_tab))
        .route(one.as_ref(), get(redirect_to_access))
        .route(one.access().as_ref(), get(show_access).post(add_grant))
        .route(one.access().remove().as_ref(), post(remove_grant))
        .route(one.activity().as_ref(), get(show_activity))
        .route(one.settings().as_ref(), get(show_settings).post(save_settings))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
}

#[derive(Template)]
#[template(path = "projects/list.html")]
struct ListPage {
    layout: Layout,
    list: ListState,
    filter: Filter,
    page: Page<Project>,
    may_create: bool,
}

#[derive(Template)]
#[template(path = "teams/projects.html")]
struct TeamPage {
    layout: Layout,
    team: Team,
    list: ListState,
    page: Page<Project>,
    may_create: bool,
}

type Choices = &'static [(Visibility, &'static str, &'static str)];

#[derive(Template)]
#[template(path = "projects/new.html")]
struct NewPage {
    layout: Layout,
    form: NewProject,
    teams: Vec<Team>,
    visibilities: Choices,
}

#[derive(Template)]
#[template(path = "projects/access.html")]
struct AccessPage {
    layout: Layout,
    project: Project,
    page: Page<Named>,
    crowd: ReachCounts,
    sets: Vec<PermissionSet>,
    may_manage: bool,
    form: Form,
}

#[derive(Template)]
#[template(path = "projects/settings.html")]
struct SettingsPage {
    layout: Layout,
    project: Project,
    form: ProjectEdit,
    version: String,
    teams: Vec<Team>,
    visibilities: Choices,
    may_edit: bool,
}

#[derive(Template)]
#[template(path = "projects/confirm.html")]
struct ConfirmPage {
    layout: Layout,
    project: Project,
    form: ProjectEdit,
    version: String,
    lost: Vec<String>,
}

#[derive(Template)]
#[template(path = "projects/delete.html")]
struct DeletePage {
    layout: Layout,
    project: Project,
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let filter =
        Filter { search: query.text("q"), team: query.text("team"), visibility: query.text("visibility") };
    let which = PageRequest::for_console(&query)?.sorted(&query, COLUMNS)?;
    let page = actions::list(&app.context, &caller.member, &filter, &which).await?;
    let list = ListState::new(&filter, &which, COLUMNS, ("project", "projects"));
    let may_create = actions::may_create(&caller.member);
    let layout = Layout::of(&app, &caller, SECTION, "Projects").await?;
    Ok(render(&ListPage { layout, list, filter, page, may_create }))
}

/// The tab *Projects* of a team.
async fn show_team_tab(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let team = teams::actions::get(&app.context, &caller.member, &team).await?;
    let filter = Filter { team: team.slug.clone(), ..Filter::default() };
    let which = PageRequest::for_console(&query)?.sorted(&query, COLUMNS)?;
    let page = actions::list(&app.context, &caller.member, &filter, &which).await?;
    let list = ListState::new(&Filter::default(), &which, COLUMNS, ("project", "projects"));
    let may_create = can_write(&caller.member.subject, &ProjectsOf(team.id));
    let layout = Layout::of(&app, &caller, "Teams", format!("{} – projects", team.name)).await?;
    Ok(render(&TeamPage { layout, team, list, page, may_create }))
}

async fn show_new_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let form =
        NewProject { team: query.text("team"), visibility: Some("team".to_owned()), ..NewProject::default() };
    render_new(&app, &caller, StatusCode::OK, form, ValidationErrors::default()).await
}

async fn render_new(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: NewProject,
    errors: ValidationErrors,
) -> Result<Response> {
    let teams = actions::list_teams_for_new_project(&app.context, &caller.member).await?;
    if teams.is_empty() {
        return Err(Error::Forbidden(
            "Admins of a team can create its projects, and owners those of every team. Ask one of them."
                .to_owned(),
        ));
    }
    let layout = Layout::of(app, caller, SECTION, "New project").await?;
    Ok(html(status, &NewPage { layout: layout.with_errors(errors), form, teams, visibilities: VISIBILITIES }))
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let input = NewProject {
        slug: form.text("slug"),
        name: form.text("name"),
        description: Some(form.text("description")),
        team: form.text("team"),
        visibility: form.filled("visibility"),
    };
    match actions::create(&app.context, &caller.member, &input).await {
        Ok(project) => {
            flash(&caller.signed_in.session, format!("Project {} created.", project.name)).await?;
            Ok(redirect(paths(&caller).project(&project.slug).access()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_new(&app, &caller, status, input, errors).await
        }
    }
}

async fn redirect_to_access(caller: ConsoleCaller, Path((_, project)): ItemPath) -> Response {
    redirect(paths(&caller).project(&project).access())
}

#[derive(Template)]
#[template(path = "projects/activity.html")]
struct ActivityPage {
    layout: Layout,
    project: Project,
    chart: CallsChart,
}

/// The tab *Activity* of a project: how often services asked about it.
async fn show_activity(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, project)): ItemPath,
) -> Result<Response> {
    let project = actions::get(&app.context, &caller.member, &project).await?;
    let days = Days::recent(app.context.clock.now());
    let history = usage::history(&app.context.db, project.id, days).await?;
    let chart = CallsChart::new("Checks in the last 30 days", history);
    let layout = Layout::of(&app, &caller, SECTION, format!("{} – activity", project.name)).await?;
    Ok(render(&ActivityPage { layout, project, chart }))
}

async fn show_access(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, project)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    render_access(&app, &caller, StatusCode::OK, &project, query, ValidationErrors::default()).await
}

async fn render_access(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    named: &str,
    form: Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let which = if errors.is_empty() { PageRequest::for_console(&form)? } else { PageRequest::first() };
    // A caller who can read the project but not its grants still sees who reaches it through its visibility.
    let (project, page) = match grants::list(&app.context, &caller.member, named, &which).await {
        Ok(found) => found,
        Err(Error::Forbidden(_)) => {
            let nobody = Page::empty();
            (actions::get(&app.context, &caller.member, named).await?, nobody)
        }
        Err(error) => return Err(error),
    };
    let reach_counts = store::reach_counts(&app.context.db, caller.member.organization.id, &project).await?;
    let sets =
        caller.member.organization.sets.all().filter(|set| set.level == Level::Project).cloned().collect();
    let may_manage = can_write(&caller.member.subject, &GrantsOf(project.clone()));
    let layout = Layout::of(app, caller, SECTION, project.name.clone()).await?;
    Ok(html(
        status,
        &AccessPage {
            layout: layout.with_errors(errors),
            project,
            page,
            crowd: reach_counts,
            sets,
            may_manage,
            form,
        },
    ))
}

async fn add_grant(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, project)): ItemPath,
    form: Form,
) -> Result<Response> {
    // The person types a name, and the select beside it says which kind of principal it is.
    let typed = form.text("principal");
    let kind = form.text("kind");
    let known = typed.contains(':') || typed.starts_with("tok_") || typed.starts_with("sa_");
    let named = match kind.as_str() {
        _ if known => typed.clone(),
        "person" => format!("person:{}", typed.trim()),
        "team" => format!("team:{}", typed.trim()),
        "service_account" => format!("account:{}", typed.trim()),
        _ => typed.clone(),
    };
    match grants::put(&app.context, &caller.member, &project, &named, &form.text("permission_set")).await {
        Ok((project, named)) => {
            let set = caller.member.organization.sets.name(&named.permission_set);
            flash(&caller.signed_in.session, format!("{} is added to the project as {set}.", named.name))
                .await?;
            Ok(redirect(paths(&caller).project(&project.slug).access()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_access(&app, &caller, status, &project, form, errors).await
        }
    }
}

async fn remove_grant(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, project)): ItemPath,
    form: Form,
) -> Result<Response> {
    let name = grants::remove(&app.context, &caller.member, &project, &form.text("principal")).await?;
    flash(&caller.signed_in.session, format!("{name} is removed from the project.")).await?;
    // A caller who removed their own grant may no longer see the project.
    let can_read = actions::get(&app.context, &caller.member, &project).await.is_ok();
    let paths = paths(&caller);
    Ok(redirect(if can_read { paths.project(&project).access() } else { paths.projects() }))
}

async fn show_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, project)): ItemPath,
) -> Result<Response> {
    let project = actions::get(&app.context, &caller.member, &project).await?;
    let form = ProjectEdit {
        name: Some(project.name.clone()),
        description: Some(project.description.clone()),
        team: project.team.clone(),
        visibility: Some(project.visibility.to_string()),
    };
    let version = project.version.to_string();
    render_settings(&app, &caller, StatusCode::OK, project, (form, version), ValidationErrors::default())
        .await
}

async fn render_settings(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    project: Project,
    (form, version): (ProjectEdit, String),
    errors: ValidationErrors,
) -> Result<Response> {
    let mut teams = actions::list_teams_for_new_project(&app.context, &caller.member).await?;
    if let Some(team) = &project.team
        && !teams.iter().any(|team| team.id == project.team_id)
    {
        teams.extend(teams::actions::get(&app.context, &caller.member, team).await.ok());
    }
    let may_edit = can_write(&caller.member.subject, &project);
    let layout = Layout::of(app, caller, SECTION, format!("{} settings", project.name)).await?;
    let visibilities = VISIBILITIES;
    Ok(html(
        status,
        &SettingsPage {
            layout: layout.with_errors(errors),
            project,
            form,
            version,
            teams,
            visibilities,
            may_edit,
        },
    ))
}

async fn save_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    let input = ProjectEdit {
        name: Some(form.text("name")),
        description: Some(form.text("description")),
        team: form.filled("team"),
        visibility: form.filled("visibility"),
    };
    let version = form.text("version");
    let project = actions::get(&app.context, &caller.member, &named).await?;
    let to = input.visibility.as_deref().and_then(|word| word.parse::<Visibility>().ok());
    if let (Some(to), false, true) = (to, form.has("confirmed"), can_write(&caller.member.subject, &project))
    {
        let lost = actions::consequences(&app.context, &caller.member, &project, to).await?;
        if !lost.is_empty() && input.check(&project).is_ok() {
            let title = format!("Make {} {to}?", project.name);
            let layout = Layout::of(&app, &caller, SECTION, title).await?;
            return Ok(render(&ConfirmPage { layout, project, form: input, version, lost }));
        }
    }
    match actions::edit(&app.context, &caller.member, &named, &input, version.parse().ok()).await {
        Ok(project) => {
            flash(&caller.signed_in.session, format!("Project {} saved.", project.name)).await?;
            Ok(redirect(paths(&caller).project(&project.slug).settings()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_settings(&app, &caller, status, project, (input, version), errors).await
        }
    }
}

async fn confirm_delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, project)): ItemPath,
) -> Result<Response> {
    let project = actions::get(&app.context, &caller.member, &project).await?;
    render_delete(&app, &caller, StatusCode::OK, project, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    project: Project,
    errors: ValidationErrors,
) -> Result<Response> {
    let project = authorize_write(&caller.member.subject, project)?.into_inner();
    let layout = Layout::of(app, caller, SECTION, format!("Delete {}?", project.name)).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors), project }))
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    match actions::delete(&app.context, &caller.member, &named, Some(&form.text("confirm"))).await {
        Ok(project) => {
            flash(&caller.signed_in.session, format!("Project {} deleted.", project.name)).await?;
            Ok(redirect(paths(&caller).projects()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let project = actions::get(&app.context, &caller.member, &named).await?;
            render_delete(&app, &caller, status, project, errors).await
        }
    }
}
