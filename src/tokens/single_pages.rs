//! The pages of an owner with at most one token: a team, or the organization.
//!
//! They show the token as a card, and generate, regenerate, delete and reveal
//! it. The sections implement [`TokenPages`] with what differs and mount
//! [`routes`]; they also decide who can manage the token.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::de::DeserializeOwned;

use super::model::{Renewal, Token};
use super::one_time_secret::SecretDelivery;
use super::pages::{
    Card, Confirmation, RevealTexts, TokenChange, ask_end, ask_regenerate, expiry_fact, renewal,
    reveal_route, show,
};
use crate::access::TokenKind;
use crate::authn::session::flash;
use crate::callers::{Caller, ConsoleCaller};
use crate::platform::web::{Form, redirect};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{ConsolePath, Layout, Paths, paths, refused};

/// The owner of at most one token, with the texts of its pages.
pub trait TokenPages: Sized + Send + Sync + 'static {
    /// The parameters of the path.
    type PathParams: DeserializeOwned + Send + Sync;
    /// The kind of the token.
    const KIND: TokenKind;
    /// The active link of the sidebar.
    const SECTION: &'static str;
    /// What the token is called.
    const TOKEN_NAME: &'static str;

    /// Loads the owner, if the caller can read its token.
    fn load(
        context: &Context,
        caller: &Caller,
        params: &Self::PathParams,
    ) -> impl Future<Output = Result<Self>> + Send;

    /// Generates the token, or regenerates the current one.
    fn generate(
        &self,
        context: &Context,
        caller: &Caller,
        renewal: &Renewal,
        delivery: &SecretDelivery,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Ends the overlap: the old value stops working at once.
    fn end_overlap(&self, context: &Context, caller: &Caller) -> impl Future<Output = Result<()>> + Send;

    /// Revokes the token.
    fn delete(&self, context: &Context, caller: &Caller) -> impl Future<Output = Result<()>> + Send;

    /// The name of the owner.
    fn name(&self) -> &str;
    /// The current token, if there is one.
    fn token(&self) -> Option<&Token>;
    /// Whether the caller can generate, regenerate and delete the token.
    fn can_manage(&self, caller: &Caller) -> bool;
    /// Who can do that, shown to those who cannot.
    fn who_can_manage(&self) -> &'static str;
    /// What the page that shows the value tells about the token: label and text.
    fn facts(&self, caller: &Caller) -> Vec<(&'static str, String)>;
    /// The page with the card.
    fn path(&self, paths: &Paths) -> ConsolePath;
    /// The title of the page with the card.
    fn title(&self) -> String;
    /// The label of the link from a confirmation back to the card.
    fn back_label(&self) -> &str;
    /// Renders the page with the card.
    fn render(self, status: StatusCode, layout: Layout, card: Card, errors: ValidationErrors) -> Response;
}

/// The routes at `page` and below.
pub fn routes<P: TokenPages>(page: &ConsolePath) -> Router<AppState> {
    Router::new()
        .route(page.as_ref(), get(show_card::<P>).post(generate::<P>))
        .route(page.reveal().as_ref(), reveal_route(reveal::<P>))
        .route(page.regenerate().as_ref(), get(confirm_regenerate::<P>).post(regenerate::<P>))
        .route(page.delete().as_ref(), get(confirm_delete::<P>).post(delete::<P>))
        .route(page.stop_old().as_ref(), post(end_overlap::<P>))
}

async fn show_card<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
) -> Result<Response> {
    let owner = P::load(&app.context, &caller.member, &params).await?;
    render_card(&app, &caller, StatusCode::OK, owner, &Form::default(), ValidationErrors::default()).await
}

async fn render_card<P: TokenPages>(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    owner: P,
    form: &Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let layout = Layout::of(app, caller, P::SECTION, owner.title()).await?;
    Ok(render_with(app, caller, layout, status, owner, form, errors))
}

fn render_with<P: TokenPages>(
    app: &AppState,
    caller: &ConsoleCaller,
    layout: Layout,
    status: StatusCode,
    owner: P,
    form: &Form,
    errors: ValidationErrors,
) -> Response {
    let card = Card {
        token: owner.token().cloned(),
        what: P::TOKEN_NAME,
        name: owner.name().to_owned(),
        path: owner.path(&paths(caller)),
        may_manage: owner.can_manage(&caller.member),
        who_may: owner.who_can_manage(),
        lifetimes: Vec::new(),
        lifetime: String::new(),
        lifetime_date: String::new(),
    };
    let card = card.choosing(&caller.member.organization.policy, P::KIND, app.context.clock.now(), form);
    owner.render(status, layout, card, errors)
}

