//! Console pages of teams: the list, the forms, and the tabs *Members* and *Settings*.
//!
//! The handlers parse the request, call `actions` and render a template. The tabs *Projects* and *Service
//! accounts* belong to those sections.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::actions;
use super::model::{Member, MembersOf, NewTeam, Team, TeamEdit, Teams};
use super::store::{COLUMNS, Filter};
use crate::access::{PermissionSet, TeamRole, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{Form, Query, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{Layout, ListState, Paths, SavedFilter, filters, paths, refused, render};

const SECTION: &str = "Teams";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.teams();
    let one = paths.team("{team}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(one.as_ref(), get(redirect_to_members))
        .route(one.members().as_ref(), get(show_members).post(add_member))
        .route(one.members().remove().as_ref(), post(remove_member))
        .route(one.settings().as_ref(), get(show_settings).post(save_settings))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
}

#[derive(Template)]
#[template(path = "teams/list.html")]
struct ListPage {
    layout: Layout,
    list: ListState,
    filter: Filter,
    page: Page<Team>,
    may_create: bool,
}

#[derive(Template)]
#[template(path = "teams/new.html")]
struct NewPage {
    layout: Layout,
    form: NewTeam,
    roles: Vec<PermissionSet>,
}

#[derive(Template)]
#[template(path = "teams/members.html")]
struct MembersPage {
    layout: Layout,
    team: Team,
    members: Page<Member>,
    may_manage: bool,
    typed: String,
}

#[derive(Template)]
#[template(path = "teams/settings.html")]
struct SettingsPage {
    layout: Layout,
    team: Team,
    form: TeamEdit,
    roles: Vec<PermissionSet>,
    may_edit: bool,
}

#[derive(Template)]
#[template(path = "teams/delete.html")]
struct DeletePage {
    layout: Layout,
    team: Team,
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let filter = Filter::read(&query);
    let which = PageRequest::for_console(&query)?.sorted(&query, COLUMNS)?;
    let (page, counts, layout) = tokio::try_join!(
        actions::list(&app.context, &caller.member, &filter, &which),
        actions::count(&app.context, &caller.member),
        Layout::of(&app, &caller, SECTION, "Teams"),
    )?;
    let list = ListState::new(&filter, &which, COLUMNS, ("team", "teams")).with_saved(vec![
        SavedFilter::all(counts.total),
        SavedFilter::of("Token expires in 14 days", "token", "expiring", counts.expiring).warning(),
        SavedFilter::of("No token", "token", "none", counts.without_token),
        SavedFilter::of("Secret", "visibility", "secret", counts.secret),
    ]);
    let may_create = can_write(&caller.member.subject, &Teams);
    Ok(render(&ListPage { layout, list, filter, page, may_create }))
}

async fn show_new_form(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    crate::access::authorize_write(&caller.member.subject, Teams)?;
    let form = NewTeam { role: Some("member".to_owned()), ..NewTeam::default() };
    render_new(&app, &caller, StatusCode::OK, form, ValidationErrors::default()).await
}

async fn render_new(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: NewTeam,
    errors: ValidationErrors,
) -> Result<Response> {
    let layout = Layout::of(app, caller, SECTION, "New team").await?;
    Ok(html(
        status,
        &NewPage {
            layout: layout.with_errors(errors),
            form,
            roles: caller.member.organization.sets.all().cloned().collect(),
        },
    ))
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let input = NewTeam {
        slug: form.text("slug"),
        name: form.text("name"),
        description: Some(form.text("description")),
        visibility: form.filled("visibility"),
        role: form.filled("role"),
        members_manage_token: None,
    };
    match actions::create(&app.context, &caller.member, &input).await {
        Ok(team) => {
            flash(&caller.signed_in.session, format!("Team {} created.", team.name)).await?;
            Ok(redirect(paths(&caller).team(&team.slug).members()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_new(&app, &caller, status, input, errors).await
        }
    }
}

async fn redirect_to_members(caller: ConsoleCaller, Path((_, team)): Path<(String, String)>) -> Response {
    redirect(paths(&caller).team(&team).members())
}

async fn show_members(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Path<(String, String)>,
    Query(query): Query,
) -> Result<Response> {
    let which = PageRequest::for_console(&query)?;
    render_members(&app, &caller, (StatusCode::OK, &which), &team, String::new(), ValidationErrors::default())
        .await
}

async fn render_members(
    app: &AppState,
    caller: &ConsoleCaller,
    (status, which): (StatusCode, &PageRequest),
    named: &str,
    typed: String,
    errors: ValidationErrors,
) -> Result<Response> {
    let (team, members) = actions::members(&app.context, &caller.member, named, which).await?;
    let may_manage = can_write(&caller.member.subject, &MembersOf(team.clone()));
    let layout = Layout::of(app, caller, SECTION, team.name.clone()).await?;
    Ok(html(status, &MembersPage { layout: layout.with_errors(errors), team, members, may_manage, typed }))
}

async fn add_member(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Path<(String, String)>,
    form: Form,
) -> Result<Response> {
    let person = form.text("person");
    let done = match form.text("role").parse::<TeamRole>() {
        Ok(role) => actions::set_member(&app.context, &caller.member, &team, &person, role).await,
        Err(message) => Err(Error::Invalid(ValidationErrors::one("role", message))),
    };
    let error = match done {
        Ok(member) => {
            flash(
                &caller.signed_in.session,
                format!("{} now has the team role {}.", member.name, member.role),
            )
            .await?;
            return Ok(redirect(paths(&caller).team(&team).members()));
        }
        // If the caller can see the team, the error refers to the person.
        Err(Error::NotFound) if actions::get(&app.context, &caller.member, &team).await.is_ok() => {
            Error::Invalid(ValidationErrors::one(
                "person",
                "Enter the username or email address of a person in this organization. Invite other people first.",
            ))
        }
        Err(error) => error,
    };
    let (status, errors) = refused(error)?;
    render_members(&app, &caller, (status, &PageRequest::first()), &team, person, errors).await
}

async fn remove_member(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Path<(String, String)>,
    form: Form,
) -> Result<Response> {
    match actions::remove_member(&app.context, &caller.member, &team, &form.text("username")).await {
        Ok(()) => {
            flash(&caller.signed_in.session, format!("{} was removed from the team.", form.text("username")))
                .await?;
            Ok(redirect(paths(&caller).team(&team).members()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_members(&app, &caller, (status, &PageRequest::first()), &team, String::new(), errors).await
        }
    }
}

fn as_typed(team: &Team) -> TeamEdit {
    TeamEdit {
        name: Some(team.name.clone()),
        description: Some(team.description.clone()),
        visibility: Some(team.visibility.word().to_owned()),
        role: Some(team.role.clone()),
        members_manage_token: Some(team.members_manage_token),
    }
}

async fn show_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Path<(String, String)>,
) -> Result<Response> {
    let team = actions::get(&app.context, &caller.member, &team).await?;
    let form = as_typed(&team);
    render_settings(&app, &caller, StatusCode::OK, team, form, ValidationErrors::default()).await
}

async fn render_settings(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    team: Team,
    form: TeamEdit,
    errors: ValidationErrors,
) -> Result<Response> {
    let may_edit = can_write(&caller.member.subject, &team);
    let layout = Layout::of(app, caller, SECTION, format!("{} settings", team.name)).await?;
    Ok(html(
        status,
        &SettingsPage {
            layout: layout.with_errors(errors),
            team,
            form,
            roles: caller.member.organization.sets.all().cloned().collect(),
            may_edit,
        },
    ))
}

async fn save_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Path<(String, String)>,
    form: Form,
) -> Result<Response> {
    let input = TeamEdit {
        name: Some(form.text("name")),
        description: Some(form.text("description")),
        visibility: form.filled("visibility"),
        role: form.filled("role"),
        members_manage_token: Some(form.has("members_manage_token")),
    };
    match actions::edit(&app.context, &caller.member, &named, &input, form.text("version").parse().ok()).await
    {
        Ok(team) => {
            flash(&caller.signed_in.session, format!("Team {} saved.", team.name)).await?;
            Ok(redirect(paths(&caller).team(&team.slug).settings()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let team = actions::get(&app.context, &caller.member, &named).await?;
            render_settings(&app, &caller, status, team, input, errors).await
        }
    }
}

async fn confirm_delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Path<(String, String)>,
) -> Result<Response> {
    let team = actions::get(&app.context, &caller.member, &team).await?;
    let team = crate::access::authorize_write(&caller.member.subject, team)?.into_inner();
    render_delete(&app, &caller, StatusCode::OK, team, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    team: Team,
    errors: ValidationErrors,
) -> Result<Response> {
    let layout = Layout::of(app, caller, SECTION, format!("Delete {}?", team.name)).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors), team }))
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Path<(String, String)>,
    form: Form,
) -> Result<Response> {
    match actions::delete(&app.context, &caller.member, &named, Some(&form.text("confirm"))).await {
        Ok(team) => {
            flash(&caller.signed_in.session, format!("Team {} deleted.", team.name)).await?;
            Ok(redirect(paths(&caller).teams()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let team = actions::get(&app.context, &caller.member, &named).await?;
            render_delete(&app, &caller, status, team, errors).await
        }
    }
}
