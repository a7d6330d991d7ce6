//! SQL that reads service tokens with their grants.
//!
//! This module only reads. Tokens and grants are written by [`crate::tokens`] and [`crate::grants`].

use super::model::ServiceTokenRow;
use crate::platform::clock::{EXPIRES_SOON, UNUSED_AFTER};
use crate::platform::db::{Source, Statement};
use crate::platform::id::{OrganizationId, TokenId};
use crate::platform::text::{MOST, contains_pattern};
use crate::platform::web::pagination::{Cursor, PageRequest, ScanLimit, Sort, keyset, stop};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Error, Result, Timestamp, sql};
use crate::tokens::store::tokens_with;

/// Filters of a list. An empty filter matches every row.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text to search for in the name and the hint.
    pub search: String,
    /// `active`, `expiring` (within 14 days), `unused` (for 90 days), `endless` (never expires), `expired`,
    /// `revoked` or `all`. Empty means `active`.
    pub status: String,
    /// Slug of a permission set that a grant must have.
    pub set: String,
    /// Slug of a project that a grant must name.
    pub project: String,
}

/// The columns by which the list of tokens that are not revoked can be sorted.
const COLUMNS: &[Sort] = &[
    Sort::descending("created"),
    Sort::ascending("name"),
    Sort::descending("last_used"),
    Sort::ascending("expires"),
];

/// The value by which tokens that never expire are sorted: after all others.
const NEVER: i64 = i64::MAX;

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
    /// Whether only tokens are listed that are not revoked. These have indexes in every order.
    #[must_use]
    pub fn is_of_unrevoked(&self) -> bool {
        !matches!(self.status.as_str(), "all" | "revoked")
    }

    /// The columns by which the list can be sorted. Lists with revoked tokens grow without limit and begin with
    /// the newest.
    #[must_use]
    pub fn columns(&self) -> &'static [Sort] {
        if self.is_of_unrevoked() { COLUMNS } else { &[] }
    }

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
                LEFT JOIN projects j ON j.id = g.project_id WHERE g.principal_id = t.id) AS grants, \
                LOWER(t.name) AS sort_name",
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

/// Text of the list's SELECT: the service tokens that match `$whose` and the filter. The placeholders of the
/// filter begin with `$6`.
macro_rules! service_tokens_filtered {
    ($whose:expr) => {
        service_tokens_where!(concat!(
            $whose,
            " AND ($6 = '%%' OR LOWER(t.name COLLATE \"default\") LIKE $6 ESCAPE '\\' OR v.hint LIKE $6 ESCAPE '\\') \
             AND ($7 = 'all' OR CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' \
                    WHEN t.expires_at <= $8 THEN 'expired' ELSE 'active' END \
                    = CASE WHEN $7 IN ('', 'expiring', 'unused', 'endless') THEN 'active' ELSE $7 END) \
             AND ($7 <> 'expiring' OR t.expires_at <= $11) \
             AND ($7 <> 'unused' OR COALESCE(t.last_used_at, t.created_at) < $12) \
             AND ($7 <> 'endless' OR t.expires_at IS NULL) \
             AND ($9 = '' OR EXISTS (SELECT 1 FROM grants g WHERE g.principal_id = t.id AND g.permission_set = $9)) \
             AND ($10 = '' OR EXISTS (SELECT 1 FROM grants g JOIN projects j ON j.id = g.project_id \
                WHERE g.principal_id = t.id AND j.slug = $10))"
        ))
    };
}

/// Text of the list's SELECT: the service tokens in the range that match the filter.
macro_rules! service_tokens_listed {
    ($by:literal) => {
        service_tokens_filtered!(in_range!($by))
    };
}

/// Text of the list's SELECT in another order than by creation. Only tokens that are not revoked have indexes
/// for it. `$5` is empty.
macro_rules! service_tokens_sorted {
    () => {
        service_tokens_filtered!(
            "t.organization_id = $4 AND t.kind = 'service_token' AND t.revoked_at IS NULL AND $5 = ''"
        )
    };
}

/// The cursor of a token in a list with this order.
pub(super) fn cursor(page: &PageRequest, row: &ServiceTokenRow) -> Cursor {
    let key = match page.order().0 {
        "name" => row.sort_name.clone(),
        "last_used" => row.token.last_used_at.map_or(0, Timestamp::micros).to_string(),
        "expires" => row.token.expires_at.map_or(NEVER, Timestamp::micros).to_string(),
        _ => row.token.id.to_string(),
    };
    Cursor { key, id: row.token.id.to_string() }
}

