//! Converts stored grants, which name their permission set by slug, to the
//! grants that `decide` compares.

use crate::access::{Grant, GrantSource, Projects, Sets};
use crate::platform::id::{OrganizationId, ProjectId};
use crate::platform::{Result, db, sql};

/// The grant of the set with this slug; `None` if the set no longer exists.
pub(super) fn resolve_grant(
    sets: &Sets,
    set: &str,
    projects: Projects,
    source: GrantSource,
) -> Option<Grant> {
    sets.find(set).map(|set| Grant { set: set.clone(), projects, source })
}

/// Loads the grants that name a principal (an id with its prefix).
pub(super) async fn load_named_grants(
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
        .filter_map(|(set, project)| resolve_grant(sets, &set, grant_scope(project), GrantSource::Named))
        .collect())
}

/// Converts the stored column: a grant without a project is for all projects.
pub(super) fn grant_scope(project: Option<ProjectId>) -> Projects {
    project.map_or(Projects::All, Projects::One)
}
