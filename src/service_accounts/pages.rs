//! Console pages of service accounts: the list, the forms, and the tabs of one account.
//!
//! The handlers parse the request, call `actions` and render a template. The pages of keys are in
//! `token_pages`, the tab *Access* is in `access_pages`.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::actions::{self, CreatedAccount};
use super::form::{AccountForm, Choices};
use super::model::{ServiceAccount, Status};
use super::store::{COLUMNS, Filter};
use crate::access::{AccountScope, TokenKind, authorize_write, can_write};
use crate::audit::{self, EventSummary};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::id::TokenId;
use crate::platform::text::MOST;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{Form, ItemPath, Query, html, redirect};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::teams;
use crate::teams::model::Team;
use crate::tokens::model::usual;
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::store::{self as tokens, Attributed};
use crate::ui::charts::{CallsChart, Sparklines};
use crate::ui::{Layout, ListState, Paths, SavedFilter, filters, paths, refused, render};
use crate::usage::model::{CallsBy, Days};
use crate::usage::store as usage;

pub(super) const SECTION: &str = "Service accounts";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.service_accounts();
    let one = paths.service_account("{id}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(paths.team("{team}").service_accounts().as_ref(), get(show_team_tab))
        .route(one.as_ref(), get(redirect_to_keys))
        .route(one.activity().as_ref(), get(show_activity))
        .route(one.settings().as_ref(), get(show_settings).post(save_settings))
        .route(one.disable().as_ref(), post(disable))
        .route(one.enable().as_ref(), post(enable))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
}

#[derive(Template)]
#[template(path = "service_accounts/list.html")]
struct ListPage {
    layout: Layout,
    filter: Filter,
    list: ListState,
    page: Page<ServiceAccount>,
    lines: Option<Sparklines>,
    may_create: bool,
}

#[derive(Template)]
#[template(path = "service_accounts/new.html")]
struct NewPage {
    layout: Layout,
    form: AccountForm,
    choices: Choices,
}

#[derive(Template)]
#[template(path = "service_accounts/settings.html")]
struct SettingsPage {
    layout: Layout,
    account: ServiceAccount,
    status: Status,
    form: AccountForm,
    choices: Choices,
    calls: Vec<CallsBy>,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "service_accounts/delete.html")]
struct DeletePage {
    layout: Layout,
    account: ServiceAccount,
    calls: Vec<CallsBy>,
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let layout = Layout::of(&app, &caller, SECTION, SECTION).await?;
    render_list(&app, &caller, layout, &query).await
}

/// Renders the list of service accounts.
pub(super) async fn render_list(
    app: &AppState,
    caller: &ConsoleCaller,
    layout: Layout,
    query: &Form,
) -> Result<Response> {
    let filter = Filter {
        search: query.text("q"),
        scope: query.text("scope"),
        team: query.text("team"),
        status: query.text("status"),
    };
    let which = PageRequest::for_console(query)?.sorted(query, COLUMNS)?;
    let (page, counts) = tokio::try_join!(
        actions::list(&app.context, &caller.member, &filter, &which),
        actions::count(&app.context, &caller.member),
    )?;
    let may_create = Choices::any_for(&caller.member);
    let list = ListState::new(&filter, &which, COLUMNS, ("account", "accounts")).with_saved(vec![
        SavedFilter::all(counts.total),
        SavedFilter::of("Expiring in 14 days", "status", "expiring", counts.expiring)
            .warning()
            .known_if(counts.expiring_tokens <= MOST),
        SavedFilter::of("Unused for 90 days", "status", "unused", counts.unused),
        SavedFilter::of("Disabled", "status", "disabled", counts.disabled),
        SavedFilter::of("Expired", "status", "expired", counts.expired),
    ]);
    let list = list.selectable(page.rows.iter().any(|account| account.manageable));
    let lines = Some(sparklines(&app.context, &page.rows).await?);
    Ok(render(&ListPage { layout, filter, list, page, lines, may_create }))
}

