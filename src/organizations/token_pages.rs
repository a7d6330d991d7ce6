//! The page *API token* of the organization, with the pages to generate, show, regenerate and delete it.
//!
//! The handlers call `token` and render the shared pages of [`crate::tokens`].

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::token::{self, TokenOf};
use crate::access::{TokenKind, authorize_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::{Form, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::pages::{
    About, Card, Confirmation, ask_end, ask_regenerate, renewal, reveal_route, show, stops,
};
use crate::ui::{Layout, filters, refused};

const SECTION: &str = "API token";

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let page = "/orgs/{org}/settings/api-token";
    Router::new()
        .route(page, get(card).post(generate))
        .route(&format!("{page}/reveal"), reveal_route(reveal))
        .route(&format!("{page}/regenerate"), get(regenerate_form).post(regenerate))
        .route(&format!("{page}/delete"), get(delete_form).post(delete))
        .route(&format!("{page}/stop-old"), post(stop_old))
}

fn address(caller: &ConsoleCaller) -> String {
    format!("/orgs/{}/settings/api-token", caller.organization.slug)
}

#[derive(Template)]
#[template(path = "organizations/api_token.html")]
struct CardPage {
    layout: Layout,
    card: Card,
    errors: ValidationErrors,
}

async fn card(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    card_page(&app, &caller, StatusCode::OK, Form::default(), ValidationErrors::default()).await
}

async fn card_page(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let card = Card {
        token: token::get(&app.context, caller).await?,
        what: "Organization token",
        name: caller.organization.name.clone(),
        base: address(caller),
        may_manage: true,
        who_may: "",
        lifetimes: Vec::new(),
        lifetime: String::new(),
        lifetime_date: String::new(),
    };
    let card =
        card.choosing(&caller.organization.policy, TokenKind::Organization, app.context.clock.now(), &form);
    let layout = Layout::of(app, caller, SECTION, "API token").await?;
    Ok(html(status, &CardPage { layout, card, errors }))
}

async fn generate(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    // A form that was open before the token existed must not regenerate it.
    let done = if token::get(&app.context, &caller).await?.is_some() {
        Err(Error::conflict("There is already a token. Regenerate it if its value is lost."))
    } else {
        let delivery = SecretDelivery::page(&caller.signed_in.session)?;
        token::generate(&app.context, &caller, &renewal(&form, app.context.clock.now()), &delivery).await
    };
    match done {
        Ok(_) => Ok(redirect(&format!("{}/reveal", address(&caller)))),
        Err(error) => {
            let (status, errors) = refused(error)?;
            card_page(&app, &caller, status, form, errors).await
        }
    }
}

async fn reveal(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let token = token::get(&app.context, &caller).await?.ok_or(Error::NotFound)?;
    let base = address(&caller);
    let about = About {
        what: "Organization token",
        name: caller.organization.name.clone(),
        facts: vec![
            ("Acts as", format!("the organization {}", caller.organization.name)),
            ("Meant for", "setting up teams, projects and accounts".to_owned()),
            stops(token.expires_at),
        ],
        regenerate: format!("{base}/regenerate"),
        done: base,
    };
    let layout = Layout::of(&app, &caller, SECTION, "").await?;
    show(&app, &caller.signed_in.session, layout, token.id, about).await
}

async fn question(
    app: &AppState,
    caller: &ConsoleCaller,
    verb: &str,
    button: &'static str,
) -> Result<(Layout, Confirmation)> {
    authorize_write(&caller.subject, TokenOf(caller.organization.id))?;
    let name = caller.organization.name.clone();
    let layout = Layout::of(app, caller, SECTION, format!("{verb} token for {name}?")).await?;
    let question = Confirmation {
        token: token::get(&app.context, caller).await?.ok_or(Error::NotFound)?,
        action: format!("{}/{}", address(caller), verb.to_lowercase()),
        back: (SECTION.to_owned(), address(caller)),
        button,
    };
    Ok((layout, question))
}

async fn regenerate_form(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let (layout, question) = question(&app, &caller, "Regenerate", "Regenerate token").await?;
    let with = (&caller.organization.policy, &Form::default());
    Ok(ask_regenerate(layout, StatusCode::OK, question, with, ValidationErrors::default()))
}

async fn regenerate(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let (layout, question) = question(&app, &caller, "Regenerate", "Regenerate token").await?;
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    match token::generate(&app.context, &caller, &renewal(&form, app.context.clock.now()), &delivery).await {
        Ok(_) => Ok(redirect(&format!("{}/reveal", address(&caller)))),
        Err(error) => {
            let (status, errors) = refused(error)?;
            Ok(ask_regenerate(layout, status, question, (&caller.organization.policy, &form), errors))
        }
    }
}

async fn delete_form(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let (layout, question) = question(&app, &caller, "Delete", "Delete token").await?;
    ask_end(&app, layout, StatusCode::OK, question, ValidationErrors::default()).await
}

async fn delete(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    token::delete(&app.context, &caller).await?;
    flash(&caller.signed_in.session, "The organization token is deleted.").await?;
    Ok(redirect(&address(&caller)))
}

async fn stop_old(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    token::stop_old(&app.context, &caller).await?;
    flash(&caller.signed_in.session, "The old value of the organization token has stopped.").await?;
    Ok(redirect(&address(&caller)))
}
