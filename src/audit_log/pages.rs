//! The console page of the audit log, and its export as CSV or JSON lines.
//!
//! The export is streamed page by page, so its size does not matter.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::actions::{self, COLUMNS};
use super::store::{Entry, Filter};
use crate::access::authorize_read;
use crate::audit::Action;
use crate::callers::{Caller, ConsoleCaller};
use crate::platform::id::EventId;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::web::{BodyWriter, Query, html, streamed_body};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::state::AppState;
use crate::ui::{ConsolePath, Layout, ListState, Paths, filters, refused};

const SECTION: &str = "Audit log";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(Paths::pattern().audit_log().as_ref(), get(show_list))
        .route(Paths::pattern().audit_log().export().as_ref(), get(export))
}

#[derive(Template)]
#[template(path = "audit_log/list.html")]
struct ListPage {
    layout: Layout,
    filter: Filter,
    list: ListState,
    page: Page<Entry>,
    /// The time up to which the log was scanned. `None` if the scan was complete.
    reached: Option<Timestamp>,
    actions: &'static [Action],
}

impl ListPage {
    /// The events of each day. They are sorted by time.
    fn days(&self) -> impl Iterator<Item = &[Entry]> {
        self.page.rows.chunk_by(|one, next| one.at.day() == next.at.day())
    }
}

impl Entry {
    /// The page of the target, if its kind has one and the event does not say that it is gone.
    fn path(&self, paths: &Paths) -> Option<ConsolePath> {
        if self.action.word().ends_with("deleted") {
            return None;
        }
        let id = &self.target_id;
        Some(match self.target_kind.as_str() {
            "team" => paths.team(id).members(),
            "project" => paths.project(id).access(),
            "service_account" => paths.service_account(id).tokens(),
            "permission_set" => paths.permission_set(id),
            "service" => paths.service(id),
            "organization" => paths.general(),
            _ => return None,
        })
    }
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let filter = actions::filter(&query);
    let which = PageRequest::for_console(&query)?;
    let list = ListState::new(&filter, &which, &[], ("event", "events"));
    let (status, page, errors) = match actions::list(&app.context, &caller.member, &filter, &which).await {
        Ok(page) => (StatusCode::OK, page, ValidationErrors::default()),
        Err(error @ Error::Invalid(_)) => {
            let (status, errors) = refused(error)?;
            (status, Page::empty(), errors)
        }
        Err(error) => return Err(error),
    };
    let layout = Layout::of(&app, &caller, SECTION, "Audit log").await?;
    let stop = page.next.as_deref().filter(|_| page.stopped_after());
    let stop = stop.and_then(|cursor| Cursor::decode("after", cursor).ok()?.id.parse::<EventId>().ok());
    let reached = stop.map(EventId::made_at);
    let layout = layout.with_errors(errors);
    Ok(html(status, &ListPage { layout, filter, list, page, reached, actions: Action::ALL }))
}

/// Format of the export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

async fn export(State(app): State<AppState>, caller: ConsoleCaller, Query(query): Query) -> Result<Response> {
    authorize_read(&caller.member.subject, actions::AuditLog)?;
    let format = if query.text("format") == "csv" { Format::Csv } else { Format::JsonLines };
    let filter = actions::filter(&query);
    // Errors in the filter are reported before the streamed response starts.
    let first = actions::list(&app.context, &caller.member, &filter, &PageRequest::of(500)).await?;
    let (writer, body) = streamed_body();
    let name = format!("audit-log-{}", caller.member.organization.slug);
    tokio::spawn(async move {
        if let Err(error) = write(&app, &caller.member, &filter, format, first, &writer).await {
            tracing::error!(%error, "the export of the audit log was cut off");
            return writer.fail(error).await;
        }
        writer.finish().await;
    });
    let (kind, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let file = format!("attachment; filename=\"{name}.{ending}\"");
    Ok(([(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, file)], body).into_response())
}

/// Writes all pages of the export. It waits for the reader and stops if the connection is closed.
async fn write(
    app: &AppState,
    caller: &Caller,
    filter: &Filter,
    format: Format,
    mut page: Page<Entry>,
    writer: &BodyWriter,
) -> Result<()> {
    let header: Vec<String> = COLUMNS.iter().map(|column| (*column).to_owned()).collect();
    let mut part = match format {
        Format::Csv => actions::csv_line(&header)?,
        Format::JsonLines => Vec::new(),
    };
    loop {
        for entry in &page.rows {
            match format {
                Format::Csv => part.extend(actions::csv_line(&actions::cells(entry))?),
                Format::JsonLines => {
                    part.extend(serde_json::to_vec(entry).map_err(Error::internal)?);
                    part.push(b'\n');
                }
            }
        }
        if !part.is_empty() && writer.write(std::mem::take(&mut part)).await.is_err() {
            return Ok(());
        }
        let Some(next) = &page.next else { return Ok(()) };
        let after = Some(Cursor::decode("after", next)?);
        page = actions::list(&app.context, caller, filter, &PageRequest { after, ..PageRequest::of(500) })
            .await?;
    }
}
