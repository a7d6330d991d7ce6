//! Console pages to regenerate, extend or revoke several keys of one account that are selected in its list.
//!
//! The handlers load the keys and pass the operations of `keys` to the shared pages of [`crate::tokens::selection`].

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::model::ServiceAccount;
use super::{actions, keys};
use crate::access::{TokenKind, authorize_write};
use crate::callers::ConsoleCaller;
use crate::platform::web::{Form, ItemPath, Query};
use crate::platform::{Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::model::{Lifetime, Renewal, Token};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::pages::reveal_route;
use crate::tokens::selection::{self, SelectedAction, SelectedFrom, TokenOperations};
use crate::ui::{ConsolePath, Paths, paths, selected};

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let keys = Paths::pattern().service_account("{id}").tokens();
    Router::new()
        .route(keys.selected().as_ref(), get(confirm_selected).post(change_selected))
        .route(keys.selected().results().as_ref(), reveal_route(show_results))
}

/// The account whose keys are selected, and the list of its keys.
async fn selected_from(
    app: &AppState,
    caller: &ConsoleCaller,
    id: &str,
) -> Result<(ServiceAccount, SelectedFrom)> {
    let account = actions::get(&app.context, &caller.member, id).await?;
    let account = authorize_write(&caller.member.subject, account)?.into_inner();
    let list = paths(caller).service_account(account.id).tokens();
    let from = SelectedFrom {
        section: "Service accounts",
        kind: TokenKind::ServiceAccount,
        nouns: ("API key", "API keys"),
        back: account.name.clone(),
        selected: list.selected(),
        list,
    };
    Ok((account, from))
}

async fn load_selected(
    app: &AppState,
    caller: &ConsoleCaller,
    account: &ServiceAccount,
    form: &Form,
) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for key in selected(form, "token") {
        tokens.push(keys::with_key(&app.context, &caller.member, &account.id.to_string(), &key).await?.1);
    }
    Ok(tokens)
}

async fn confirm_selected(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let (account, from) = selected_from(&app, &caller, &id).await?;
    let action = SelectedAction::read(&query)?;
    let tokens = load_selected(&app, &caller, &account, &query).await?;
    let as_asked = (StatusCode::OK, ValidationErrors::default());
    selection::ask(&app, &caller, (from, action, tokens), &Form::default(), as_asked).await
}

/// The operations on the keys of an account, for [`selection::change`].
struct Operations<'a> {
    app: &'a AppState,
    caller: &'a ConsoleCaller,
    account: String,
}

impl TokenOperations for Operations<'_> {
    async fn regenerate(&self, key: &Token, renewal: &Renewal) -> Result<()> {
        let delivery = SecretDelivery::page(&self.caller.signed_in.session)?;
        let (context, caller) = (&self.app.context, &self.caller.member);
        let key = key.id.to_string();
        keys::regenerate(context, caller, &self.account, &key, renewal, &delivery).await.map(drop)
    }

    async fn extend(&self, key: &Token, lifetime: &Lifetime) -> Result<()> {
        let (context, caller) = (&self.app.context, &self.caller.member);
        keys::extend(context, caller, &self.account, &key.id.to_string(), lifetime).await.map(drop)
    }

    async fn revoke(&self, key: &Token) -> Result<()> {
        let (context, caller) = (&self.app.context, &self.caller.member);
        keys::revoke(context, caller, &self.account, &key.id.to_string()).await.map(drop)
    }

    fn reveal(&self, key: &Token) -> ConsolePath {
        paths(self.caller).service_account(&self.account).token(key.id).reveal()
    }
}

async fn change_selected(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    let (account, from) = selected_from(&app, &caller, &id).await?;
    let action = SelectedAction::read(&form)?;
    let tokens = load_selected(&app, &caller, &account, &form).await?;
    let operations = Operations { app: &app, caller: &caller, account: account.id.to_string() };
    selection::change(&app, &caller, (from, action, tokens), &form, &operations).await
}

async fn show_results(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let (_, from) = selected_from(&app, &caller, &id).await?;
    selection::results(&app, &caller, &from).await
}