/// The recent calls of the accounts of a list.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn sparklines(context: &Context, accounts: &[ServiceAccount]) -> Result<Sparklines> {
    let ids: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
    let days = Days::recent(context.clock.now());
    let histories = usage::histories(&context.db, ids.clone(), days).await?;
    Ok(Sparklines::new(ids, &histories))
}

async fn show_new_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let choices = Choices::of(&app, &caller.member, None).await?;
    let scope = if choices.organization && !query.has("team") { "organization" } else { "team" };
    let form = AccountForm {
        scope: scope.to_owned(),
        team: query.text("team"),
        role: "member".to_owned(),
        authentication: "api_key".to_owned(),
        lifetime: "none".to_owned(),
        key_lifetime: usual(&caller.member.organization.policy, TokenKind::ServiceAccount),
        nonce: Layout::nonce(&app),
        ..AccountForm::default()
    };
    if !choices.any() {
        return Err(Error::Forbidden(
            "Owners can create service accounts of the organization, and team admins those of their team. Ask one of them."
                .to_owned(),
        ));
    }
    render_new(&app, &caller, StatusCode::OK, form, ValidationErrors::default()).await
}

async fn render_new(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: AccountForm,
    errors: ValidationErrors,
) -> Result<Response> {
    let choices = Choices::of(app, &caller.member, None).await?;
    let layout = Layout::of(app, caller, SECTION, "New service account").await?;
    Ok(html(status, &NewPage { layout: layout.with_errors(errors), form, choices }))
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let caller = caller.submitting(&form);
    let typed = AccountForm::read(&form);
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    let input = typed.new_account(app.context.clock.now());
    match actions::create(&app.context, &caller.member, &input, &delivery).await {
        Ok(CreatedAccount { account, key: Some(key), .. }) => Ok(to_reveal(&caller, &account, key)),
        Ok(CreatedAccount { account, key: None, .. }) => {
            flash(&caller.signed_in.session, format!("Service account {} created.", account.name)).await?;
            Ok(redirect(paths(&caller).service_account(account.id).tokens()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_new(&app, &caller, status, typed, errors).await
        }
    }
}

pub(super) fn to_reveal(caller: &ConsoleCaller, account: &ServiceAccount, key: TokenId) -> Response {
    redirect(paths(caller).service_account(account.id).token(key).reveal())
}

#[derive(Template)]
#[template(path = "teams/service_accounts.html")]
struct TeamPage {
    layout: Layout,
    team: Team,
    list: ListState,
    page: Page<ServiceAccount>,
    lines: Option<Sparklines>,
    may_create: bool,
}

/// The tab *Service accounts* of a team.
async fn show_team_tab(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, team)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let team = teams::actions::get(&app.context, &caller.member, &team).await?;
    let filter = Filter { team: team.slug.clone(), ..Filter::default() };
    let which = PageRequest::for_console(&query)?.sorted(&query, COLUMNS)?;
    let page = actions::list(&app.context, &caller.member, &filter, &which).await?;
    let list = ListState::new(&Filter::default(), &which, COLUMNS, ("account", "accounts"))
        .selectable(page.rows.iter().any(|account| account.manageable));
    let may_create = Choices::any_in(&caller.member, AccountScope::Team(team.id));
    let layout = Layout::of(&app, &caller, "Teams", format!("{} – service accounts", team.name)).await?;
    let lines = Some(sparklines(&app.context, &page.rows).await?);
    Ok(render(&TeamPage { layout, team, list, page, lines, may_create }))
}

#[derive(Template)]
#[template(path = "service_accounts/activity.html")]
struct ActivityPage {
    layout: Layout,
    account: ServiceAccount,
    status: Status,
    chart: CallsChart,
    calls: Vec<CallsBy>,
    permissions: Vec<CallsBy>,
    attributed: Vec<Attributed>,
    events: Vec<EventSummary>,
    made: Vec<EventSummary>,
}

async fn show_activity(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::get(&app.context, &caller.member, &id).await?;
    let (organization, uid) = (caller.member.organization.id, account.id.to_string());
    let now = app.context.clock.now();
    let (history, calls, permissions, attributed, events, made, layout) = tokio::try_join!(
        usage::history(&app.context.db, account.id, Days::recent(now)),
        usage::recent_addresses(&app.context, account.id),
        usage::permissions(&app.context.db, account.id, Days::recent(now)),
        tokens::attributed(&app.context, account.id),
        audit::list_events_about(&app.context.db, organization, &uid, 50),
        audit::list_events_by(&app.context.db, organization, &uid, 50),
        Layout::of(&app, &caller, SECTION, format!("{} – activity", account.name)),
    )?;
    let status = account.status(now);
    let chart = CallsChart::new("Calls in the last 30 days", history);
    Ok(render(&ActivityPage { layout, account, status, chart, calls, permissions, attributed, events, made }))
}

async fn redirect_to_keys(caller: ConsoleCaller, Path((_, id)): ItemPath) -> Response {
    redirect(paths(&caller).service_account(&id).tokens())
}

async fn show_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::get(&app.context, &caller.member, &id).await?;
    let form = AccountForm::of(&account);
    render_settings(&app, &caller, StatusCode::OK, account, form, ValidationErrors::default()).await
}

