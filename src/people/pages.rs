//! Console pages of members and invitations: the list, the form of an invitation, and the page of one member.
//!
//! The handlers parse the request, call `actions` or `invitations` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use tower_sessions::Session;
use zeroize::Zeroizing;

use super::actions::Profile;
use super::invitations::{ANYONE, Invitee};
use super::model::{Invitation, InvitationDetails, Invitations, NewInvitation, People, TeamPlace};
use super::store::{COLUMNS, Orphaned};
use super::{actions, invitations};
use crate::access::{PermissionSet, TeamRole, authorize_write, can_write};
use crate::audit::Actor;
use crate::authn::known_browser::DeviceCookie;
use crate::authn::session;
use crate::authn::session::{Person, flash};
use crate::callers::ConsoleCaller;
use crate::directory::model::NewPerson;
use crate::platform::clock::DAY;
use crate::platform::text::choose;
use crate::platform::web::pagination::{Page, PageRequest, Sort};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::web::{Form, ItemPath, Query, RequestContext, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::service_accounts::actions as accounts;
use crate::service_accounts::form::Choices;
use crate::service_accounts::model::ServiceAccount;
use crate::service_accounts::store::Filter as AccountFilter;
use crate::state::AppState;
use crate::teams;
use crate::teams::model::{MembersOf, Team};
use crate::tokens::model::{LifetimeChoice, chosen};
use crate::tokens::one_time_secret::{self, SecretDelivery, SecretOf};
use crate::tokens::pages::{mark_as_revealing, reveal_route};
use crate::ui::charts::Sparklines;
use crate::ui::{Layout, ListState, Paths, filters, paths, refused, render};

const SECTION: &str = "People";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.people();
    let one = paths.person("{username}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(invite))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(paths.invitation("{id}").reveal().as_ref(), reveal_route(show_link))
        .route(paths.invitation("{id}").revoke().as_ref(), post(revoke_invitation))
        .route(one.as_ref(), get(show_person).post(save_role))
        .route(one.teams().as_ref(), post(add_to_team))
        .route(one.teams().remove().as_ref(), post(remove_from_team))
        .route(one.remove().as_ref(), get(confirm_remove).post(remove_person))
        .route(Paths::accept_invitation("{code}").as_ref(), get(show_invitation).post(accept_invitation))
}

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    layout: Layout,
    filter: MemberFilter,
    list: ListState,
    roles: Vec<PermissionSet>,
    page: Page<Profile>,
    invitations: Page<Invitation>,
    accounts: Page<ServiceAccount>,
    accounts_list: ListState,
    /// The calls of the accounts, which this page does not show.
    lines: Option<Sparklines>,
    may_invite: bool,
    may_create: bool,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "people/invite.html")]
struct InvitePage {
    layout: Layout,
    form: NewInvitation,
    lifetime: String,
    lifetime_date: String,
    lifetimes: Vec<LifetimeChoice>,
    roles: Vec<PermissionSet>,
    teams: Vec<Team>,
}

#[derive(Template)]
#[template(path = "people/link.html")]
struct LinkPage {
    layout: Layout,
    invitation: Invitation,
    link: Option<Zeroizing<String>>,
    may_revoke: bool,
}

#[derive(Template)]
#[template(path = "people/accept.html")]
struct AcceptPage {
    offer: InvitationDetails,
    code: String,
    signed_in: Option<Person>,
    form: NewPerson,
    errors: ValidationErrors,
}

/// The filter of the list of members.
struct MemberFilter {
    search: String,
    role: String,
}

impl ListFilter for MemberFilter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![("q", self.search.as_str()), ("role", self.role.as_str())]
    }
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let filter = MemberFilter { search: query.text("q"), role: query.text("role") };
    let which = PageRequest::for_console(&query)?.sorted(&query, COLUMNS)?;
    let which_invitations = PageRequest::for_part(&query, "invitations_")?;
    let by_name = Some(Sort::ascending("name"));
    let which_accounts = PageRequest { sort: by_name, ..PageRequest::for_part(&query, "accounts_")? };
    let account_filter = AccountFilter { search: filter.search.clone(), ..AccountFilter::default() };
    let (page, invitations, accounts, layout) = tokio::try_join!(
        actions::list(&app.context, &caller.member, (&filter.search, &filter.role), &which),
        invitations::list(&app.context, &caller.member, &which_invitations),
        accounts::list(&app.context, &caller.member, &account_filter, &which_accounts),
        Layout::of(&app, &caller, SECTION, "People"),
    )?;
    Ok(render(&ListPage {
        layout,
        list: ListState::new(&filter, &which, COLUMNS, ("person", "people")),
        lines: None,
        accounts_list: ListState::new(&account_filter, &which_accounts, &[], ("account", "accounts")),
        filter,
        roles: caller.member.organization.sets.all().cloned().collect(),
        page,
        invitations,
        accounts,
        may_invite: can_write(&caller.member.subject, &Invitations),
        may_create: Choices::any_for(&caller.member),
        may_manage: can_write(&caller.member.subject, &People),
    }))
}

