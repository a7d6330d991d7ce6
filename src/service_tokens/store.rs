//! SQL that reads service tokens with their grants.
//!
//! This module only reads. Tokens and grants are written by [`crate::tokens`] and [`crate::grants`].

use super::model::ServiceTokenRow;
use crate::platform::db::{Source, Statement};
use crate::platform::id::{OrganizationId, TokenId};
use crate::platform::text::contains_pattern;
use crate::platform::web::pagination::{Cursor, PageRequest, ScanLimit, keyset, stop};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Error, Result, Timestamp, sql};
use crate::tokens::store::tokens_with;

/// Filters of a list. An empty filter matches every row.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text to search for in the name and the hint.
    pub search: String,
    /// `active`, `expired`, `revoked` or `all`. Empty means `active`.
    pub status: String,
    /// Slug of a permission set that a grant must have.
    pub set: String,
    /// Slug of a project that a grant must name.
    pub project: String,
}

impl ListFilter for Filter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("q", self.search.as_str()),
            ("status", self.status.as_str()),
            ("permission_set", self.set.as_str()),
            ("project", self.project.as_str()),
        ]
    }
}

impl Filter {
    /// Whether no filter is set, so that all active tokens are listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.search, &self.status, &self.set, &self.project].into_iter().all(String::is_empty)
    }
}

/// Text of a SELECT of [`ServiceTokenRow`] service tokens. `$rest` is the WHERE condition.
macro_rules! service_tokens_where {
    ($rest:expr) => {
        tokens_with!(
            ", (SELECT string_agg(g.permission_set || ':' || COALESCE(j.slug, '*'), ' ') FROM grants g \
                LEFT JOIN projects j ON j.id = g.project_id WHERE g.principal_id = t.id) AS grants",
            $rest
        )
    };
}

/// The condition for service tokens in the range of ids that one page may scan. `$by` is a further condition
/// with an index.
macro_rules! in_range {
    ($by:literal) => {
        concat!("t.organization_id = $3 AND t.kind = 'service_token' AND t.id >= $4 AND t.id <= $5", $by)
    };
}

/// Text of the SELECT that finds where the scan for a page stops.
macro_rules! service_tokens_scanned {
    ($by:literal) => {
        concat!("SELECT t.id FROM tokens t WHERE ", in_range!($by))
    };
}

/// Text of the list's SELECT: the service tokens in the range that match the filter.
macro_rules! service_tokens_listed {
    ($by:literal) => {
        service_tokens_where!(concat!(
            in_range!($by),
            " AND ($6 = '%%' OR LOWER(t.name COLLATE \"default\") LIKE $6 ESCAPE '\\' OR v.hint LIKE $6 ESCAPE '\\') \
             AND ($7 = 'all' OR CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' \
                WHEN t.expires_at <= $8 THEN 'expired' ELSE 'active' END = CASE WHEN $7 = '' THEN 'active' ELSE $7 END) \
             AND ($9 = '' OR EXISTS (SELECT 1 FROM grants g WHERE g.principal_id = t.id AND g.permission_set = $9)) \
             AND ($10 = '' OR EXISTS (SELECT 1 FROM grants g JOIN projects j ON j.id = g.project_id \
                WHERE g.principal_id = t.id AND j.slug = $10))"
        ))
    };
}

/// A page of service tokens, newest first, and the range that was scanned for it.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<(Vec<ServiceTokenRow>, ScanLimit)> {
    // This condition uses the index of unrevoked tokens, so that revoked ones are not read.
    let living = !matches!(filter.status.as_str(), "all" | "revoked");
    let mut window = ScanLimit::newest(page, TokenId::all());
    let found = |statement: Statement, window: &ScanLimit| {
        statement.bind(organization).bind(&window.low.id).bind(&window.high.id)
    };
    let statement = if living {
        stop!(page, service_tokens_scanned!(" AND t.revoked_at IS NULL"), "t.id DESC", "t.id")
    } else {
        stop!(page, service_tokens_scanned!(""), "t.id DESC", "t.id")
    };
    let stop: Option<(TokenId,)> = found(statement, &window).optional(db).await?;
    window = window.end_at(stop.map(|(id,)| Cursor::from_id(id)));
    let statement = if living {
        keyset!(page, service_tokens_listed!(" AND t.revoked_at IS NULL"), descending "t.id")
    } else {
        keyset!(page, service_tokens_listed!(""), descending "t.id")
    };
    let tokens = found(statement, &window)
        .bind(contains_pattern(&filter.search))
        .bind(&filter.status)
        .bind(now)
        .bind(&filter.set)
        .bind(&filter.project)
        .all(db)
        .await?;
    Ok((tokens, window))
}

/// Finds a service token by its id, including revoked and expired ones.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    id: &str,
) -> Result<ServiceTokenRow> {
    let found: Option<ServiceTokenRow> =
        sql(service_tokens_where!("t.organization_id = $1 AND t.kind = 'service_token' AND t.id = $2"))
            .bind(organization)
            .bind(id)
            .optional(source)
            .await?;
    found.ok_or(Error::NotFound)
}
