//! Console pages to disable and enable several service accounts that are selected in the list.
//!
//! All selected accounts are loaded first, then each is changed by itself and has its own result.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::actions;
use super::model::ServiceAccount;
use crate::access::can_write;
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::text::string_enum;
use crate::platform::web::{Form, Query, redirect};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::ui::{Layout, Paths, Results, RowResult, ShownResult, filters, paths, render, selected};
use crate::usage::model::total;
use crate::usage::store as usage;

const SECTION: &str = "Service accounts";

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let all = Paths::pattern().service_accounts();
    Router::new()
        .route(all.selected().as_ref(), get(confirm_selected).post(change_selected))
        .route(all.selected().results().as_ref(), get(show_results))
}

/// An account that is selected in the list, with the number of its calls in the last 30 days.
struct Selected {
    account: ServiceAccount,
    calls: i64,
}

#[derive(Template)]
#[template(path = "service_accounts/selected.html")]
struct SelectedPage {
    layout: Layout,
    action: SelectedAction,
    accounts: Vec<Selected>,
    left_out: Vec<(String, &'static str)>,
}

string_enum! {
    /// What is done with the selected accounts.
    SelectedAction {
        /// Their tokens stop working until they are enabled again.
        Disable = "disable",
        /// Their tokens work again.
        Enable = "enable",
    }
}

impl SelectedAction {
    const fn verb(self) -> &'static str {
        match self {
            Self::Disable => "Disable",
            Self::Enable => "Enable",
        }
    }

    const fn participle(self) -> &'static str {
        match self {
            Self::Disable => "disabled",
            Self::Enable => "enabled",
        }
    }

    /// Why the action is not possible for an account; `None` if it is.
    const fn why_not(self, account: &ServiceAccount) -> Option<&'static str> {
        match (self, account.disabled_at, account.manageable) {
            (_, _, false) => Some("You are not allowed to manage it."),
            (Self::Disable, Some(_), _) => Some("It is already disabled."),
            (Self::Enable, None, _) => Some("It is not disabled."),
            _ => None,
        }
    }
}

impl SelectedPage {
    /// The calls of all selected accounts in the last 30 days.
    fn calls(&self) -> i64 {
        self.accounts.iter().map(|selected| selected.calls).sum()
    }

    /// The label of the button: the verb and what is selected.
    fn button(&self) -> String {
        match self.accounts.len() {
            1 => format!("{} account", self.action.verb()),
            many => format!("{} {many} accounts", self.action.verb()),
        }
    }
}

/// The selected accounts. An account that the caller cannot see is [`Error::NotFound`], before any is changed.
async fn load_selected(app: &AppState, caller: &ConsoleCaller, form: &Form) -> Result<Vec<ServiceAccount>> {
    let mut accounts = Vec::new();
    for id in selected(form, "account") {
        let mut account = actions::get(&app.context, &caller.member, &id).await?;
        account.manageable = can_write(&caller.member.subject, &account);
        accounts.push(account);
    }
    Ok(accounts)
}

async fn confirm_selected(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let action: SelectedAction = query.text("do").parse().map_err(|_| Error::NotFound)?;
    let (mut accounts, mut left_out) = (Vec::new(), Vec::new());
    for account in load_selected(&app, &caller, &query).await? {
        if let Some(reason) = action.why_not(&account) {
            left_out.push((account.name, reason));
        } else {
            let calls = usage::recent_addresses(&app.context, account.id).await?;
            accounts.push(Selected { account, calls: total(&calls) });
        }
    }
    let title = match accounts.as_slice() {
        [] => format!("No account to {action}"),
        [only] => format!("{} {}?", action.verb(), only.account.name),
        several => format!("{} {} service accounts?", action.verb(), several.len()),
    };
    let layout = Layout::of(&app, &caller, SECTION, title).await?;
    Ok(render(&SelectedPage { layout, action, accounts, left_out }))
}

async fn change_selected(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let action: SelectedAction = form.text("do").parse().map_err(|_| Error::NotFound)?;
    let list = paths(&caller).service_accounts();
    let mut rows = Vec::new();
    for account in load_selected(&app, &caller, &form).await? {
        let id = account.id.to_string();
        let result = match action {
            SelectedAction::Disable => actions::disable(&app.context, &caller.member, &id).await,
            SelectedAction::Enable => actions::enable(&app.context, &caller.member, &id).await,
        };
        rows.push(RowResult::of(&account.id, account.name, result)?);
    }
    let session = &caller.signed_in.session;
    if let [RowResult { name, problem: None, .. }] = rows.as_slice() {
        flash(session, format!("{name} is {}.", action.participle())).await?;
    }
    if rows.len() < 2 && rows.iter().all(|row| row.problem.is_none()) {
        return Ok(redirect(list));
    }
    let results = Results { list: list.to_string(), done: action.participle().to_owned(), rows };
    results.keep(session).await?;
    Ok(redirect(list.selected().results()))
}

async fn show_results(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let list = paths(&caller).service_accounts();
    let results = Results::read(&caller.signed_in.session, &list).await?;
    let title = results.title(("service account", "service accounts"));
    let layout = Layout::of(&app, &caller, SECTION, title).await?;
    let shown = results.rows.iter().map(|row| ShownResult { result: row.clone(), value: None }).collect();
    Ok(crate::ui::show_results(layout, results, shown))
}
