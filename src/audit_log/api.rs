//! API of the audit log. The handler calls the same function in `actions` as the page.

use axum::extract::State;
use axum::response::Response;

use super::actions;
use super::store::Entry;
use crate::callers::ApiCaller;
use crate::platform::Result;
use crate::platform::web::operation::{Api, get};
use crate::platform::web::pagination::PageRequest;
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{Query, list_response};
use crate::state::AppState;

const FILTERS: &[QueryFilter] = &[
    QueryFilter {
        name: "q",
        about: "Text in the name of actor or target, or an exact id, IP address, username or request id.",
        words: &[],
    },
    QueryFilter { name: "actor", about: "Text in the actor's name, or its id.", words: &[] },
    QueryFilter { name: "action", about: "An action, or the part of it before the dot.", words: &[] },
    QueryFilter { name: "target", about: "Text in the target's name, or its id.", words: &[] },
    QueryFilter {
        name: "from",
        about: "From this on: a day (2027-01-31), a minute (2027-01-31T14:05, UTC) or a time as RFC 3339 writes it.",
        words: &[],
    },
    QueryFilter {
        name: "until",
        about: "Until the end of this day, minute or second, written alike.",
        words: &[],
    },
];

/// The API operations for the audit log.
pub fn routes() -> Api<AppState> {
    Api::of("Audit log", "Who did what to what, from where, when, on whose behalf.").with(
        get(
            "listAuditEvents",
            "/organizations/{org}/audit-events",
            list,
            "The audit events, the newest first",
        )
        .needs("audit_logs:read")
        .filters(FILTERS)
        .lists::<Entry>(),
    )
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    let slice =
        actions::list(&app.context, &caller, &actions::filter(&query), &PageRequest::for_api(&query)?)
            .await?;
    Ok(list_response(slice.rows, slice.next))
}
