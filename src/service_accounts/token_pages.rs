//! Pages for the keys of a service account: the tab *Tokens*, the page that shows a new value, and the
//! confirmations.
//!
//! The handlers call `keys` for every operation and render the shared pages of [`crate::tokens`].

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::keys;
use super::model::{ServiceAccount, Status};
use super::pages::{render_list, to_reveal};
use crate::access::{TokenKind, authorize_write, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{Form, ItemPath, PartPath, Query, html, redirect};
use crate::platform::{Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::model::{LifetimeChoice, Token, TokenInput, choices, usual};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::pages::{
    AccessLimit, Confirmation, RevealTexts, ask_end, expiry_fact, new_token, renewal, reveal_route, show,
};
use crate::tokens::store::{has_revoked, list_access_tokens};
use crate::ui::{Layout, Paths, filters, paths, refused};
use crate::usage::model::CallsBy;
use crate::usage::store as usage;

const SECTION: &str = "Service accounts";

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let one = paths.service_account("{id}");
    Router::new()
        .route(one.tokens().as_ref(), get(show_keys).post(add_key))
        .route(one.regenerate().as_ref(), get(confirm_regenerate).post(regenerate))
        .route(one.token("{tok}").edit().as_ref(), get(show_edit_form).post(save_key))
        .route(one.token("{tok}").reveal().as_ref(), reveal_route(reveal))
        .route(one.token("{tok}").revoke().as_ref(), get(confirm_revoke).post(revoke))
        .route(one.token("{tok}").stop_old().as_ref(), post(end_overlap))
}

#[derive(Template)]
#[template(path = "service_accounts/tokens.html")]
struct TokensPage {
    layout: Layout,
    account: ServiceAccount,
    status: Status,
    keys: Page<Token>,
    access: Vec<Token>,
    has_revoked: bool,
    may_manage: bool,
    lifetimes: Vec<LifetimeChoice>,
    form: Form,
    limit: AccessLimit,
    lifetime: String,
}

#[derive(Template)]
#[template(path = "service_accounts/regenerate.html")]
struct RegeneratePage {
    layout: Layout,
    account: ServiceAccount,
    keys: Vec<Token>,
    /// The calls of the only key.
    calls: Vec<CallsBy>,
    lifetimes: Vec<LifetimeChoice>,
    chosen: String,
    lifetime: String,
    lifetime_date: String,
    overlap: String,
}

impl RegeneratePage {
    /// The overlap that fits the use of the chosen key.
    fn suggested_overlap(&self) -> &'static str {
        let key = self.keys.iter().find(|key| key.id.to_string() == self.chosen);
        key.map_or("-", |key| key.suggested_overlap(&self.layout.now))
    }
}

#[derive(Template)]
#[template(path = "service_accounts/key.html")]
struct KeyPage {
    layout: Layout,
    account: ServiceAccount,
    key: Token,
    name: String,
    allowed_addresses: String,
}

async fn show_keys(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    render_tokens(&app, &caller, StatusCode::OK, &id, query, ValidationErrors::default()).await
}

async fn render_tokens(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    id: &str,
    form: Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let (account, keys) = keys::with_keys(
        &app.context,
        &caller.member,
        id,
        form.has("revoked"),
        &PageRequest::for_console(&form)?,
    )
    .await?;
    let now = app.context.clock.now();
    let access = list_access_tokens(&app.context.db, account.id, now).await?;
    let has_revoked = has_revoked(&app.context.db, account.id).await?;
    let policy = &caller.member.organization.policy;
    let page = TokensPage {
        layout: Layout::of(app, caller, SECTION, account.name.clone()).await?.with_errors(errors),
        status: account.status(now),
        may_manage: can_write(&caller.member.subject, &account),
        account,
        keys,
        access,
        has_revoked,
        lifetimes: choices(policy, TokenKind::ServiceAccount, now),
        lifetime: form.filled("lifetime").unwrap_or_else(|| usual(policy, TokenKind::ServiceAccount)),
        limit: AccessLimit::read(&form),
        form,
    };
    Ok(html(status, &page))
}

async fn add_key(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    let added = async {
        let input = new_token(&form, app.context.clock.now())?;
        keys::add_key(&app.context, &caller.member, &id, &input, &delivery).await
    };
    match added.await {
        Ok((account, issued)) => Ok(to_reveal(&caller, &account, issued.id)),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_tokens(&app, &caller, status, &id, form, errors).await
        }
    }
}

async fn reveal(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, key)): PartPath,
) -> Result<Response> {
    let (account, key) = keys::with_key(&app.context, &caller.member, &id, &key).await?;
    let team = match (&account.team_name, &account.default_team_name) {
        (Some(team), _) => team.clone(),
        (None, Some(team)) => format!("Organization, default team {team}"),
        (None, None) => "Organization".to_owned(),
    };
    let texts = RevealTexts {
        what: "API key",
        name: account.name.clone(),
        facts: vec![
            ("UID", account.id.to_string()),
            ("Team", team),
            ("Role", caller.member.organization.sets.name(&account.role)),
            expiry_fact(key.expires_at),
        ],
        done: paths(&caller).service_accounts(),
        regenerate: paths(&caller).service_account(account.id).regenerate().with_query("key", key.id),
    };
    let layout = Layout::of(&app, &caller, SECTION, SECTION).await?;
    let shown = show(&app, (&caller).into(), layout, &key, texts).await?;
    let list = render_list(&app, &caller, shown.layout.clone(), &Form::default()).await;
    Ok(shown.over(list, &app.context))
}

async fn confirm_regenerate(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    render_regenerate(&app, &caller, StatusCode::OK, &id, &query, ValidationErrors::default()).await
}

