//! The sign-in page, sign-out, and the choice of a theme.
//!
//! A successful sign-in starts a session ([`crate::authn::session`]).

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use axum::response::Response;
use axum::routing::{get, post};
use tower_sessions::Session;

use super::actions;
use crate::audit::{Action, Actor, Change, Event};
use crate::authn::known_browser::DeviceCookie;
use crate::authn::session;
use crate::authn::session::{THEME, Theme};
use crate::authn::throttle::{WaitNotice, wait_notice};
use crate::platform::clock::DAY;
use crate::platform::web::client::is_local_host;
use crate::platform::web::cookie::{self, CookieLifetime};
use crate::platform::web::{Form, Query, RequestContext, html, redirect, safe_next};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{filters, refused, render};

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/sign-in", get(show_form).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/theme", post(save_theme))
}

#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage {
    email: String,
    next: String,
    errors: ValidationErrors,
    needs_https: bool,
}

/// Whether the browser uses plain http to a host that is not its own machine. Passwords would then be sent
/// unencrypted.
fn needs_https(app: &AppState, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    !app.context.config.https() && !host.is_empty() && !is_local_host(host)
}

async fn show_form(
    State(app): State<AppState>,
    headers: HeaderMap,
    session: Session,
    Query(query): Query,
) -> Result<Response> {
    let next = query.text("next");
    if session::load_signed_in_person(&session, &app.context).await?.is_some() {
        return Ok(redirect(&next));
    }
    if !crate::organizations::store::is_set_up(&app.context.db).await? {
        return Ok(redirect("/setup"));
    }
    let needs_https = needs_https(&app, &headers);
    Ok(render(&SignInPage { email: String::new(), next, errors: ValidationErrors::default(), needs_https }))
}

async fn sign_in(
    State(app): State<AppState>,
    headers: HeaderMap,
    request: RequestContext,
    devices: DeviceCookie,
    session: Session,
    form: Form,
) -> Result<Response> {
    let (email, next) = (form.text("email"), form.text("next"));
    let needs_https = needs_https(&app, &headers);
    if needs_https {
        return Err(Error::Forbidden("Signing in needs HTTPS. Open this page with https://.".to_owned()));
    }
    match actions::sign_in(&app, &request, &devices, &email, form.secret("password")).await {
        Ok(person) => {
            session::sign_in(&app.context, &session, person).await?;
            let mut response = redirect(safe_next(&next));
            devices.remember(&app.context, request.ip, person, &mut response).await?;
            Ok(response)
        }
        Err(error @ (Error::TooMany { .. } | Error::Busy { .. })) => {
            let WaitNotice { status, seconds, errors } = wait_notice(error)?;
            let mut response = html(status, &SignInPage { email, next, errors, needs_https });
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            Ok(html(status, &SignInPage { email, next, errors, needs_https }))
        }
    }
}

async fn sign_out(
    State(app): State<AppState>,
    request: RequestContext,
    session: Session,
) -> Result<Response> {
    if let Some(person) = session::load_signed_in_person(&session, &app.context).await? {
        let actor = Actor::person(&request, person.id, &person.name);
        let mut change = Change::begin(&app.context, &actor, None).await?;
        change.no_invalidation();
        change.commit(Event::new(Action::SignedOut, "person", person.id, &person.username)).await?;
    }
    session.flush().await.map_err(Error::internal)?;
    Ok(redirect("/sign-in"))
}

async fn save_theme(State(app): State<AppState>, form: Form) -> Response {
    let mut response = redirect(form.text("back"));
    match form.text("theme").parse::<Theme>() {
        Ok(theme) => {
            cookie::set(
                &mut response,
                &app.context.config,
                (THEME, theme.word()),
                CookieLifetime::For(DAY * 365),
            );
        }
        // Any other value selects the theme of the system.
        Err(_) => cookie::set(&mut response, &app.context.config, (THEME, ""), CookieLifetime::Gone),
    }
    response
}
