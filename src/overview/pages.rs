//! Console pages: the overview of an organization and the list of all its tokens.
//!
//! The handlers check what the caller is allowed to read, call `store` and render a template.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::attention::{self, Item};
use super::attention_store::{self, Expiring, OwnTeam, OwnToken};
use super::lookup::{self, Found};
use super::store::{self, Counts, Row};
use crate::access::{Resource, TokenKind, authorize_read, effective_permissions};
use crate::audit::{self, EventSummary};
use crate::authn::session::flash;
use crate::callers::{Caller, ConsoleCaller};
use crate::organizations::model::Settings;
use crate::organizations::store::{Progress, progress};
use crate::platform::clock::{EXPIRES_SOON, UNUSED_AFTER};
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::web::{Form, Query, html, redirect};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::projects::model::Project;
use crate::projects::store::Filter as ProjectFilter;
use crate::service_accounts::model::ServiceAccount;
use crate::service_accounts::store::Filter as AccountFilter;
use crate::state::AppState;
use crate::ui::charts::{CallsChart, Sparklines, WeeksChart};
use crate::ui::{Layout, Paths, filters, paths, refused, render};
use crate::usage::model::{CallsBy, Days};
use crate::usage::store as usage;
use crate::{projects, service_accounts};

const TOKENS: &str = "All tokens";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    Router::new()
        .route(paths.overview().as_ref(), get(show_overview))
        .route(paths.tokens().as_ref(), get(show_tokens).post(look_up))
        .route(paths.tokens().revoke().as_ref(), post(revoke_found))
}

/// The current time, 14 days later, and 90 days earlier.
fn moments(app: &AppState) -> (Timestamp, Timestamp, Timestamp) {
    let now = app.context.clock.now();
    (now, now.plus(EXPIRES_SOON), now.minus(UNUSED_AFTER))
}

/// The overview of somebody who manages the organization.
#[derive(Template)]
#[template(path = "overview/overview.html")]
struct OverviewPage {
    layout: Layout,
    progress: Progress,
    counts: Counts,
    people: i64,
    attention: Vec<Item>,
    chart: CallsChart,
    weeks: WeeksChart,
    expiring: Vec<Expiring>,
    events: Vec<EventSummary>,
}

/// The overview of everybody else: what they have and what they can use.
#[derive(Template)]
#[template(path = "overview/member.html")]
struct MemberPage {
    layout: Layout,
    tokens: Vec<OwnToken>,
    teams: Vec<OwnTeam>,
    accounts: Vec<ServiceAccount>,
    lines: Sparklines,
    projects: Vec<Project>,
    events: Vec<EventSummary>,
}

/// How far ahead the overview shows what expires: thirteen weeks.
const AHEAD: Duration = Duration::from_secs(13 * 7 * 86_400);

async fn show_overview(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    if authorize_read(&caller.member.subject, Settings).is_ok() {
        return show_organization(&app, &caller).await;
    }
    show_own(&app, &caller).await
}

/// The latest events, for those who can read the audit log.
async fn latest_events(app: &AppState, caller: &ConsoleCaller) -> Result<Vec<EventSummary>> {
    if effective_permissions(&caller.member.subject).has(Resource::AuditLogs.read()) {
        return audit::list_latest_events(&app.context.db, caller.member.organization.id, 10).await;
    }
    Ok(Vec::new())
}

async fn show_organization(app: &AppState, caller: &ConsoleCaller) -> Result<Response> {
    let (db, organization, now) = (&app.context.db, caller.member.organization.id, app.context.clock.now());
    let paths = paths(caller);
    let (counts, expiring, weeks, history, progress, people, events, layout) = tokio::try_join!(
        store::counts(db, organization, moments(app)),
        attention_store::next_to_expire(db, organization, (now, now.plus(AHEAD))),
        attention_store::count_by_week(db, organization, now),
        usage::history(db, organization, Days::recent(now)),
        progress(db, organization),
        attention_store::count_people(db, organization),
        latest_events(app, caller),
        Layout::of(app, caller, "Overview", "Overview"),
    )?;
    let attention = attention::find(&app.context, &caller.member, (&counts, &expiring), &paths).await?;
    let chart = CallsChart::new("Calls in the last 30 days", history);
    let weeks = WeeksChart::new(&weeks, counts.endless, now);
    Ok(render(&OverviewPage { layout, progress, counts, people, attention, chart, weeks, expiring, events }))
}

async fn show_own(app: &AppState, caller: &ConsoleCaller) -> Result<Response> {
    let (db, organization) = (&app.context.db, caller.member.organization.id);
    let (now, soon, _) = moments(app);
    let person = caller.signed_in.person.id;
    let first = PageRequest { limit: 10, ..PageRequest::first() };
    let (account_filter, project_filter) = (AccountFilter::default(), ProjectFilter::default());
    let (tokens, teams, accounts, projects, events, layout) = tokio::try_join!(
        attention_store::own_tokens(db, person, (now, soon)),
        attention_store::own_teams(db, organization, person),
        service_accounts::actions::list(&app.context, &caller.member, &account_filter, &first),
        projects::actions::list(&app.context, &caller.member, &project_filter, &first),
        latest_events(app, caller),
        Layout::of(app, caller, "Overview", "Overview"),
    )?;
    let (accounts, projects) = (accounts.rows, projects.rows);
    let lines = service_accounts::pages::sparklines(&app.context, &accounts).await?;
    Ok(render(&MemberPage { layout, tokens, teams, accounts, lines, projects, events }))
}