async fn render_regenerate(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    id: &str,
    form: &Form,
    errors: ValidationErrors,
) -> Result<Response> {
    let (account, keys) =
        keys::with_keys(&app.context, &caller.member, id, false, &PageRequest::choices()).await?;
    let account = authorize_write(&caller.member.subject, account)?.into_inner();
    let keys = keys.rows;
    let calls = match keys.as_slice() {
        [only] => usage::recent_addresses_of_token(&app.context, only.id).await?,
        _ => Vec::new(),
    };
    let suggested = || suggest_key(&keys).map(|key| key.id.to_string()).unwrap_or_default();
    let page = RegeneratePage {
        layout: Layout::of(app, caller, SECTION, format!("Regenerate token for {}?", account.name))
            .await?
            .with_errors(errors),
        account,
        lifetimes: choices(
            &caller.member.organization.policy,
            TokenKind::ServiceAccount,
            app.context.clock.now(),
        ),
        chosen: form.filled("key").unwrap_or_else(suggested),
        keys,
        calls,
        lifetime: form.text("lifetime"),
        lifetime_date: form.text("lifetime_date"),
        overlap: form.text("overlap"),
    };
    Ok(html(status, &page))
}

/// The key that the form preselects: the only one, or the one that was used last. A key that was never used
/// is not suggested beside others, because whoever regenerates it may have meant another.
fn suggest_key(keys: &[Token]) -> Option<&Token> {
    match keys {
        [only] => Some(only),
        _ => keys.iter().filter(|key| key.last_used_at.is_some()).max_by_key(|key| key.last_used_at),
    }
}

async fn regenerate(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    if form.text("key").is_empty() {
        let errors = ValidationErrors::one("key", "Choose the API key to regenerate.");
        return render_regenerate(&app, &caller, StatusCode::UNPROCESSABLE_ENTITY, &id, &form, errors).await;
    }
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    let renewal = renewal(&form, app.context.clock.now());
    match keys::regenerate(&app.context, &caller.member, &id, &form.text("key"), &renewal, &delivery).await {
        Ok((account, issued)) => Ok(to_reveal(&caller, &account, issued.id)),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_regenerate(&app, &caller, status, &id, &form, errors).await
        }
    }
}

/// Returns the account and one of its keys, if the caller is allowed to manage them.
async fn managed(
    app: &AppState,
    caller: &ConsoleCaller,
    id: &str,
    key: &str,
) -> Result<(ServiceAccount, Token)> {
    let (account, key) = keys::with_key(&app.context, &caller.member, id, key).await?;
    Ok((authorize_write(&caller.member.subject, account)?.into_inner(), key))
}

async fn show_edit_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, key)): PartPath,
) -> Result<Response> {
    let (account, key) = managed(&app, &caller, &id, &key).await?;
    let layout = Layout::of(&app, &caller, SECTION, format!("Edit {}", key.name)).await?;
    let (name, allowed_addresses) = (key.name.clone(), key.allowed_addresses.clone());
    let page = KeyPage { layout, account, key, name, allowed_addresses };
    Ok(html(StatusCode::OK, &page))
}

async fn save_key(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, key)): PartPath,
    form: Form,
) -> Result<Response> {
    let (account, token) = managed(&app, &caller, &id, &key).await?;
    let input = TokenInput {
        name: form.text("name"),
        allowed_addresses: form.text("allowed_addresses"),
        ..TokenInput::default()
    };
    match keys::edit_key(&app.context, &caller.member, &id, &key, &input, None).await {
        Ok(token) => {
            flash(&caller.signed_in.session, format!("Key {} saved.", token.name)).await?;
            Ok(redirect(paths(&caller).service_account(&id).tokens()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let layout = Layout::of(&app, &caller, SECTION, format!("Edit {}", token.name)).await?;
            let TokenInput { name, allowed_addresses, .. } = input;
            Ok(html(
                status,
                &KeyPage { layout: layout.with_errors(errors), account, key: token, name, allowed_addresses },
            ))
        }
    }
}

async fn confirm_revoke(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, key)): PartPath,
) -> Result<Response> {
    let (account, key) = keys::revocable(&app.context, &caller.member, &id, &key).await?;
    let is_key = key.kind == TokenKind::ServiceAccount;
    let called = if is_key { key.name.clone() } else { "this access token".to_owned() };
    let layout = Layout::of(&app, &caller, SECTION, format!("Revoke {called}?")).await?;
    let path = paths(&caller).service_account(account.id);
    let question = Confirmation {
        action: path.token(key.id).revoke(),
        back: (account.name, path.tokens()),
        button: if is_key { "Revoke key" } else { "Revoke access token" },
        token: key,
    };
    ask_end(&app, layout, StatusCode::OK, question, ValidationErrors::default()).await
}

async fn revoke(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, key)): PartPath,
) -> Result<Response> {
    let token = keys::revoke(&app.context, &caller.member, &id, &key).await?;
    let what = match token.kind {
        TokenKind::ServiceAccount => format!("Key {}", token.name),
        _ => "The access token".to_owned(),
    };
    flash(&caller.signed_in.session, format!("{what} is revoked.")).await?;
    Ok(redirect(paths(&caller).service_account(&id).tokens()))
}

async fn end_overlap(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, key)): PartPath,
) -> Result<Response> {
    let token = keys::end_overlap(&app.context, &caller.member, &id, &key).await?;
    flash(&caller.signed_in.session, format!("The old value of {} has stopped.", token.name)).await?;
    Ok(redirect(paths(&caller).service_account(&id).tokens()))
}
