//! The sign-in page.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER, SET_COOKIE};
use axum::response::Response;
use axum::routing::{get, post};
use tower_sessions::Session;

use super::actions;
use crate::audit::{Action, Change, Event};
use crate::filters;
use crate::identity::App;
use crate::identity::caller::RequestFacts;
use crate::identity::session::{self, THEME, Theme};
use crate::platform::web::{Form, Query, html, redirect, safe_next};
use crate::platform::{Error, Mistakes, Result};
use crate::shell::{page, refused};

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(ask).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/theme", post(theme))
}

#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage {
    email: String,
    next: String,
    mistakes: Mistakes,
    needs_https: bool,
}

/// Whether the browser talks plain http to something other than its own
/// machine: then passwords would cross the network in the clear.
fn needs_https(app: &App, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "localhost" | "[::1]" | "")
        || name.starts_with("127.")
        || name.ends_with(".localhost");
    !app.config.https() && !local
}

async fn ask(State(app): State<App>, headers: HeaderMap, session: Session, query: Query) -> Result<Response> {
    let next = query.text("next");
    if session::person(&session, &app).await?.is_some() {
        return Ok(redirect(&next));
    }
    if !crate::organizations::store::is_set_up(&app.db).await? {
        return Ok(redirect("/setup"));
    }
    let needs_https = needs_https(&app, &headers);
    Ok(page(&SignInPage { email: String::new(), next, mistakes: Mistakes::default(), needs_https }))
}

async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    request: RequestFacts,
    session: Session,
    form: Form,
) -> Result<Response> {
    let (email, next) = (form.text("email"), form.text("next"));
    let needs_https = needs_https(&app, &headers);
    if needs_https {
        return Err(Error::Forbidden("Signing in needs HTTPS.".to_owned()));
    }
    match actions::sign_in(&app, request, &email, form.secret("password")).await {
        Ok(person) => {
            session::sign_in(&session, person).await?;
            Ok(redirect(safe_next(&next)))
        }
        Err(Error::TooMany { retry_after }) => {
            let seconds = retry_after.as_secs() + 1;
            let mistakes = Mistakes::one("", format!("Too many tries. Try again in {seconds} s."));
            let page = SignInPage { email, next, mistakes, needs_https };
            let mut response = html(StatusCode::TOO_MANY_REQUESTS, &page);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            Ok(html(status, &SignInPage { email, next, mistakes, needs_https }))
        }
    }
}

async fn sign_out(State(app): State<App>, request: RequestFacts, session: Session) -> Result<Response> {
    if let Some(person) = session::person(&session, &app).await? {
        let actor = request.person(&person);
        let mut change = Change::begin(&app, &actor, None).await?;
        change.touches_nothing();
        change.commit(Event::new(Action::SignedOut, "person", person.id, &person.username)).await?;
    }
    session.flush().await.map_err(Error::internal)?;
    Ok(redirect("/sign-in"))
}

async fn theme(form: Form) -> Response {
    let mut response = redirect(&form.text("back"));
    let cookie = match form.text("theme").parse::<Theme>() {
        Ok(theme) => format!("{THEME}={theme}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"),
        // Any other word: as the system has it.
        Err(_) => format!("{THEME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    };
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
