//! Console pages of personal tokens: the list, the form, and the pages to show, regenerate and revoke a
//! token.
//!
//! The handlers call `tokens` and render the shared pages of [`crate::tokens`].

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::tokens::{self, Bounds};
use crate::access::TokenKind;
use crate::authn::session::flash;
use crate::callers::SignedIn;
use crate::directory::own_account::OwnAccount;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{Form, Query, RequestContext, html, redirect};
use crate::platform::{Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::model::{LifetimeChoice, Token, choices, usual};
use crate::tokens::one_time_secret::{SecretDelivery, SecretReader};
use crate::tokens::pages::{
    AccessLimit, Confirmation, RevealTexts, TokenChange, ask_end, ask_regenerate, expiry_fact, new_token,
    renewal, reveal_route, show,
};
use crate::ui::{Layout, Paths, filters, refused, render};

const SECTION: &str = "Personal tokens";

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let all = Paths::personal_tokens();
    let one = Paths::personal_token("{tok}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(one.reveal().as_ref(), reveal_route(reveal))
        .route(one.regenerate().as_ref(), get(confirm_regenerate).post(regenerate))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
        .route(one.stop_old().as_ref(), post(end_overlap))
}

#[derive(Template)]
#[template(path = "account/tokens.html")]
struct ListPage {
    layout: Layout,
    page: Page<Token>,
    dead: bool,
    closed: Vec<String>,
}

#[derive(Template)]
#[template(path = "account/new_token.html")]
struct NewPage {
    layout: Layout,
    form: Form,
    lifetime: String,
    lifetimes: Vec<LifetimeChoice>,
    limit: AccessLimit,
}

async fn show_list(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Query(query): Query,
) -> Result<Response> {
    let layout = Layout::account(&app, &signed_in, SECTION).await?;
    render_list(&app, &signed_in, layout, &query).await
}

async fn render_list(app: &AppState, signed_in: &SignedIn, layout: Layout, query: &Form) -> Result<Response> {
    let dead = query.has("dead");
    let page = tokens::list(app, signed_in.person.id, dead, &PageRequest::for_console(query)?).await?;
    let closed = tokens::load_policy(app, signed_in.person.id).await?.closed_organizations;
    Ok(render(&ListPage { layout, page, dead, closed }))
}

async fn show_new_form(State(app): State<AppState>, signed_in: SignedIn) -> Result<Response> {
    render_new(&app, &signed_in, StatusCode::OK, Form::default(), ValidationErrors::default()).await
}

async fn render_new(
    app: &AppState,
    signed_in: &SignedIn,
    status: StatusCode,
    form: Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let policy = tokens::load_policy(app, signed_in.person.id).await?.policy;
    let layout = Layout { section: SECTION, ..Layout::account(app, signed_in, "New personal token").await? };
    let lifetimes = choices(&policy, TokenKind::Personal, app.context.clock.now());
    let lifetime = form.filled("lifetime").unwrap_or_else(|| usual(&policy, TokenKind::Personal));
    let page = NewPage {
        layout: layout.with_errors(errors),
        limit: AccessLimit::read(&form),
        form,
        lifetime,
        lifetimes,
    };
    Ok(html(status, &page))
}

async fn create(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
    form: Form,
) -> Result<Response> {
    let delivery = SecretDelivery::page(&signed_in.session)?;
    let (actor, person) = (signed_in.actor(&request), signed_in.person.id);
    let created = async {
        let input = new_token(&form, app.context.clock.now())?;
        let owner = OwnAccount(person).authorize(None)?;
        tokens::create(&app, &actor, &owner, &input, Bounds::default(), &delivery).await
    };
    match created.await {
        Ok(issued) => Ok(redirect(Paths::personal_token(issued.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_new(&app, &signed_in, status, form, errors).await
        }
    }
}

async fn reveal(
    State(app): State<AppState>,
    signed_in: SignedIn,
    request: RequestContext,
    Path(id): Path<String>,
) -> Result<Response> {
    let token = tokens::get(&app, signed_in.person.id, &id).await?;
    let actor = signed_in.actor(&request);
    let reader = SecretReader { session: &signed_in.session, actor: &actor, organization: None };
    let texts = RevealTexts {
        what: "Personal token",
        name: token.name.clone(),
        facts: vec![("Acts as", signed_in.person.name.clone()), expiry_fact(token.expires_at)],
        done: Paths::personal_tokens(),
        regenerate: Paths::personal_token(token.id).regenerate(),
    };
    let layout = Layout::account(&app, &signed_in, SECTION).await?;
    let shown = show(&app, reader, layout, &token, texts).await?;
    let list = render_list(&app, &signed_in, shown.layout.clone(), &Form::default()).await;
    Ok(shown.over(list, &app.context))
}

async fn question(
    app: &AppState,
    signed_in: &SignedIn,
    id: &str,
    change: TokenChange,
) -> Result<(Layout, Confirmation)> {
    let token = tokens::get(app, signed_in.person.id, id).await?;
    let layout = Layout::account(app, signed_in, format!("{} token {}?", change.title(), token.name)).await?;
    let question = Confirmation {
        action: change.path(&Paths::personal_token(token.id)),
        back: (SECTION.to_owned(), Paths::personal_tokens()),
        button: change.button(),
        token,
    };
    Ok((Layout { section: SECTION, ..layout }, question))
}

async fn confirm_regenerate(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<Response> {
    let policy = tokens::load_policy(&app, signed_in.person.id).await?.policy;
    let (layout, question) = question(&app, &signed_in, &id, TokenChange::Regenerate).await?;
    Ok(ask_regenerate(
        layout,
        StatusCode::OK,
        question,
        (&policy, &Form::default()),
        ValidationErrors::default(),
    ))
}

async fn regenerate(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response> {
    let delivery = SecretDelivery::page(&signed_in.session)?;
    let (actor, person) = (signed_in.actor(&request), signed_in.person.id);
    let renewal = renewal(&form, app.context.clock.now());
    match tokens::regenerate(&app, &actor, &OwnAccount(person).authorize(None)?, &id, &renewal, &delivery)
        .await
    {
        Ok(issued) => Ok(redirect(Paths::personal_token(issued.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            let policy = tokens::load_policy(&app, person).await?.policy;
            let (layout, question) = question(&app, &signed_in, &id, TokenChange::Regenerate).await?;
            Ok(ask_regenerate(layout, status, question, (&policy, &form), errors))
        }
    }
}

async fn confirm_delete(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<Response> {
    let (layout, question) = question(&app, &signed_in, &id, TokenChange::Delete).await?;
    ask_end(&app, layout, StatusCode::OK, question, ValidationErrors::default()).await
}

async fn delete(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<Response> {
    let actor = signed_in.actor(&request);
    let owner = OwnAccount(signed_in.person.id).authorize(None)?;
    let token = tokens::revoke(&app, &actor, &owner, &id).await?;
    flash(&signed_in.session, format!("Personal token {} is deleted.", token.name)).await?;
    Ok(redirect(Paths::personal_tokens()))
}

async fn end_overlap(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<Response> {
    let actor = signed_in.actor(&request);
    let owner = OwnAccount(signed_in.person.id).authorize(None)?;
    let token = tokens::end_overlap(&app, &actor, &owner, &id).await?;
    flash(&signed_in.session, format!("The old value of {} has stopped.", token.name)).await?;
    Ok(redirect(Paths::personal_tokens()))
}
