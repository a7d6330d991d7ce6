//! People for people.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use tower_sessions::Session;

use super::actions::{self, Guest};
use super::model::{Invitation, Invitations, Member, NewInvitation, Offer};
use crate::access::{PermissionSet, may, require};
use crate::filters;
use crate::identity::caller::RequestFacts;
use crate::identity::session::{self, Person, flash};
use crate::identity::{App, ConsoleCaller};
use crate::organizations::model::NewPerson;
use crate::platform::web::paging::{Page, Slice};
use crate::platform::web::{Form, Query, html, redirect};
use crate::platform::{Mistakes, Result, Timestamp};
use crate::service_accounts::actions as accounts;
use crate::service_accounts::form::Choices;
use crate::service_accounts::model::ServiceAccount;
use crate::service_accounts::store::Filter;
use crate::shell::{Shell, page, refused};
use crate::teams;
use crate::teams::model::Team;

const SECTION: &str = "People";

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/orgs/{org}/settings/people", get(list).post(invite))
        .route("/orgs/{org}/settings/people/new", get(new))
        .route("/orgs/{org}/settings/people/invitations/{id}/revoke", post(revoke))
        .route("/invitations/{code}", get(offered).post(accept))
}

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    shell: Shell,
    search: String,
    slice: Slice<Member>,
    invitations: Vec<Invitation>,
    accounts: Vec<ServiceAccount>,
    may_invite: bool,
    may_create: bool,
}

#[derive(Template)]
#[template(path = "people/invite.html")]
struct InvitePage {
    shell: Shell,
    form: NewInvitation,
    roles: Vec<PermissionSet>,
    teams: Vec<Team>,
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "people/link.html")]
struct LinkPage {
    shell: Shell,
    link: String,
    form: NewInvitation,
    ends: Timestamp,
}

#[derive(Template)]
#[template(path = "people/accept.html")]
struct AcceptPage {
    offer: Offer,
    code: String,
    signed_in: Option<Person>,
    form: NewPerson,
    mistakes: Mistakes,
}

async fn list(State(app): State<App>, caller: ConsoleCaller, query: Query) -> Result<Response> {
    let (search, role) = (query.text("q"), query.text("role"));
    let slice = actions::list(&app, &caller, (&search, &role), &Page::of_console(&query)?).await?;
    let invitations = actions::invitations(&app, &caller).await?;
    let first = Page { limit: 50, after: None, before: None };
    let accounts = accounts::list(&app, &caller, &Filter::default(), &first).await?.rows;
    let may_invite = may(&caller.subject, &Invitations);
    let may_create = Choices::of(&app, &caller, None).await?.any();
    let shell = Shell::of(&app, &caller, SECTION, "People").await?;
    Ok(page(&ListPage { shell, search, slice, invitations, accounts, may_invite, may_create }))
}

async fn new(State(app): State<App>, caller: ConsoleCaller) -> Result<Response> {
    require(&caller.subject, Invitations)?;
    let form = NewInvitation {
        role: "member".to_owned(),
        team_role: "member".to_owned(),
        ..NewInvitation::default()
    };
    invite_page(&app, &caller, StatusCode::OK, form, Mistakes::default()).await
}

async fn invite_page(
    app: &App,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: NewInvitation,
    mistakes: Mistakes,
) -> Result<Response> {
    let all = Page::choices();
    let teams = teams::actions::list(app, caller, "", &all).await?.rows;
    let shell = Shell::of(app, caller, SECTION, "Invite person").await?;
    Ok(html(
        status,
        &InvitePage {
            shell,
            form,
            roles: caller.organization.sets.all().cloned().collect(),
            teams,
            mistakes,
        },
    ))
}

async fn invite(State(app): State<App>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let input = NewInvitation {
        email: form.text("email"),
        role: form.text("role"),
        team: form.text("team"),
        team_role: form.text("team_role"),
    };
    match actions::invite(&app, &caller, &input).await {
        Ok(code) => {
            // The link is in this answer and nowhere else.
            let link = format!("{}/invitations/{}", app.config.public_url, code.expose());
            let ends = app.clock.now().plus(actions::LASTS);
            let shell = Shell::of(&app, &caller, SECTION, "Invitation link").await?;
            Ok(page(&LinkPage { shell, link, form: input, ends }))
        }
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            invite_page(&app, &caller, status, input, mistakes).await
        }
    }
}

async fn revoke(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    actions::revoke(&app, &caller, &id).await?;
    flash(&caller.signed_in.session, "The invitation is revoked.").await?;
    Ok(redirect(&format!("/orgs/{}/settings/people", caller.organization.slug)))
}

async fn offered(State(app): State<App>, session: Session, Path(code): Path<String>) -> Result<Response> {
    let offer = actions::offer(&app, &code).await?;
    let signed_in = session::person(&session, &app).await?;
    let form = NewPerson { email: offer.email.clone().unwrap_or_default(), ..NewPerson::default() };
    Ok(page(&AcceptPage { offer, code, signed_in, form, mistakes: Mistakes::default() }))
}

async fn accept(
    State(app): State<App>,
    request: RequestFacts,
    session: Session,
    Path(code): Path<String>,
    form: Form,
) -> Result<Response> {
    let signed_in = session::person(&session, &app).await?;
    let person = NewPerson {
        username: form.text("username"),
        email: form.text("email"),
        name: form.text("name"),
        password: form.secret("password"),
    };
    let (actor, guest) = match &signed_in {
        Some(known) => (request.person(known), Guest::Known(known.id, known.email.clone())),
        None => (request.nobody(&person.name), Guest::New(person.clone())),
    };
    match actions::accept(&app, &actor, &code, guest).await {
        Ok((id, offer)) => {
            session::sign_in(&session, id).await?;
            Ok(redirect(&format!("/orgs/{}", offer.organization_slug)))
        }
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            let offer = actions::offer(&app, &code).await?;
            Ok(html(status, &AcceptPage { offer, code, signed_in, form: person, mistakes }))
        }
    }
}
