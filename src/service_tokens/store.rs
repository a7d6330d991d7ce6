//! The SQL of service tokens.

use super::model::Listed;
use crate::platform::db::Source;
use crate::platform::id::OrganizationId;
use crate::platform::text::like;
use crate::platform::web::paging::{Page, newest};
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

impl Filter {
    /// Whether it lets every living token through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.search, &self.status, &self.set, &self.project].into_iter().all(String::is_empty)
    }
}

/// A page of service tokens, the newest first.
///
/// # Errors
/// When the database cannot.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    page: &Page,
    now: Timestamp,
) -> Result<Vec<Listed>> {
    Ok(newest!(
        page,
        "SELECT t.id, t.kind, t.organization_id, t.service_account_id, t.person_id, t.team_id, t.service_id, \
            t.name, t.description, t.allowed_addresses, t.permissions, v.hint, t.created_by_name, \
            t.created_at, t.regenerated_at, t.expires_at, t.revoked_at, t.last_used_at, t.last_used_address, \
            t.last_used_agent, t.last_used_service, t.version, p.hint AS previous_hint, p.stops_at AS previous_stops_at, p.last_used_at AS previous_last_used_at, \
            (SELECT string_agg(g.permission_set || ':' || COALESCE(j.slug, '*'), ' ') FROM grants g \
                LEFT JOIN projects j ON j.id = g.project_id WHERE g.principal_id = t.id) AS grants \
         FROM tokens t \
         LEFT JOIN token_values v ON v.token_id = t.id AND v.stops_at IS NULL \
         LEFT JOIN token_values p ON p.token_id = t.id AND p.stops_at IS NOT NULL \
         WHERE t.organization_id = $3 AND t.kind = 'service_token' \
         AND ($4 = '%%' OR LOWER(t.name) LIKE $4 ESCAPE '\\' OR v.hint LIKE $4 ESCAPE '\\') \
         AND ($5 = 'all' OR CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' \
            WHEN t.expires_at <= $6 THEN 'expired' ELSE 'active' END = CASE WHEN $5 = '' THEN 'active' ELSE $5 END) \
         AND ($7 = '' OR EXISTS (SELECT 1 FROM grants g WHERE g.principal_id = t.id AND g.permission_set = $7)) \
         AND ($8 = '' OR EXISTS (SELECT 1 FROM grants g JOIN projects j ON j.id = g.project_id \
            WHERE g.principal_id = t.id AND j.slug = $8))",
        "t.id"
    )
    .bind(organization)
    .bind(like(&filter.search))
    .bind(&filter.status)
    .bind(now)
    .bind(&filter.set)
    .bind(&filter.project)
    .all(db)
    .await?)
}

/// One service token, living or dead.
///
/// # Errors
/// [`Error::NotFound`]; when the database cannot.
pub async fn find(source: impl Into<Source<'_>>, organization: OrganizationId, id: &str) -> Result<Listed> {
    let found: Option<Listed> =
        sql("SELECT t.id, t.kind, t.organization_id, t.service_account_id, t.person_id, \
            t.team_id, t.service_id, t.name, t.description, t.allowed_addresses, t.permissions, v.hint, \
            t.created_by_name, t.created_at, t.regenerated_at, t.expires_at, t.revoked_at, t.last_used_at, \
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