#[derive(Template)]
#[template(path = "overview/tokens.html")]
struct TokensPage {
    layout: Layout,
    search: String,
    kind: String,
    state: store::State,
    kinds: [TokenKind; 4],
    page: Page<Row>,
    query: String,
    weeks: WeeksChart,
}

/// Which tokens the list shows.
#[derive(Clone, Debug)]
pub(super) struct TokenFilter {
    search: String,
    kind: String,
    state: store::State,
}

impl TokenFilter {
    fn for_console(query: &Form) -> Self {
        let state = query.text("state").parse().unwrap_or(store::State::Live);
        Self { search: query.text("q"), kind: query.text("kind"), state }
    }

    /// Reads the filter of a request to the API.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a kind or state that does not exist.
    pub(super) fn for_api(query: &Form) -> Result<Self> {
        let invalid = |field: &'static str, text: String| Error::Invalid(ValidationErrors::one(field, text));
        let state = match query.filled("state") {
            None => store::State::Live,
            Some(word) => word.parse().map_err(|text| invalid("state", text))?,
        };
        let kind = query.text("kind");
        if !kind.is_empty() {
            kind.parse::<TokenKind>().map_err(|text| invalid("kind", text))?;
        }
        Ok(Self { search: query.text("q"), kind, state })
    }
}

/// A page of the tokens of the organization.
///
/// # Errors
/// [`Error::Forbidden`] for a caller who cannot see all tokens.
pub(super) async fn list_tokens(
    app: &AppState,
    caller: &Caller,
    filter: &TokenFilter,
    which: PageRequest,
) -> Result<Page<Row>> {
    authorize_read(&caller.subject, Settings)?;
    let TokenFilter { search, kind, state } = filter;
    let chosen = (search.as_str(), kind.as_str(), *state);
    let (rows, window) =
        store::list(&app.context.db, caller.organization.id, chosen, moments(app), &which).await?;
    let cursor = |row: &Row| Cursor { key: row.key(*state), id: row.token.id.to_string() };
    Ok(which.into_scanned_page(rows, &window, cursor))
}

async fn show_tokens(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let filter = TokenFilter::for_console(&query);
    let (db, organization, now) = (&app.context.db, caller.member.organization.id, app.context.clock.now());
    let page = list_tokens(&app, &caller.member, &filter, PageRequest::for_console(&query)?).await?;
    let (counts, weeks, layout) = tokio::try_join!(
        store::counts(db, organization, moments(&app)),
        attention_store::count_by_week(db, organization, now),
        Layout::of(&app, &caller, TOKENS, TOKENS),
    )?;
    let weeks = WeeksChart::new(&weeks, counts.endless, now);
    let kinds =
        [TokenKind::ServiceAccount, TokenKind::ServiceToken, TokenKind::Team, TokenKind::Organization];
    let TokenFilter { search, kind, state } = filter;
    let mut kept = form_urlencoded::Serializer::new(String::new());
    kept.extend_pairs([("q", search.as_str()), ("kind", kind.as_str()), ("state", state.word())]);
    let query = format!("{}&", kept.finish());
    Ok(render(&TokensPage { layout, search, kind, state, kinds, page, query, weeks }))
}

#[derive(Template)]
#[template(path = "overview/lookup.html")]
struct LookupPage {
    layout: Layout,
    found: Option<Found>,
    calls: Vec<CallsBy>,
    chart: Option<CallsChart>,
    ticket: Option<String>,
}

/// Looks a pasted value up. It is in the body of the request, so that it is in no URL and no log.
async fn look_up(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    render_lookup(&app, &caller, &form.text("token")).await
}

/// Looks up the value in a text and shows what was found.
///
/// # Errors
/// [`Error::Forbidden`] for a caller who cannot see all tokens; when the database cannot.
pub async fn render_lookup(app: &AppState, caller: &ConsoleCaller, text: &str) -> Result<Response> {
    let layout = Layout::of(app, caller, TOKENS, "Look up a token").await?;
    let (status, errors, found) = match lookup::look_up(app, &caller.member, text).await {
        Ok(found) => (StatusCode::OK, ValidationErrors::default(), found),
        Err(error) => {
            let (status, errors) = refused(error)?;
            (status, errors, None)
        }
    };
    let (mut calls, mut history, mut ticket) = (Vec::new(), None, None);
    if let Some(found) = &found {
        let (id, organization) = (found.token.id, caller.member.organization.id);
        let days = Days::recent(app.context.clock.now());
        // The calls with an access token count for the token that it was exchanged for.
        if found.token.kind != TokenKind::Access {
            calls = usage::recent_addresses_in(&app.context, id, organization).await?;
            history = Some(usage::history_of_token(&app.context.db, id, organization, days).await?);
        }
        ticket = lookup::ticket(&app.context, caller, found)?;
    }
    let chart = history.map(|history| CallsChart::new("Calls in the last 30 days", history));
    let layout = layout.with_errors(errors);
    Ok(html(status, &LookupPage { layout, found, calls, chart, ticket }))
}

async fn revoke_found(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let done = lookup::revoke(&app.context, &caller, &form.text("ticket")).await?;
    flash(&caller.signed_in.session, done).await?;
    Ok(redirect(paths(&caller).tokens()))
}