async fn show_new_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    authorize_write(&caller.member.subject, Invitations)?;
    let teams = query.filled("team").map(|slug| TeamPlace { slug, role: "member".to_owned() });
    let form = NewInvitation {
        role: "member".to_owned(),
        teams: teams.into_iter().collect(),
        ..NewInvitation::default()
    };
    render_invite(&app, &caller, StatusCode::OK, (form, Form::default()), ValidationErrors::default()).await
}

async fn render_invite(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    (form, typed): (NewInvitation, Form),
    errors: ValidationErrors,
) -> Result<Response> {
    let mut teams = teams::actions::list_choices(&app.context, &caller.member).await?;
    teams.retain(|team| can_write(&caller.member.subject, &MembersOf(team.clone())));
    let choice = |days: u32| {
        let until = app.context.clock.now().plus(days * DAY).day();
        LifetimeChoice { value: days.to_string(), text: format!("{days} days, until {until}") }
    };
    let mut lifetimes: Vec<LifetimeChoice> = [7, 30, 90].map(choice).to_vec();
    lifetimes.push(LifetimeChoice { value: "date".to_owned(), text: "Custom date".to_owned() });
    let page = InvitePage {
        layout: Layout::of(app, caller, SECTION, "Invite person").await?.with_errors(errors),
        form,
        lifetime: typed.text("lifetime"),
        lifetime_date: typed.text("lifetime_date"),
        lifetimes,
        roles: caller.member.organization.sets.all().cloned().collect(),
        teams,
    };
    Ok(html(status, &page))
}

