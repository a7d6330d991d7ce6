//! SQL for grants.
//!
//! Statements that write take a write proof and declare which principal gains access, so that the change can
//! compare it with the caller's own access.

use crate::audit::Change;
use crate::platform::db::{Source, WriteProof};
use crate::platform::id::{GrantId, OrganizationId, ProjectId};
use crate::platform::{Error, Result, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

/// A grant of a known principal.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Row {
    /// Slug of the permission set.
    pub permission_set: String,
    /// The project of the grant. `None` for all projects.
    pub project_id: Option<ProjectId>,
    /// Slug of that project.
    pub project: Option<String>,
}

/// The grants of a principal, oldest first. The role is not included.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn of_principal(source: impl Into<Source<'_>>, principal: &str) -> Result<Vec<Row>> {
    Ok(sql("SELECT g.permission_set, g.project_id, p.slug AS project \
         FROM grants g LEFT JOIN projects p ON p.id = g.project_id WHERE g.principal_id = $1 ORDER BY g.id")
    .bind(principal)
    .all(source)
    .await?)
}

/// Adds a grant, if the quota of the project allows it. `project` is `None` for all projects.
///
/// # Errors
/// Returns an error if the principal's id is invalid or the quota is reached, or if the database fails.
pub async fn insert(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
    organization: OrganizationId,
    (principal, set, project): (&str, &str, Option<ProjectId>),
) -> Result<()> {
    let (now, by) = (change.now, change.actor().name.clone());
    let id = GrantId::new(now, &change.context().random);
    let effect = effect_on(principal)?;
    if let Some(project) = project {
        ensure_room(change, Quota::ProjectGrant(project)).await?;
    }
    let statement = sql(
        "INSERT INTO grants (id, organization_id, principal_id, permission_set, project_id, created_by_name, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let statement =
        statement.bind(id).bind(organization).bind(principal).bind(set).bind(project).bind(by).bind(now);
    change.write(proof, effect, statement).await?;
    Ok(())
}

fn effect_on(principal: &str) -> Result<Effect> {
    principal.parse().map(Effect::Principal).map_err(Error::internal)
}

/// Removes all grants of a principal in the organization. Returns their number.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn clear(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
    organization: OrganizationId,
    principal: &str,
) -> Result<u64> {
    let statement = sql("DELETE FROM grants WHERE organization_id = $1 AND principal_id = $2");
    change.write(proof, effect_on(principal)?, statement.bind(organization).bind(principal)).await
}

/// Removes the grants of a principal that name a project. Returns their number.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn clear_project(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
    project: ProjectId,
    principal: &str,
) -> Result<u64> {
    // The id may be of a principal that no longer exists, so an id of an unknown kind is accepted.
    let effect = effect_on(principal).unwrap_or(Effect::None);
    let statement = sql("DELETE FROM grants WHERE project_id = $1 AND principal_id = $2");
    change.write(proof, effect, statement.bind(project).bind(principal)).await
}
