//! The page of the first set-up, and the page `/`.
//!
//! `/` redirects to the set-up before it is done, and to the organization of a person who has only one;
//! otherwise it lists the organizations. The set-up page calls `bootstrap`.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use tower_sessions::Session;

use super::model::FirstRun;
use super::{bootstrap, store};
use crate::audit::Actor;
use crate::authn::known_browser::DeviceCookie;
use crate::authn::{session, throttle};
use crate::callers::SignedIn;
use crate::directory::model::NewPerson;
use crate::platform::web::{Form, Query, RequestContext, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{Layout, Paths, filters, refused, render};

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new().route("/", get(show_home)).route("/setup", get(show_setup_form).post(set_up))
}

#[derive(Template)]
#[template(path = "organizations/setup.html")]
struct SetupPage {
    code: String,
    form: FirstRun,
    errors: ValidationErrors,
}

#[derive(Template)]
#[template(path = "organizations/home.html")]
struct HomePage {
    layout: Layout,
}

async fn show_home(State(app): State<AppState>, signed_in: Result<SignedIn>) -> Result<Response> {
    if !store::is_set_up(&app.context.db).await? {
        return Ok(redirect("/setup"));
    }
    let signed_in = signed_in?;
    if let [(slug, _)] = signed_in.organizations.as_slice() {
        return Ok(redirect(Paths::of(slug).overview()));
    }
    Ok(render(&HomePage { layout: Layout::personal(&app, &signed_in, "Your organizations").await? }))
}

async fn show_setup_form(State(app): State<AppState>, Query(query): Query) -> Result<Response> {
    if store::is_set_up(&app.context.db).await? {
        return Ok(redirect("/sign-in"));
    }
    Ok(render(&SetupPage {
        code: query.text("code"),
        form: FirstRun::default(),
        errors: ValidationErrors::default(),
    }))
}

async fn set_up(
    State(app): State<AppState>,
    request: RequestContext,
    devices: DeviceCookie,
    session: Session,
    form: Form,
) -> Result<Response> {
    let input = FirstRun {
        organization: form.text("organization"),
        organization_name: form.text("organization_name"),
        person: NewPerson {
            username: form.text("username"),
            email: form.text("email"),
            name: form.text("name"),
            password: form.secret("password"),
        },
    };
    let code = form.text("code");
    let done = match bootstrap::check_code(&app.context, &code) {
        Ok(()) => {
            bootstrap::bootstrap(&app, &Actor::anonymous(&request, &input.person.name), &input, false).await
        }
        Err(error) => {
            throttle::delay_attempt(&app.context, "set-up code", request.ip).await?;
            Err(error)
        }
    };
    match done {
        Ok(founded) => {
            session::sign_in(&app.context, &session, founded.person).await?;
            let mut response = redirect(Paths::of(&founded.slug).overview());
            devices.remember(&app.context, request.ip, founded.person, &mut response).await?;
            Ok(response)
        }
        Err(Error::Conflict(_)) if store::is_set_up(&app.context.db).await? => Ok(redirect("/sign-in")),
        Err(error) => {
            let (status, errors) = refused(error)?;
            Ok(html(status, &SetupPage { code, form: input, errors }))
        }
    }
}