async fn invite(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let place = |slug: &str| {
        let role = form.filled(&format!("role-{slug}")).unwrap_or_else(|| "member".to_owned());
        TeamPlace { slug: slug.to_owned(), role }
    };
    let input = NewInvitation {
        email: form.text("email"),
        role: form.text("role"),
        teams: form.all("team").filter(|slug| !slug.is_empty()).map(place).collect(),
        lifetime: chosen(&form.text("lifetime"), &form.text("lifetime_date"), app.context.clock.now()),
    };
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    match invitations::invite(&app.context, &caller.member, &input, &delivery).await {
        Ok(made) => Ok(redirect(paths(&caller).invitation(made.invitation.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_invite(&app, &caller, status, (input, form), errors).await
        }
    }
}

/// Shows the link of a new invitation once, because its code is stored as a hash.
async fn show_link(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let invitation = invitations::invitation(&app.context, &caller.member, &id).await?;
    let name = invitation.email.clone().unwrap_or_else(|| ANYONE.to_owned());
    let of = SecretOf::invitation(invitation.id, name);
    let code = one_time_secret::take(&app.context, (&caller).into(), &of).await?;
    let link = code.map(|code| {
        Zeroizing::new(format!("{}/invitations/{}", app.context.config.public_url, code.as_str()))
    });
    let may_revoke = can_write(&caller.member.subject, &Invitations);
    let layout = Layout::of(&app, &caller, SECTION, "Invitation link").await?;
    let status = if link.is_some() { StatusCode::OK } else { StatusCode::GONE };
    let shown = link.is_some();
    let mut response = html(status, &LinkPage { layout, invitation, link, may_revoke });
    if shown {
        mark_as_revealing(&mut response, &app.context);
    }
    Ok(response)
}

#[derive(Template)]
#[template(path = "people/person.html")]
struct PersonPage {
    layout: Layout,
    profile: Profile,
    role: String,
    roles: Vec<PermissionSet>,
    teams: Vec<Team>,
    may_manage: bool,
    is_self: bool,
}

#[derive(Template)]
#[template(path = "people/remove.html")]
struct RemovePage {
    layout: Layout,
    profile: Profile,
    left: Vec<Orphaned>,
    heir: String,
}

async fn show_person(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    render_person(&app, &caller, StatusCode::OK, &named, None, ValidationErrors::default()).await
}

async fn render_person(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    named: &str,
    role: Option<String>,
    errors: ValidationErrors,
) -> Result<Response> {
    let profile = actions::get(&app.context, &caller.member, named).await?;
    let mut teams = teams::actions::list_choices(&app.context, &caller.member).await?;
    teams.retain(|team| {
        can_write(&caller.member.subject, &MembersOf(team.clone()))
            && !profile.teams.iter().any(|own| own.id == team.id)
    });
    let page = PersonPage {
        layout: Layout::of(app, caller, SECTION, profile.member.name.clone()).await?.with_errors(errors),
        role: role.unwrap_or_else(|| profile.member.role.clone()),
        roles: caller.member.organization.sets.all().cloned().collect(),
        teams,
        may_manage: can_write(&caller.member.subject, &People),
        is_self: profile.member.id == caller.signed_in.person.id,
        profile,
    };
    Ok(html(status, &page))
}

async fn save_role(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    let role = form.text("role");
    match actions::edit(&app.context, &caller.member, &named, &role, None).await {
        Ok(profile) => {
            flash(&caller.signed_in.session, format!("{} saved.", profile.member.name)).await?;
            Ok(redirect(paths(&caller).person(&profile.member.username)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_person(&app, &caller, status, &named, Some(role), errors).await
        }
    }
}

async fn add_to_team(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    let team = form.text("team");
    let done = match form.text("team_role").parse::<TeamRole>() {
        _ if team.is_empty() => Err(Error::Invalid(ValidationErrors::one("team", choose("team")))),
        Ok(role) => teams::actions::set_member(&app.context, &caller.member, &team, &named, role).await,
        Err(message) => Err(Error::Invalid(ValidationErrors::one("team_role", message))),
    };
    match done {
        Ok(member) => {
            flash(&caller.signed_in.session, format!("{} is in the team {team}.", member.name)).await?;
            Ok(redirect(paths(&caller).person(&named)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_person(&app, &caller, status, &named, None, errors).await
        }
    }
}

async fn remove_from_team(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    let team = form.text("team");
    match teams::actions::remove_member(&app.context, &caller.member, &team, &named).await {
        Ok(()) => {
            flash(&caller.signed_in.session, format!("{named} was removed from the team {team}.")).await?;
            Ok(redirect(paths(&caller).person(&named)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_person(&app, &caller, status, &named, None, errors).await
        }
    }
}

async fn confirm_remove(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    render_remove(&app, &caller, StatusCode::OK, &named, String::new(), ValidationErrors::default()).await
}

async fn render_remove(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    named: &str,
    heir: String,
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, People)?;
    let profile = actions::get(&app.context, &caller.member, named).await?;
    let left = actions::orphaned_by(&app.context, &caller.member, &profile).await?;
    let layout = Layout::of(app, caller, SECTION, format!("Remove {}?", profile.member.name)).await?;
    Ok(html(status, &RemovePage { layout: layout.with_errors(errors), profile, left, heir }))
}

async fn remove_person(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): ItemPath,
    form: Form,
) -> Result<Response> {
    let heir = form.text("heir");
    match actions::remove(&app.context, &caller.member, &named, Some(&heir)).await {
        Ok(member) => {
            flash(&caller.signed_in.session, format!("{} is removed.", member.name)).await?;
            let own = member.id == caller.signed_in.person.id;
            Ok(if own { redirect("/") } else { redirect(paths(&caller).people()) })
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_remove(&app, &caller, status, &named, heir, errors).await
        }
    }
}

async fn revoke_invitation(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    invitations::revoke(&app.context, &caller.member, &id).await?;
    flash(&caller.signed_in.session, "The invitation is revoked.").await?;
    Ok(redirect(paths(&caller).people()))
}

async fn show_invitation(
    State(app): State<AppState>,
    request: RequestContext,
    session: Session,
    Path(code): Path<String>,
) -> Result<Response> {
    let offer = invitations::offer(&app.context, &Actor::anonymous(&request, ""), &code).await?;
    let signed_in = session::load_signed_in_person(&session, &app.context).await?;
    let form = NewPerson { email: offer.email.clone().unwrap_or_default(), ..NewPerson::default() };
    Ok(render(&AcceptPage { offer, code, signed_in, form, errors: ValidationErrors::default() }))
}

async fn accept_invitation(
    State(app): State<AppState>,
    request: RequestContext,
    devices: DeviceCookie,
    session: Session,
    Path(code): Path<String>,
    form: Form,
) -> Result<Response> {
    let signed_in = session::load_signed_in_person(&session, &app.context).await?;
    let person = NewPerson {
        username: form.text("username"),
        email: form.text("email"),
        name: form.text("name"),
        password: form.secret("password"),
    };
    let (actor, guest) = match &signed_in {
        Some(known) => {
            (Actor::person(&request, known.id, &known.name), Invitee::Known(known.id, known.email.clone()))
        }
        None => (Actor::anonymous(&request, &person.name), Invitee::New(person.clone())),
    };
    match invitations::accept(&app, &actor, &code, guest).await {
        Ok((id, offer)) => {
            session::sign_in(&app.context, &session, id).await?;
            let mut response = redirect(Paths::of(&offer.organization_slug).overview());
            devices.remember(&app.context, request.ip, id, &mut response).await?;
            Ok(response)
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let offer = invitations::offer(&app.context, &actor, &code).await?;
            Ok(html(status, &AcceptPage { offer, code, signed_in, form: person, errors }))
        }
    }
}
