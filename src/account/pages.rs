//! Console pages for a person's profile, password and sessions.
//!
//! The handlers parse the request, call `actions` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::actions::{self, Browser};
use super::store::Session as Listed;
use crate::authn::known_browser::DeviceCookie;
use crate::authn::session::flash;
use crate::authn::throttle::wait_notice;
use crate::callers::SignedIn;
use crate::platform::web::{Form, RequestContext, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{Layout, Paths, filters, refused, render};

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(Paths::account().as_ref(), get(redirect_to_profile))
        .route(Paths::profile().as_ref(), get(show_profile).post(save_profile))
        .route(Paths::password().as_ref(), get(show_password).post(save_password))
        .route(Paths::sessions().as_ref(), get(show_sessions))
        .route(Paths::sessions().revoke().as_ref(), post(revoke_session))
        .route(Paths::sessions().revoke_others().as_ref(), post(revoke_other_sessions))
}

#[derive(Template)]
#[template(path = "account/profile.html")]
struct ProfilePage {
    layout: Layout,
    username: String,
    name: String,
    email: String,
}

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordPage {
    layout: Layout,
    username: String,
}

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct SessionsPage {
    layout: Layout,
    sessions: Vec<Listed>,
    own: Vec<u8>,
}

async fn redirect_to_profile() -> Response {
    redirect(Paths::profile())
}

async fn show_profile(State(app): State<AppState>, signed_in: SignedIn) -> Result<Response> {
    let layout = Layout::account(&app, &signed_in, "Profile").await?;
    let person = &signed_in.person;
    let (name, email) = (person.name.clone(), person.email.clone());
    let username = person.username.clone();
    Ok(render(&ProfilePage { layout, username, name, email }))
}

/// Converts an error into a status and messages for the submitted page, including the time to wait.
fn form_errors(error: Error) -> Result<(StatusCode, ValidationErrors)> {
    match error {
        Error::TooMany { .. } | Error::Busy { .. } => {
            wait_notice(error).map(|notice| (notice.status, notice.errors))
        }
        error => refused(error),
    }
}

async fn save_profile(
    State(app): State<AppState>,
    request: RequestContext,
    devices: DeviceCookie,
    signed_in: SignedIn,
    form: Form,
) -> Result<Response> {
    let (name, email) = (form.text("name"), form.text("email"));
    let actor = signed_in.actor(&request);
    let current = form.secret("current_password");
    let browser = Browser { session: &signed_in.session, devices: &devices };
    match actions::edit_profile(&app, &actor, &signed_in.person, &browser, (&name, &email), current).await {
        Ok(()) => {
            flash(&signed_in.session, "Your profile is saved.").await?;
            Ok(redirect(Paths::profile()))
        }
        Err(error) => {
            let (status, errors) = form_errors(error)?;
            let layout = Layout::account(&app, &signed_in, "Profile").await?;
            let username = signed_in.person.username.clone();
            Ok(html(status, &ProfilePage { layout: layout.with_errors(errors), username, name, email }))
        }
    }
}

async fn show_password(State(app): State<AppState>, signed_in: SignedIn) -> Result<Response> {
    let layout = Layout::account(&app, &signed_in, "Password").await?;
    let username = signed_in.person.username.clone();
    Ok(render(&PasswordPage { layout, username }))
}

async fn save_password(
    State(app): State<AppState>,
    request: RequestContext,
    devices: DeviceCookie,
    signed_in: SignedIn,
    form: Form,
) -> Result<Response> {
    let actor = signed_in.actor(&request);
    let pair = (form.secret("current_password"), form.secret("password"));
    let browser = Browser { session: &signed_in.session, devices: &devices };
    match actions::change_password(&app, &actor, &signed_in.person, &browser, pair).await {
        Ok(ended) => {
            let others = if ended == 1 {
                "1 other session was".to_owned()
            } else {
                format!("{ended} other sessions were")
            };
            flash(&signed_in.session, format!("Your password is changed. {others} ended.")).await?;
            Ok(redirect(Paths::password()))
        }
        Err(error) => {
            let (status, errors) = form_errors(error)?;
            let layout = Layout::account(&app, &signed_in, "Password").await?;
            let username = signed_in.person.username.clone();
            Ok(html(status, &PasswordPage { layout: layout.with_errors(errors), username }))
        }
    }
}

async fn show_sessions(State(app): State<AppState>, signed_in: SignedIn) -> Result<Response> {
    let all = actions::sessions(&app, &signed_in.person).await?;
    let layout = Layout::account(&app, &signed_in, "Sessions").await?;
    let own = actions::own_hash(&signed_in.session);
    Ok(render(&SessionsPage { layout, sessions: all, own }))
}

async fn revoke_session(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
    form: Form,
) -> Result<Response> {
    let actor = signed_in.actor(&request);
    let named = form.text("session");
    actions::end_sessions(&app, &actor, &signed_in.person, &signed_in.session, Some(&named)).await?;
    flash(&signed_in.session, "The session is ended.").await?;
    Ok(redirect(Paths::sessions()))
}

async fn revoke_other_sessions(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
) -> Result<Response> {
    let actor = signed_in.actor(&request);
    actions::end_sessions(&app, &actor, &signed_in.person, &signed_in.session, None).await?;
    flash(&signed_in.session, "You are signed out everywhere else.").await?;
    Ok(redirect(Paths::sessions()))
}
