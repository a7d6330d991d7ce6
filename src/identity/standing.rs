//! What a principal holds: its organization's permission sets, and its grants,
//! as `decide` must know them.

use crate::access::{Grant, Home, Kind, PermissionSet, Permissions, Policy, Projects, Sets, Source, Subject};
use crate::platform::db;
use crate::platform::id::{OrganizationId, PersonId, ProjectId, ServiceAccountId, TeamId, TokenId};
use crate::platform::{Db, Error, Result, sql};

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
pub(super) struct OrganizationRow {
    pub(super) organization_id: OrganizationId,
    pub(super) organization_slug: String,
    pub(super) organization_name: String,
    pub(super) policy: String,
}

impl OrganizationRow {
    pub(super) async fn facts(self, db: &Db) -> Result<OrganizationFacts> {
        Ok(OrganizationFacts {
            id: self.organization_id,
            slug: self.organization_slug,
            name: self.organization_name,
            policy: serde_json::from_str(&self.policy).map_err(Error::internal)?,
            sets: sets(db, self.organization_id).await?,
        })
    }
}

/// The facts of an organization.
///
/// # Errors
/// [`Error::NotFound`]; when the database cannot.
pub async fn organization(db: &Db, id: OrganizationId) -> Result<OrganizationFacts> {
    let row: Option<OrganizationRow> =
        sql("SELECT id AS organization_id, slug AS organization_slug, name AS organization_name, policy \
             FROM organizations WHERE id = $1")
        .bind(id)
        .optional(db)
        .await?;
    row.ok_or(Error::NotFound)?.facts(db).await
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
    let own = rows.into_iter().map(|row| PermissionSet {
        permissions: permissions(&row.permissions),
        slug: row.slug.into(),
        name: row.name.into(),
        description: row.description.into(),
        level: row.level,
    });
    Ok(Sets::with(own.collect()))
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
pub(super) fn held(sets: &Sets, set: &str, projects: Projects, source: Source) -> Option<Grant> {
    sets.find(set).map(|set| Grant { set: set.clone(), projects, source })
}

/// The grants that name a principal.
pub(super) async fn named(
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
        .filter_map(|(set, project)| held(sets, &set, place(project), Source::Named))
        .collect())
}

pub(super) fn place(project: Option<ProjectId>) -> Projects {
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
    let mut grants: Vec<Grant> = held(sets, role, Projects::All, Source::Role).into_iter().collect();
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
    home: Home,
    role: &str,
) -> Result<Subject> {
    let sets = &organization.sets;
    let mut grants: Vec<Grant> = held(sets, role, Projects::All, Source::Role).into_iter().collect();
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

/// The grants that name a person or one of their teams, in an organization.
pub(super) async fn of_person(
    db: &Db,
    organization: &OrganizationFacts,
    person: PersonId,
) -> Result<Vec<Grant>> {
    let rows: Vec<(String, Option<ProjectId>, Option<String>)> =
        sql("SELECT g.permission_set, g.project_id, NULL AS team FROM grants g \
             WHERE g.principal_id = $1 AND g.organization_id = $2 \
             UNION ALL SELECT g.permission_set, g.project_id, t.slug AS team FROM team_members m \
             JOIN teams t ON t.id = m.team_id AND t.organization_id = $2 JOIN grants g ON g.principal_id = t.id \
             WHERE m.person_id = $1")
        .bind(person)
        .bind(organization.id)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(set, project, team)| {
            let source = team.map_or(Source::Named, Source::Team);
            held(&organization.sets, &set, place(project), source)
        })
        .collect())
}