async fn generate<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
    form: Form,
) -> Result<Response> {
    let owner = P::load(&app.context, &caller.member, &params).await?;
    // A form that was open before the token existed must not regenerate it.
    let generated = if owner.token().is_some() {
        Err(Error::conflict("There is already a token. Regenerate it if its value is lost."))
    } else {
        let delivery = SecretDelivery::page(&caller.signed_in.session)?;
        owner
            .generate(&app.context, &caller.member, &renewal(&form, app.context.clock.now()), &delivery)
            .await
    };
    match generated {
        Ok(()) => Ok(redirect(owner.path(&paths(&caller)).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_card(&app, &caller, status, owner, &form, errors).await
        }
    }
}

async fn reveal<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
) -> Result<Response> {
    let owner = P::load(&app.context, &caller.member, &params).await?;
    let token = owner.token().ok_or(Error::NotFound)?;
    let path = owner.path(&paths(&caller));
    let mut facts = owner.facts(&caller.member);
    facts.push(expiry_fact(token.expires_at));
    let texts = RevealTexts {
        what: P::TOKEN_NAME,
        name: owner.name().to_owned(),
        facts,
        regenerate: path.regenerate(),
        done: path,
    };
    let layout = Layout::of(&app, &caller, P::SECTION, owner.title()).await?;
    let shown = show(&app, (&caller).into(), layout, token, texts).await?;
    let (form, errors) = (Form::default(), ValidationErrors::default());
    let card = render_with(&app, &caller, shown.layout.clone(), StatusCode::OK, owner, &form, errors);
    Ok(shown.over(Ok(card), &app.context))
}

/// Prepares a confirmation, if the caller can manage the token and it exists.
async fn prepare_confirmation<P: TokenPages>(
    app: &AppState,
    caller: &ConsoleCaller,
    params: &P::PathParams,
    change: TokenChange,
) -> Result<(P, Layout, Confirmation)> {
    let owner = P::load(&app.context, &caller.member, params).await?;
    if !owner.can_manage(&caller.member) {
        return Err(Error::Forbidden(owner.who_can_manage().into()));
    }
    let token = owner.token().cloned().ok_or(Error::NotFound)?;
    let path = owner.path(&paths(caller));
    let layout =
        Layout::of(app, caller, P::SECTION, format!("{} token for {}?", change.title(), owner.name()))
            .await?;
    let question = Confirmation {
        token,
        action: change.path(&path),
        back: (owner.back_label().to_owned(), path),
        button: change.button(),
    };
    Ok((owner, layout, question))
}

async fn confirm_regenerate<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
) -> Result<Response> {
    let (_, layout, question) =
        prepare_confirmation::<P>(&app, &caller, &params, TokenChange::Regenerate).await?;
    let with = (&caller.member.organization.policy, &Form::default());
    Ok(ask_regenerate(layout, StatusCode::OK, question, with, ValidationErrors::default()))
}

async fn regenerate<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
    form: Form,
) -> Result<Response> {
    let (owner, layout, question) =
        prepare_confirmation::<P>(&app, &caller, &params, TokenChange::Regenerate).await?;
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    match owner
        .generate(&app.context, &caller.member, &renewal(&form, app.context.clock.now()), &delivery)
        .await
    {
        Ok(()) => Ok(redirect(owner.path(&paths(&caller)).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            Ok(ask_regenerate(layout, status, question, (&caller.member.organization.policy, &form), errors))
        }
    }
}

async fn confirm_delete<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
) -> Result<Response> {
    let (_, layout, question) =
        prepare_confirmation::<P>(&app, &caller, &params, TokenChange::Delete).await?;
    ask_end(&app, layout, StatusCode::OK, question, ValidationErrors::default()).await
}

async fn delete<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
) -> Result<Response> {
    let owner = P::load(&app.context, &caller.member, &params).await?;
    owner.delete(&app.context, &caller.member).await?;
    flash(&caller.signed_in.session, format!("The token of {} is deleted.", owner.name())).await?;
    Ok(redirect(owner.path(&paths(&caller))))
}

async fn end_overlap<P: TokenPages>(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path(params): Path<P::PathParams>,
) -> Result<Response> {
    let owner = P::load(&app.context, &caller.member, &params).await?;
    owner.end_overlap(&app.context, &caller.member).await?;
    flash(&caller.signed_in.session, format!("The old value of the token of {} has stopped.", owner.name()))
        .await?;
    Ok(redirect(owner.path(&paths(&caller))))
}