/// A page of service tokens and, if it is sorted by creation, the range that was scanned for it.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<(Vec<ServiceTokenRow>, Option<ScanLimit>)> {
    let filtered = |statement: Statement| {
        statement
            .bind(contains_pattern(&filter.search))
            .bind(&filter.status)
            .bind(now)
            .bind(&filter.set)
            .bind(&filter.project)
            .bind(now.plus(EXPIRES_SOON))
            .bind(now.minus(UNUSED_AFTER))
    };
    let sorted = match page.order() {
        ("created", false) => Some(keyset!(page, service_tokens_sorted!(), ascending "t.id", "t.id")),
        ("name", _) => Some(keyset!(page, service_tokens_sorted!(), sorted "LOWER(t.name)", "t.id")),
        ("last_used", _) => {
            Some(keyset!(page, service_tokens_sorted!(), sorted number "COALESCE(t.last_used_at, 0)", "t.id"))
        }
        ("expires", _) => Some(keyset!(
            page,
            service_tokens_sorted!(),
            sorted number "COALESCE(t.expires_at, 9223372036854775807)", "t.id"
        )),
        _ => None,
    };
    if let Some(statement) = sorted {
        return Ok((filtered(statement.bind(organization).bind("")).all(db).await?, None));
    }
    // This condition uses the index of unrevoked tokens, so that revoked ones are not read.
    let unrevoked = filter.is_of_unrevoked();
    let mut window = ScanLimit::newest(page, TokenId::all());
    let found = |statement: Statement, window: &ScanLimit| {
        statement.bind(organization).bind(&window.low.id).bind(&window.high.id)
    };
    let statement = if unrevoked {
        stop!(page, service_tokens_scanned!(" AND t.revoked_at IS NULL"), "t.id DESC", "t.id")
    } else {
        stop!(page, service_tokens_scanned!(""), "t.id DESC", "t.id")
    };
    let stop: Option<(TokenId,)> = found(statement, &window).optional(db).await?;
    window = window.end_at(stop.map(|(id,)| Cursor::from_id(id)));
    let statement = if unrevoked {
        keyset!(page, service_tokens_listed!(" AND t.revoked_at IS NULL"), descending "t.id")
    } else {
        keyset!(page, service_tokens_listed!(""), descending "t.id")
    };
    Ok((filtered(found(statement, &window)).all(db).await?, Some(window)))
}

/// The number of service tokens of each state that is listed. Each count stops after [`MOST`].
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Counts {
    /// Active tokens.
    pub active: i64,
    /// Active tokens that expire soon.
    pub expiring: i64,
    /// Active tokens that were not used for a long time.
    pub unused: i64,
    /// Active tokens that never expire.
    pub endless: i64,
    /// Expired tokens that are not revoked.
    pub expired: i64,
}

/// Text of a SELECT that counts the service tokens that are not revoked and match `$whose`.
macro_rules! service_tokens_counted {
    ($whose:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens t WHERE t.organization_id = $1 \
                AND t.kind = 'service_token' AND t.revoked_at IS NULL AND ",
            $whose,
            " LIMIT $2) counted)"
        )
    };
}

/// Counts the service tokens of each state.
///
/// # Errors
/// Returns an error if the database fails.
pub(super) async fn count(db: &Db, organization: OrganizationId, now: Timestamp) -> Result<Counts> {
    let counts: Counts = sql(concat!(
        "SELECT ",
        service_tokens_counted!("COALESCE(t.expires_at, 9223372036854775807) > $3"),
        " AS active, ",
        service_tokens_counted!(
            "COALESCE(t.expires_at, 9223372036854775807) > $3 AND COALESCE(t.expires_at, 9223372036854775807) <= $4"
        ),
        " AS expiring, ",
        service_tokens_counted!(
            "COALESCE(t.last_used_at, 0) < $5 AND COALESCE(t.last_used_at, t.created_at) < $5 \
             AND COALESCE(t.expires_at, 9223372036854775807) > $3"
        ),
        " AS unused, ",
        service_tokens_counted!("COALESCE(t.expires_at, 9223372036854775807) = 9223372036854775807"),
        " AS endless, ",
        service_tokens_counted!("COALESCE(t.expires_at, 9223372036854775807) <= $3"),
        " AS expired"
    ))
    .bind(organization)
    .bind(MOST + 1)
    .bind(now)
    .bind(now.plus(EXPIRES_SOON))
    .bind(now.minus(UNUSED_AFTER))
    .one(db)
    .await?;
    Ok(counts)
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
