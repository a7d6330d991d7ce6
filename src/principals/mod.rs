//! Principals as `decide` must know them: what they are, and what they hold in
//! their organization. Everything here only reads, from the pool or inside a
//! transaction, and decides nothing.
//!
//! `mod` loads an organization with its sets and the subjects of machines,
//! `people` those of people, and `affected` whom a change concerns.

mod affected;
mod people;

pub use affected::{Affected, Effect, load_affected, load_places, load_representatives};
pub use people::{Membership, load_person, memberships};

use crate::access::{
    AccountOwner, Grant, GrantSource, Kind, PermissionSet, Permissions, Policy, PrincipalId, Projects, Sets,
    Subject,
};
use crate::platform::db;
use crate::platform::id::{OrganizationId, ProjectId, ServiceAccountId, TeamId, TokenId};
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
    organization_id: OrganizationId,
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

    fn with(self, sets: Sets) -> Result<OrganizationFacts> {
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
struct SetRow {
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

/// A grant from the name of its set; nothing for a set that is gone.
fn held(sets: &Sets, set: &str, projects: Projects, source: GrantSource) -> Option<Grant> {
    sets.find(set).map(|set| Grant { set: set.clone(), projects, source })
}

/// The grants that name a principal.
async fn named(
    source: impl Into<db::Source<'_>>,
    sets: &Sets,
    organization: OrganizationId,
    principal: &str,
) -> Result<Vec<Grant>> {
    let rows: Vec<(String, Option<ProjectId>)> = sql("SELECT permission_set, project_id FROM grants \
         WHERE principal_id = $1 AND organization_id = $2 ORDER BY id")
    .bind(principal)
    .bind(organization)
    .all(source)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(set, project)| held(sets, &set, place(project), GrantSource::Named))
        .collect())
}

fn place(project: Option<ProjectId>) -> Projects {
    project.map_or(Projects::All, Projects::One)
}

/// The subject that a team's token acts as: what its people hold through it.
///
/// # Errors
/// When the database cannot.
pub async fn of_team(
    source: impl Into<db::Source<'_>>,
    organization: &OrganizationFacts,
    team: TeamId,
    role: &str,
) -> Result<Subject> {
    let sets = &organization.sets;
    let mut grants: Vec<Grant> = held(sets, role, Projects::All, GrantSource::Role).into_iter().collect();
    grants.extend(named(source, sets, organization.id, &team.to_string()).await?);
    Ok(Subject { kind: Kind::Team(team), grants, narrowed: None })
}

/// The subject that a service account's keys act as.
///
/// # Errors
/// When the database cannot.
pub async fn of_account(
    source: impl Into<db::Source<'_>>,
    organization: &OrganizationFacts,
    id: ServiceAccountId,
    home: AccountOwner,
    role: &str,
) -> Result<Subject> {
    let sets = &organization.sets;
    let mut grants: Vec<Grant> = held(sets, role, Projects::All, GrantSource::Role).into_iter().collect();
    grants.extend(named(source, sets, organization.id, &id.to_string()).await?);
    Ok(Subject { kind: Kind::ServiceAccount { id, home }, grants, narrowed: None })
}

/// The subject that a service token is.
///
/// # Errors
/// When the database cannot.
pub async fn of_service_token(
    source: impl Into<db::Source<'_>>,
    organization: &OrganizationFacts,
    id: TokenId,
) -> Result<Subject> {
    let grants = named(source, &organization.sets, organization.id, &id.to_string()).await?;
    Ok(Subject { kind: Kind::ServiceToken(id), grants, narrowed: None })
}

/// The subject that the organization token acts as.
#[must_use]
pub const fn of_organization() -> Subject {
    Subject { kind: Kind::Organization, grants: Vec::new(), narrowed: None }
}

/// A principal of an organization, with what it holds; nothing where it does
/// not exist or can no longer act. A disabled account can be enabled again, so
/// it is loaded, too.
///
/// # Errors
/// When the database cannot.
pub async fn load_subject<'a>(
    source: impl Into<db::Source<'a>>,
    organization: &OrganizationFacts,
    principal: PrincipalId,
) -> Result<Option<Subject>> {
    let mut source = source.into();
    match principal {
        PrincipalId::Organization => Ok(Some(of_organization())),
        PrincipalId::Person(id) => load_person(source, organization, id).await,
        PrincipalId::Team(id) => {
            let role: Option<(String,)> =
                sql("SELECT role FROM teams WHERE id = $1 AND organization_id = $2")
                    .bind(id)
                    .bind(organization.id)
                    .optional(source.reborrow())
                    .await?;
            let Some((role,)) = role else { return Ok(None) };
            of_team(source, organization, id, &role).await.map(Some)
        }
        PrincipalId::ServiceAccount(id) => {
            let row: Option<(String, Option<TeamId>)> =
                sql("SELECT role, team_id FROM service_accounts WHERE id = $1 AND organization_id = $2 \
                     AND deleted_at IS NULL")
                .bind(id)
                .bind(organization.id)
                .optional(source.reborrow())
                .await?;
            let Some((role, team)) = row else { return Ok(None) };
            let home = team.map_or(AccountOwner::Organization, AccountOwner::Team);
            of_account(source, organization, id, home, &role).await.map(Some)
        }
        PrincipalId::ServiceToken(id) => {
            let row: Option<(TokenId,)> =
                sql("SELECT id FROM tokens WHERE id = $1 AND organization_id = $2 \
                 AND kind = 'service_token' AND revoked_at IS NULL")
                .bind(id)
                .bind(organization.id)
                .optional(source.reborrow())
                .await?;
            if row.is_none() {
                return Ok(None);
            }
            of_service_token(source, organization, id).await.map(Some)
        }
    }
}
