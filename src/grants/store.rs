//! The SQL of grants.

use crate::access::{ProjectFacts, Visibility};
use crate::platform::db::Source;
use crate::platform::id::{GrantId, OrganizationId, ProjectId, TeamId};
use crate::platform::{Result, Timestamp, Tx, sql};

/// A grant, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Row {
    /// The permission set's slug.
    pub permission_set: String,
    /// Where; in all projects without it.
    pub project_id: Option<ProjectId>,
    /// That project's slug.
    pub project: Option<String>,
}

/// The grants that name a principal, oldest first.
///
/// # Errors
/// When the database cannot.
pub async fn of_principal(source: impl Into<Source<'_>>, principal: &str) -> Result<Vec<Row>> {
    Ok(sql("SELECT g.permission_set, g.project_id, p.slug AS project \
         FROM grants g LEFT JOIN projects p ON p.id = g.project_id WHERE g.principal_id = $1 ORDER BY g.id")
    .bind(principal)
    .all(source)
    .await?)
}

/// Adds a grant.
///
/// # Errors
/// When the database cannot.
pub async fn insert(
    tx: &mut Tx,
    id: GrantId,
    organization: OrganizationId,
    (principal, set, project): (&str, &str, Option<ProjectId>),
    (by, now): (&str, Timestamp),
) -> Result<()> {
    sql("INSERT INTO grants (id, organization_id, principal_id, permission_set, project_id, created_by_name, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(id)
    .bind(organization)
    .bind(principal)
    .bind(set)
    .bind(project)
    .bind(by)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes every grant of a principal away, in the organization.
///
/// # Errors
/// When the database cannot.
pub async fn clear(tx: &mut Tx, organization: OrganizationId, principal: &str) -> Result<u64> {
    Ok(sql("DELETE FROM grants WHERE organization_id = $1 AND principal_id = $2")
        .bind(organization)
        .bind(principal)
        .execute(tx)
        .await?)
}

/// Takes the grants of a principal that name a project away.
///
/// # Errors
/// When the database cannot.
pub async fn clear_project(tx: &mut Tx, project: ProjectId, principal: &str) -> Result<u64> {
    Ok(sql("DELETE FROM grants WHERE project_id = $1 AND principal_id = $2")
        .bind(project)
        .bind(principal)
        .execute(tx)
        .await?)
}

/// What the rules must know of a project.
///
/// # Errors
/// When the database cannot.
pub async fn project_facts(
    source: impl Into<Source<'_>>,
    project: ProjectId,
) -> Result<Option<ProjectFacts>> {
    let row: Option<(ProjectId, TeamId, Visibility)> =
        sql("SELECT id, team_id, visibility FROM projects WHERE id = $1")
            .bind(project)
            .optional(source)
            .await?;
    Ok(row.map(|(id, team, visibility)| ProjectFacts { id, team, visibility }))
}
