//! The SQL of service tokens.

use super::model::Listed;
use crate::platform::db::{Source, Statement};
use crate::platform::id::{OrganizationId, TokenId};
use crate::platform::text::contains_pattern;
use crate::platform::web::pagination::{Cursor, PageRequest, ScanLimit, newest, stop};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Error, Result, Timestamp, sql};

/// What a list is filtered by; empty means any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In the name.
    pub search: String,
    /// `active`, `expired`, `revoked` or `all`; the living ones when empty.
    pub status: String,
    /// A permission set's slug.
    pub set: String,
    /// A project's slug.
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
    /// Whether it lets every living token through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.search, &self.status, &self.set, &self.project].into_iter().all(String::is_empty)
    }
}

/// The text of a statement about service tokens that one index finds, in the
/// part of the list that a page looks through.
macro_rules! tokens_found {
    ($what:literal, $from:literal, $by:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM tokens t ",
            $from,
            " WHERE t.organization_id = $3 AND t.kind = 'service_token' AND t.id >= $4 AND t.id <= $5",
            $by
        )
    };
}

/// The text of the list: what that index finds, as the filter has it.
macro_rules! tokens_filtered {
    ($by:literal) => {
        concat!(
            tokens_found!(
                "t.id, t.kind, t.organization_id, t.service_account_id, t.person_id, t.team_id, t.service_id, \
                    t.name, t.description, t.allowed_addresses, t.permissions, v.hint, t.created_by_name, t.created_by, \
                    t.created_at, t.regenerated_at, t.expires_at, t.revoked_at, t.last_used_at, t.last_used_address, \
                    t.last_used_agent, t.last_used_service, t.version, p.hint AS previous_hint, \
                    p.stops_at AS previous_stops_at, p.last_used_at AS previous_last_used_at, \
                    (SELECT string_agg(g.permission_set || ':' || COALESCE(j.slug, '*'), ' ') FROM grants g \
                        LEFT JOIN projects j ON j.id = g.project_id WHERE g.principal_id = t.id) AS grants",
                "LEFT JOIN token_values v ON v.token_id = t.id AND v.stops_at IS NULL \
                 LEFT JOIN token_values p ON p.token_id = t.id AND p.stops_at IS NOT NULL",
                $by
            ),
            " AND ($6 = '%%' OR LOWER(t.name COLLATE \"default\") LIKE $6 ESCAPE '\\' OR v.hint LIKE $6 ESCAPE '\\') \
             AND ($7 = 'all' OR CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' \
                WHEN t.expires_at <= $8 THEN 'expired' ELSE 'active' END = CASE WHEN $7 = '' THEN 'active' ELSE $7 END) \
             AND ($9 = '' OR EXISTS (SELECT 1 FROM grants g WHERE g.principal_id = t.id AND g.permission_set = $9)) \
             AND ($10 = '' OR EXISTS (SELECT 1 FROM grants g JOIN projects j ON j.id = g.project_id \
                WHERE g.principal_id = t.id AND j.slug = $10))"
        )
    };
}

/// A page of service tokens, the newest first, and what was looked through for them.
///
/// # Errors
/// When the database cannot.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<(Vec<Listed>, ScanLimit)> {
    // The living ones are found without reading through those that are revoked.
    let living = !matches!(filter.status.as_str(), "all" | "revoked");
    let mut window = ScanLimit::newest(page, TokenId::all());
    let found = |statement: Statement, window: &ScanLimit| {
        statement.bind(organization).bind(&window.low.id).bind(&window.high.id)
    };
    let statement = if living {
        stop!(page, tokens_found!("t.id", "", " AND t.revoked_at IS NULL"), "t.id DESC", "t.id")
    } else {
        stop!(page, tokens_found!("t.id", "", ""), "t.id DESC", "t.id")
    };
    let stop: Option<(TokenId,)> = found(statement, &window).optional(db).await?;
    window = window.up_to(stop.map(|(id,)| Cursor::from_id(id)));
    let statement = if living {
        newest!(page, tokens_filtered!(" AND t.revoked_at IS NULL"), "t.id")
    } else {
        newest!(page, tokens_filtered!(""), "t.id")
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

/// One service token, living or dead.
///
/// # Errors
/// [`Error::NotFound`]; when the database cannot.
pub async fn find(source: impl Into<Source<'_>>, organization: OrganizationId, id: &str) -> Result<Listed> {
    let found: Option<Listed> =
        sql("SELECT t.id, t.kind, t.organization_id, t.service_account_id, t.person_id, \
            t.team_id, t.service_id, t.name, t.description, t.allowed_addresses, t.permissions, v.hint, \
            t.created_by_name, t.created_by, t.created_at, t.regenerated_at, t.expires_at, t.revoked_at, t.last_used_at, \
            t.last_used_address, t.last_used_agent, t.last_used_service, t.version, p.hint AS previous_hint, p.stops_at AS previous_stops_at, \
            p.last_used_at AS previous_last_used_at, \
            (SELECT string_agg(g.permission_set || ':' || COALESCE(j.slug, '*'), ' ') FROM grants g \
                LEFT JOIN projects j ON j.id = g.project_id WHERE g.principal_id = t.id) AS grants \
         FROM tokens t \
         LEFT JOIN token_values v ON v.token_id = t.id AND v.stops_at IS NULL \
         LEFT JOIN token_values p ON p.token_id = t.id AND p.stops_at IS NOT NULL \
         WHERE t.organization_id = $1 AND t.kind = 'service_token' AND t.id = $2")
        .bind(organization)
        .bind(id)
        .optional(source)
        .await?;
    found.ok_or(Error::NotFound)
}
