//! Console pages: the overview of an organization and the list of all its tokens.
//!
//! The handlers check what the caller is allowed to read, call `store` and render a template.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::attention::{self, Item};
use super::attention_store::{self, Expiring, OwnTeam, OwnToken};
use super::store::{self, Counts, Row};
use crate::access::{Resource, TokenKind, authorize_read, effective_permissions};
use crate::audit::{self, EventSummary};
use crate::callers::ConsoleCaller;
use crate::organizations::model::Settings;
use crate::organizations::store::{Progress, progress};
use crate::platform::clock::{EXPIRES_SOON, UNUSED_AFTER};
use crate::platform::web::Query;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Result, Timestamp};
use crate::projects::model::Project;
use crate::projects::store::Filter as ProjectFilter;
use crate::service_accounts::model::ServiceAccount;
use crate::service_accounts::store::Filter as AccountFilter;
use crate::state::AppState;
use crate::ui::charts::{CallsChart, Sparklines, WeeksChart};
use crate::ui::{Layout, Paths, filters, paths, render};
use crate::usage::model::Days;
use crate::usage::store as usage;
use crate::{projects, service_accounts};

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    Router::new()
        .route(paths.overview().as_ref(), get(show_overview))
        .route(paths.tokens().as_ref(), get(show_tokens))
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
    let ids: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
    let histories = usage::histories(db, ids.clone(), Days::recent(now)).await?;
    let lines = Sparklines::new(ids, &histories);
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
}

async fn show_tokens(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    authorize_read(&caller.member.subject, Settings)?;
    let (search, kind) = (query.text("q"), query.text("kind"));
    let state = query.text("state").parse().unwrap_or(store::State::Live);
    let which = PageRequest::for_console(&query)?;
    let filter = (search.as_str(), kind.as_str(), state);
    let (rows, window) =
        store::list(&app.context.db, caller.member.organization.id, filter, moments(&app), &which).await?;
    let page =
        which.into_scanned_page(rows, &window, |row| Cursor { key: row.key(state), id: row.id.to_string() });
    let layout = Layout::of(&app, &caller, "All tokens", "All tokens").await?;
    let kinds =
        [TokenKind::ServiceAccount, TokenKind::ServiceToken, TokenKind::Team, TokenKind::Organization];
    let mut kept = form_urlencoded::Serializer::new(String::new());
    kept.extend_pairs([("q", search.as_str()), ("kind", kind.as_str()), ("state", state.word())]);
    let query = format!("{}&", kept.finish());
    Ok(render(&TokensPage { layout, search, kind, state, kinds, page, query }))
}
