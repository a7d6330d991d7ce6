//! The SQL of grants.

use crate::audit::Change;
use crate::platform::db::{Source, WriteProof};
use crate::platform::id::{GrantId, OrganizationId, ProjectId};
use crate::platform::{Error, Result, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

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

/// Takes every grant of a principal away, in the organization.
///
/// # Errors
/// When the database cannot.
pub async fn clear(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
    organization: OrganizationId,
    principal: &str,
) -> Result<u64> {
    let statement = sql("DELETE FROM grants WHERE organization_id = $1 AND principal_id = $2");
    change.write(proof, effect_on(principal)?, statement.bind(organization).bind(principal)).await
}

/// Takes the grants of a principal that name a project away.
///
/// # Errors
/// When the database cannot.
pub async fn clear_project(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
    project: ProjectId,
    principal: &str,
) -> Result<u64> {
    // What is gone by now is removed by its id, whatever it was.
    let effect = effect_on(principal).unwrap_or(Effect::None);
    let statement = sql("DELETE FROM grants WHERE project_id = $1 AND principal_id = $2");
    change.write(proof, effect, statement.bind(project).bind(principal)).await
}
