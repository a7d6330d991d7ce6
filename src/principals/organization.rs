//! Loads an organization with its policies and permission sets, which every
//! request in the organization needs.

use crate::access::{PermissionSet, Permissions, Policy, Sets};
use crate::platform::id::OrganizationId;
use crate::platform::{Error, Result, db, sql};

/// An organization with the data that access decisions in it need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrganizationFacts {
    /// The organization's id.
    pub id: OrganizationId,
    /// Identifies the organization in URLs. It never changes.
    pub slug: String,
    /// The display name.
    pub name: String,
    /// The policies that its owners set.
    pub policy: Policy,
    /// The catalog of its permission sets, the built-in ones included.
    pub sets: Sets,
}

impl OrganizationFacts {
    /// Whether `name` is the slug or the id of this organization.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.slug == name || self.id.to_string() == name
    }
}

/// The columns of an organization, before its permission sets are loaded. Can
/// be flattened into the row of a join.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OrganizationRow {
    pub(super) organization_id: OrganizationId,
    organization_slug: String,
    organization_name: String,
    policy: String,
}

impl OrganizationRow {
    /// Loads the permission sets of the organization and completes the row.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn load_facts<'a>(self, source: impl Into<db::Source<'a>>) -> Result<OrganizationFacts> {
        let sets = load_permission_sets(source, self.organization_id).await?;
        self.with_sets(sets)
    }

    pub(super) fn with_sets(self, sets: Sets) -> Result<OrganizationFacts> {
        Ok(OrganizationFacts {
            id: self.organization_id,
            slug: self.organization_slug,
            name: self.organization_name,
            policy: serde_json::from_str(&self.policy).map_err(Error::internal)?,
            sets,
        })
    }
}

/// Loads an organization with its policies and permission sets.
///
/// # Errors
/// [`Error::NotFound`] if there is no such organization; when the database
/// cannot.
pub async fn load_organization<'a>(
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
    row.ok_or(Error::NotFound)?.load_facts(source).await
}

#[derive(sqlx::FromRow)]
pub(super) struct SetRow {
    slug: String,
    name: String,
    description: String,
    level: crate::access::Level,
    permissions: String,
}

/// Loads the permission sets of an organization.
///
/// # Errors
/// When the database cannot.
pub async fn load_permission_sets(
    source: impl Into<db::Source<'_>>,
    organization: OrganizationId,
) -> Result<Sets> {
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
            permissions: parse_permissions(&row.permissions),
            slug: row.slug.into(),
            name: row.name.into(),
            description: row.description.into(),
            level: row.level,
        }
    }
}

/// Parses the stored form of permissions: words separated by spaces. Unknown
/// words, such as those of a newer release, are ignored.
#[must_use]
pub fn parse_permissions(text: &str) -> Permissions {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The stored form of permissions, as [`parse_permissions`] reads it.
#[must_use]
pub fn format_permissions(permissions: Permissions) -> String {
    permissions.strongest().map(|permission| permission.to_string()).collect::<Vec<_>>().join(" ")
}
