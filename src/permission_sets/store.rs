//! SQL for the organization's own permission sets.
//!
//! Statements that write take a permit and are called by `actions` only.

use super::model::{OwnSet, PermissionSets, ValidSet};
use crate::access::Permit;
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, PermissionSetId};
use crate::platform::text::taken;
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::{self, Effect};
use crate::quotas::{Quota, ensure_room};

/// The organization's own permission sets, sorted by slug, at most 200.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn all(db: &Db, organization: OrganizationId) -> Result<Vec<OwnSet>> {
    Ok(sql(
        "SELECT id, slug, name, description, level, permissions, version, created_at FROM permission_sets \
         WHERE organization_id = $1 ORDER BY slug LIMIT 200",
    )
    .bind(organization)
    .all(db)
    .await?)
}

/// Finds one of the organization's own permission sets by slug or id.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    named: &str,
) -> Result<OwnSet> {
    let found: Option<OwnSet> = sql(
        "SELECT id, slug, name, description, level, permissions, version, created_at FROM permission_sets \
         WHERE organization_id = $1 AND (slug = $2 OR id = $2)",
    )
    .bind(organization)
    .bind(named)
    .optional(source)
    .await?;
    found.ok_or(Error::NotFound)
}

pub(super) async fn insert(
    change: &mut Change<'_>,
    permit: &Permit<PermissionSets>,
    organization: OrganizationId,
    id: PermissionSetId,
    set: &ValidSet,
) -> Result<()> {
    ensure_room(change, Quota::PermissionSet(organization)).await?;
    let statement = sql("INSERT INTO permission_sets (id, organization_id, slug, name, description, level, permissions, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)")
    .bind(id)
    .bind(organization)
    .bind(&set.slug)
    .bind(&set.name)
    .bind(&set.description)
    .bind(set.level)
    .bind(principals::format_permissions(set.permissions))
    .bind(change.now);
    let effect = Effect::PermissionSet(set.slug.clone(), set.permissions);
    change
        .write_unique(permit, effect, statement, |error| {
            Error::unique(error, "slug", &taken("slug", "permission set"))
        })
        .await?;
    Ok(())
}

/// Writes an edit if the row still has the version that was read. Returns false otherwise.
pub(super) async fn update(
    change: &mut Change<'_>,
    permit: &Permit<PermissionSets>,
    was: &OwnSet,
    set: &ValidSet,
) -> Result<bool> {
    let statement = sql(
        "UPDATE permission_sets SET name = $1, description = $2, permissions = $3, version = version + 1 \
         WHERE id = $4 AND version = $5",
    )
    .bind(&set.name)
    .bind(&set.description)
    .bind(principals::format_permissions(set.permissions))
    .bind(was.id)
    .bind(was.version);
    let added = set.permissions.without(principals::parse_permissions(&was.permissions));
    let effect = Effect::PermissionSet(was.slug.clone(), added);
    Ok(change.write(permit, effect, statement).await? == 1)
}

pub(super) async fn delete(tx: &mut Tx, permit: &Permit<PermissionSets>, id: PermissionSetId) -> Result<()> {
    sql("DELETE FROM permission_sets WHERE id = $1").bind(id).execute(tx, permit).await?;
    Ok(())
}

/// Number of holders of a permission set, by kind.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct SetHolders {
    /// People who have it as their role.
    pub people: i64,
    /// Teams that have it as their role.
    pub teams: i64,
    /// Existing service accounts that have it as their role.
    pub accounts: i64,
    /// Open invitations that give it as the role.
    pub invitations: i64,
    /// Grants with this permission set, for all projects or for one.
    pub grants: i64,
}

impl SetHolders {
    /// Total number of holders.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.people + self.teams + self.accounts + self.invitations + self.grants
    }

    /// The holders in words: `2 people, 1 team`, or `nobody`.
    #[must_use]
    pub fn list(&self) -> String {
        let all = [
            (self.people, "person", "people"),
            (self.teams, "team", "teams"),
            (self.accounts, "service account", "service accounts"),
            (self.invitations, "invitation", "invitations"),
            (self.grants, "grant", "grants"),
        ];
        let some = all.iter().filter(|(count, ..)| *count > 0);
        let parts: Vec<String> = some
            .map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more }))
            .collect();
        if parts.is_empty() { "nobody".to_owned() } else { parts.join(", ") }
    }
}

/// Counts the holders of a permission set.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn holders(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    slug: &str,
    now: Timestamp,
) -> Result<SetHolders> {
    Ok(sql("SELECT (SELECT COUNT(*) FROM memberships WHERE organization_id = $1 AND role = $2) AS people, \
            (SELECT COUNT(*) FROM teams WHERE organization_id = $1 AND role = $2) AS teams, \
            (SELECT COUNT(*) FROM service_accounts WHERE organization_id = $1 AND role = $2 AND deleted_at IS NULL) AS accounts, \
            (SELECT COUNT(*) FROM invitations WHERE organization_id = $1 AND role = $2 AND accepted_at IS NULL \
                AND revoked_at IS NULL AND expires_at > $3) AS invitations, \
            (SELECT COUNT(*) FROM grants WHERE organization_id = $1 AND permission_set = $2) AS grants")
        .bind(organization)
        .bind(slug)
        .bind(now)
        .one(source)
        .await?)
}
