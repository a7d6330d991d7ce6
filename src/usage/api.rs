//! The counts of verifications in the API. The sections authorize the request and return this document.

use axum::Json as Answer;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{CallsBy, Days, History, RECENT_DAYS, start_of};
use super::store;
use crate::platform::web::Query;
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::verification::usage::Outcome;

/// The filter `days` of every operation that returns [`UsageView`].
pub const DAYS: &[QueryFilter] = &[QueryFilter {
    name: "days",
    about: "How many days, today included: 30 if nothing is said, at most the setting `usage_days`",
    words: &[],
}];

/// The calls of one day.
#[derive(Debug, Serialize, JsonSchema)]
struct DayView {
    /// The day in UTC, such as `2026-11-28`.
    day: String,
    /// Calls that were allowed.
    allowed: i64,
    /// Calls that were refused.
    refused: i64,
}

/// Calls that have something in common.
#[derive(Debug, Serialize, JsonSchema)]
struct CallsView {
    /// An IP address, permission or service; null if it is unknown, and for calls to Tessera itself.
    name: Option<String>,
    /// Calls that were allowed.
    calls: i64,
}

/// Refused calls with the same reason.
#[derive(Debug, Serialize, JsonSchema)]
struct RefusalsView {
    /// Why they were refused.
    reason: Outcome,
    /// How many there were.
    calls: i64,
}

/// The verifications of tokens, counted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageView {
    /// Every day, the oldest first.
    days: Vec<DayView>,
    /// All calls that were allowed.
    allowed: i64,
    /// All calls that were refused.
    refused: i64,
    /// The reasons of refusals, the most frequent first.
    refusals: Vec<RefusalsView>,
    /// The IP addresses of the allowed calls, at most 20. Only for principals.
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<CallsView>>,
    /// The permissions that services asked for and got. Only for principals.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<CallsView>>,
    /// The ids of the services that asked, at most 20. Only for principals.
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<CallsView>>,
}

impl From<CallsBy> for CallsView {
    fn from(calls: CallsBy) -> Self {
        Self { name: Some(calls.what).filter(|what| !what.is_empty()), calls: calls.calls }
    }
}

impl From<History> for UsageView {
    fn from(history: History) -> Self {
        let days = history.days.iter().map(|day| DayView {
            day: start_of(day.day).date(),
            allowed: day.allowed,
            refused: day.refused,
        });
        Self {
            days: days.collect(),
            allowed: history.allowed(),
            refused: history.refused(),
            refusals: history
                .reasons
                .iter()
                .map(|(reason, calls)| RefusalsView { reason: *reason, calls: *calls })
                .collect(),
            addresses: None,
            permissions: None,
            services: None,
        }
    }
}

/// Reads the filter `days`.
fn days(context: &Context, query: &Query) -> Result<Days> {
    let most = i64::from(context.config.usage_days);
    let count = match query.0.filled("days") {
        None => RECENT_DAYS.min(most),
        Some(text) => text.parse().ok().filter(|count| (1..=most).contains(count)).ok_or_else(|| {
            let text = format!("Enter a whole number of days from 1 to {most}.");
            Error::Invalid(ValidationErrors::one("days", text))
        })?,
    };
    Ok(Days::last(count, context.clock.now()))
}

/// The calls of an organization, service or project.
///
/// # Errors
/// [`Error::Invalid`] for a wrong number of days; when the database cannot.
pub async fn usage_of(context: &Context, subject: impl ToString, query: &Query) -> Result<Response> {
    let history = store::history(&context.db, subject, days(context, query)?).await?;
    Ok(Answer(UsageView::from(history)).into_response())
}

/// The calls of a principal, with addresses, permissions and services.
///
/// # Errors
/// As [`usage_of`].
pub async fn usage_of_principal(
    context: &Context,
    principal: impl ToString,
    query: &Query,
) -> Result<Response> {
    let (id, days) = (principal.to_string(), days(context, query)?);
    let (history, addresses, permissions, services) = tokio::try_join!(
        store::history(&context.db, &id, days),
        store::addresses(&context.db, &id, days),
        store::permissions(&context.db, &id, days),
        store::services(&context.db, &id, days),
    )?;
    let views = |all: Vec<CallsBy>| Some(all.into_iter().map(CallsView::from).collect());
    let view = UsageView {
        addresses: views(addresses),
        permissions: views(permissions),
        services: views(services),
        ..UsageView::from(history)
    };
    Ok(Answer(view).into_response())
}