async fn render_settings(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    account: ServiceAccount,
    form: AccountForm,
    errors: ValidationErrors,
) -> Result<Response> {
    let mut choices = Choices::of(app, &caller.member, Some(account.account_scope())).await?;
    // The current role stays selectable for a caller who can edit the account but not give this role.
    let own = caller.member.organization.sets.find(&account.role);
    if let Some(own) = own.filter(|own| !choices.roles.contains(own)) {
        choices.roles.insert(0, own.clone());
    }
    let may_manage = can_write(&caller.member.subject, &account);
    let layout = Layout::of(app, caller, SECTION, format!("{} settings", account.name)).await?;
    let standing = account.status(app.context.clock.now());
    let calls = usage::recent_addresses(&app.context, account.id).await?;
    let page = SettingsPage {
        calls,
        layout: layout.with_errors(errors),
        status: standing,
        account,
        form,
        choices,
        may_manage,
    };
    Ok(html(status, &page))
}

async fn save_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    let typed = AccountForm::read(&form);
    let account = actions::get(&app.context, &caller.member, &id).await?;
    match actions::edit(&app.context, &caller.member, &id, &typed.edit(&account, app.context.clock.now()))
        .await
    {
        Ok(account) => {
            flash(&caller.signed_in.session, format!("{} saved.", account.name)).await?;
            Ok(redirect(paths(&caller).service_account(account.id).settings()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_settings(&app, &caller, status, account, typed, errors).await
        }
    }
}

async fn disable(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::disable(&app.context, &caller.member, &id).await?;
    flash(
        &caller.signed_in.session,
        format!("{} is disabled. Its keys are refused from now on.", account.name),
    )
    .await?;
    Ok(redirect(paths(&caller).service_account(account.id).settings()))
}

async fn enable(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::enable(&app.context, &caller.member, &id).await?;
    flash(&caller.signed_in.session, format!("{} is enabled. Its keys work again.", account.name)).await?;
    Ok(redirect(paths(&caller).service_account(account.id).settings()))
}

async fn confirm_delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::get(&app.context, &caller.member, &id).await?;
    render_delete(&app, &caller, StatusCode::OK, account, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    account: ServiceAccount,
    errors: ValidationErrors,
) -> Result<Response> {
    let account = authorize_write(&caller.member.subject, account)?.into_inner();
    let layout = Layout::of(app, caller, SECTION, format!("Delete {}?", account.name)).await?;
    let calls = usage::recent_addresses(&app.context, account.id).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors), account, calls }))
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    match actions::delete(&app.context, &caller.member, &id, Some(&form.text("confirm"))).await {
        Ok(account) => {
            flash(
                &caller.signed_in.session,
                format!("{} is deleted, and its keys are revoked.", account.name),
            )
            .await?;
            Ok(redirect(paths(&caller).service_accounts()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            let account = actions::get(&app.context, &caller.member, &id).await?;
            render_delete(&app, &caller, status, account, errors).await
        }
    }
}
