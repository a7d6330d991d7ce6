//! An organization as every request about it needs it: its policy and its
//! permission sets.

use crate::access::{PermissionSet, Permissions, Policy, Sets};
use crate::platform::db;
use crate::platform::id::OrganizationId;
use crate::platform::{Error, Result, sql};

/// An organization, as far as every request about it must know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrganizationFacts {
    /// Its id.
    pub id: OrganizationId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it allows.
    pub policy: Policy,
    /// Its permission sets.
    pub sets: Sets,
}

impl OrganizationFacts {
    /// Whether an address names it, by slug or id.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.slug == name || self.id.to_string() == name
    }
}

/// An organization's row, before its sets are read.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OrganizationRow {
    pub(super) organization_id: OrganizationId,
    organization_slug: String,
    organization_name: String,
    policy: String,
}

impl OrganizationRow {
    /// Reads its sets, too.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn facts<'a>(self, source: impl Into<db::Source<'a>>) -> Result<OrganizationFacts> {
        let sets = sets(source, self.organization_id).await?;
        self.with(sets)
    }

    pub(super) fn with(self, sets: Sets) -> Result<OrganizationFacts> {
        Ok(OrganizationFacts {
            id: self.organization_id,
            slug: self.organization_slug,
            name: self.organization_name,
            policy: serde_json::from_str(&self.policy).map_err(Error::internal)?,
            sets,
        })
    }
}

/// The facts of an organization.
///
/// # Errors
/// [`Error::NotFound`]; when the database cannot.
pub async fn organization<'a>(
    source: impl Into<db::Source<'a>>,
    id: OrganizationId,
) -> Result<OrganizationFacts> {
    let mut source = source.into();
    let row: Option<OrganizationRow> =
        sql("SELECT id AS organization_id, slug AS organization_slug, name AS organization_name, policy \
             FROM organizations WHERE id = $1")
        .bind(id)
        .optional(source.reborrow())
        .await?;
    row.ok_or(Error::NotFound)?.facts(source).await
}

#[derive(sqlx::FromRow)]
pub(super) struct SetRow {
    slug: String,
    name: String,
    description: String,
    level: crate::access::Level,
    permissions: String,
}

/// The permission sets of an organization.
///
/// # Errors
/// When the database cannot.
pub async fn sets(source: impl Into<db::Source<'_>>, organization: OrganizationId) -> Result<Sets> {
    let rows: Vec<SetRow> = sql("SELECT slug, name, description, level, permissions FROM permission_sets \
         WHERE organization_id = $1 ORDER BY slug")
    .bind(organization)
    .all(source)
    .await?;
    Ok(Sets::with(rows.into_iter().map(PermissionSet::from).collect()))
}

impl From<SetRow> for PermissionSet {
    fn from(row: SetRow) -> Self {
        Self {
            permissions: permissions(&row.permissions),
            slug: row.slug.into(),
            name: row.name.into(),
            description: row.description.into(),
            level: row.level,
        }
    }
}

/// Reads permissions as they are stored: words with spaces between. A word
/// that is none (of a later release) gives nothing.
#[must_use]
pub fn permissions(text: &str) -> Permissions {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Permissions as they are stored.
#[must_use]
pub fn stored(permissions: Permissions) -> String {
    permissions.strongest().map(|permission| permission.to_string()).collect::<Vec<_>>().join(" ")
}
