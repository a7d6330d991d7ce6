//! Set-up, the way home, the overview.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use tower_sessions::Session;

use super::model::{FirstRun, NewPerson};
use super::{actions, store};
use crate::filters;
use crate::identity::caller::RequestFacts;
use crate::identity::device::Devices;
use crate::identity::{App, SignedIn, session, throttle};
use crate::platform::web::{Form, Query, html, redirect};
use crate::platform::{Error, Mistakes, Result};
use crate::shell::{Shell, page, refused};

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new().route("/", get(home)).route("/setup", get(setup).post(set_up))
}

#[derive(Template)]
#[template(path = "organizations/setup.html")]
struct SetupPage {
    code: String,
    form: FirstRun,
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "organizations/home.html")]
struct HomePage {
    shell: Shell,
}

async fn home(State(app): State<App>, signed_in: Result<SignedIn>) -> Result<Response> {
    if !store::is_set_up(&app.db).await? {
        return Ok(redirect("/setup"));
    }
    let signed_in = signed_in?;
    if let [(slug, _)] = signed_in.organizations.as_slice() {
        return Ok(redirect(&format!("/orgs/{slug}")));
    }
    Ok(page(&HomePage { shell: Shell::personal(&app, &signed_in, "Your organizations").await? }))
}

async fn setup(State(app): State<App>, query: Query) -> Result<Response> {
    if store::is_set_up(&app.db).await? {
        return Ok(redirect("/sign-in"));
    }
    Ok(page(&SetupPage {
        code: query.text("code"),
        form: FirstRun::default(),
        mistakes: Mistakes::default(),
    }))
}

async fn set_up(
    State(app): State<App>,
    request: RequestFacts,
    devices: Devices,
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
    let done = match actions::check_code(&app, &code) {
        Ok(()) => actions::found(&app, &request.nobody(&input.person.name), &input, false).await,
        Err(error) => {
            throttle::slow_down(&app, "set-up code", request.address).await?;
            Err(error)
        }
    };
    match done {
        Ok(founded) => {
            session::sign_in(&session, founded.person).await?;
            let mut response = redirect(&format!("/orgs/{}", founded.slug));
            devices.remember(&app, request.address, founded.person, &mut response).await?;
            Ok(response)
        }
        Err(Error::Conflict(_)) if store::is_set_up(&app.db).await? => Ok(redirect("/sign-in")),
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            Ok(html(status, &SetupPage { code, form: input, mistakes }))
        }
    }
}
