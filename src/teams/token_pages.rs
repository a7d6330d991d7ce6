//! The tab *Team API Token* of a team, with the pages to generate, show, regenerate and delete it.
//!
//! The handlers call `token` and render the shared pages of [`crate::tokens`].

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::model::Team;
use super::token::{self, TokenOf};
use crate::access::{TokenKind, can_write};
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

const SECTION: &str = "Teams";
type Named = Path<(String, String)>;

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let tab = "/orgs/{org}/settings/teams/{team}/api-token";
    Router::new()
        .route(tab, get(card).post(generate))
        .route(&format!("{tab}/reveal"), reveal_route(reveal))
        .route(&format!("{tab}/regenerate"), get(regenerate_form).post(regenerate))
        .route(&format!("{tab}/delete"), get(delete_form).post(delete))
        .route(&format!("{tab}/stop-old"), post(stop_old))
}

fn address(caller: &ConsoleCaller, team: &str) -> String {
    format!("/orgs/{}/settings/teams/{team}/api-token", caller.organization.slug)
}

#[derive(Template)]
#[template(path = "teams/api_token.html")]
struct CardPage {
    layout: Layout,
    team: Team,
    card: Card,
    errors: ValidationErrors,
}

async fn card(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Named,
) -> Result<Response> {
    card_page(&app, &caller, StatusCode::OK, &team, Form::default(), ValidationErrors::default()).await
}

async fn card_page(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    named: &str,
    form: Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let (team, token) = token::get(&app.context, caller, named).await?;
    let who_may = if team.is_owners {
        "Owners manage this token."
    } else if team.members_manage_token {
        "Members of the team manage its token."
    } else {
        "Admins of the team and owners manage its token."
    };
    let card = Card {
        token,
        what: "Team API token",
        name: team.name.clone(),
        base: address(caller, &team.slug),
        may_manage: can_write(&caller.subject, &TokenOf(caller.organization.id, team.clone())),
        who_may,
        lifetimes: Vec::new(),
        lifetime: String::new(),
        lifetime_date: String::new(),
    };
    let card = card.choosing(&caller.organization.policy, TokenKind::Team, app.context.clock.now(), &form);
    let layout = Layout::of(app, caller, SECTION, format!("{} – API token", team.name)).await?;
    Ok(html(status, &CardPage { layout, team, card, errors }))
}

async fn generate(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Named,
    form: Form,
) -> Result<Response> {
    // A form that was open before the token existed must not regenerate it.
    let done = if token::get(&app.context, &caller, &named).await?.1.is_some() {
        Err(Error::conflict("The team already has a token. Regenerate it if its value is lost."))
    } else {
        let delivery = SecretDelivery::page(&caller.signed_in.session)?;
        token::generate(&app.context, &caller, &named, &renewal(&form, app.context.clock.now()), &delivery)
            .await
    };
    match done {
        Ok((team, _)) => Ok(redirect(&format!("{}/reveal", address(&caller, &team.slug)))),
        Err(error) => {
            let (status, errors) = refused(error)?;
            card_page(&app, &caller, status, &named, form, errors).await
        }
    }
}

async fn reveal(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Named,
) -> Result<Response> {
    let (team, token) = token::get(&app.context, &caller, &named).await?;
    let token = token.ok_or(Error::NotFound)?;
    let base = address(&caller, &team.slug);
    let role = caller.organization.sets.name(&team.role);
    let about = About {
        what: "Team API token",
        name: team.name.clone(),
        facts: vec![("Acts as", format!("the team {}", team.name)), ("Role", role), stops(token.expires_at)],
        regenerate: format!("{base}/regenerate"),
        done: base,
    };
    let layout = Layout::of(&app, &caller, SECTION, "").await?;
    show(&app, &caller.signed_in.session, layout, token.id, about).await
}

/// Prepares a confirmation for the team's token, if the caller is allowed to manage it and it exists.
async fn question(
    app: &AppState,
    caller: &ConsoleCaller,
    named: &str,
    verb: &str,
    button: &'static str,
) -> Result<(Layout, Confirmation)> {
    let (team, token) = token::get(&app.context, caller, named).await?;
    let team = crate::access::authorize_write(&caller.subject, TokenOf(caller.organization.id, team))?
        .into_inner()
        .1;
    let base = address(caller, &team.slug);
    let layout = Layout::of(app, caller, SECTION, format!("{verb} token for {}?", team.name)).await?;
    let question = Confirmation {
        token: token.ok_or(Error::NotFound)?,
        action: format!("{base}/{}", verb.to_lowercase()),
        back: (team.name, base),
        button,
    };
    Ok((layout, question))
}

async fn regenerate_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Named,
) -> Result<Response> {
    let (layout, question) = question(&app, &caller, &team, "Regenerate", "Regenerate token").await?;
    let with = (&caller.organization.policy, &Form::default());
    Ok(ask_regenerate(layout, StatusCode::OK, question, with, ValidationErrors::default()))
}

async fn regenerate(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Named,
    form: Form,
) -> Result<Response> {
    let (layout, question) = question(&app, &caller, &named, "Regenerate", "Regenerate token").await?;
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    match token::generate(&app.context, &caller, &named, &renewal(&form, app.context.clock.now()), &delivery)
        .await
    {
        Ok((team, _)) => Ok(redirect(&format!("{}/reveal", address(&caller, &team.slug)))),
        Err(error) => {
            let (status, errors) = refused(error)?;
            Ok(ask_regenerate(layout, status, question, (&caller.organization.policy, &form), errors))
        }
    }
}

async fn delete_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): Named,
) -> Result<Response> {
    let (layout, question) = question(&app, &caller, &team, "Delete", "Delete token").await?;
    ask_end(&app, layout, StatusCode::OK, question, ValidationErrors::default()).await
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Named,
) -> Result<Response> {
    let team = token::delete(&app.context, &caller, &named).await?;
    flash(&caller.signed_in.session, format!("The token of {} is deleted.", team.name)).await?;
    Ok(redirect(&address(&caller, &team.slug)))
}

async fn stop_old(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, named)): Named,
) -> Result<Response> {
    let team = token::stop_old(&app.context, &caller, &named).await?;
    flash(&caller.signed_in.session, format!("The old value of {}'s token has stopped.", team.name)).await?;
    Ok(redirect(&address(&caller, &team.slug)))
}
