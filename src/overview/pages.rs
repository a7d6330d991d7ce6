//! Console pages: the overview of an organization and the list of all its tokens.
//!
//! The handlers check what the caller is allowed to read, call `store` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

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
use crate::state::AppState;
use crate::ui::{ConsolePath, Layout, Paths, filters, render};

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    Router::new()
        .route(paths.overview().as_ref(), get(show_overview))
        .route(paths.tokens().as_ref(), get(show_tokens))
}

impl Row {
    /// The page on which the token is managed.
    fn path(&self, paths: &Paths) -> ConsolePath {
        match (&self.service_account_id, &self.team, self.kind) {
            (Some(account), ..) => paths.service_account(account).tokens(),
            (None, Some(team), _) => paths.team(team).api_token(),
            (None, None, TokenKind::Organization) => paths.organization_token(),
            _ => paths.service_token(self.id),
        }
    }
}

/// The current time, 14 days later, and 90 days earlier.
fn moments(app: &AppState) -> (Timestamp, Timestamp, Timestamp) {
    let now = app.context.clock.now();
    (now, now.plus(EXPIRES_SOON), now.minus(UNUSED_AFTER))
}

#[derive(Template)]
#[template(path = "overview/overview.html")]
struct OverviewPage {
    layout: Layout,
    progress: Progress,
    counts: Option<Counts>,
    events: Vec<EventSummary>,
}

async fn show_overview(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let organization = caller.member.organization.id;
    let held = effective_permissions(&caller.member.subject);
    let (counts, events, progress) = tokio::try_join!(
        async {
            if held.has(Resource::Settings.read()) {
                return store::counts(&app.context.db, organization, moments(&app)).await.map(Some);
            }
            Ok(None)
        },
        async {
            if held.has(Resource::AuditLogs.read()) {
                return audit::list_latest_events(&app.context.db, organization, 10).await;
            }
            Ok(Vec::new())
        },
        progress(&app.context.db, organization),
    )?;
    let layout = Layout::of(&app, &caller, "Overview", "Overview").await?;
    Ok(render(&OverviewPage { layout, progress, counts, events }))
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
