//! SQL for projects and for the principals that are named in them.
//!
//! Statements that write take a permit and are called by `actions` only. The grants themselves are written by
//! [`crate::grants`].

use super::model::{Project, ProjectsOf, ValidProject};
use crate::access::{
    AccountScope, Kind, Permit, Subject, can_be_named, can_see_team, reaches_unrestricted_projects,
};
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, ProjectId, TeamId};
use crate::platform::text::{MOST, contains_pattern, taken};
use crate::platform::web::pagination::{PageRequest, Sort, keyset};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};
use crate::teams::model::SECRET_TEAM;

/// The principal whose reachable projects a list shows.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Whether all projects are shown, also restricted ones (owners and the organization token).
    pub all: bool,
    /// Whether projects with visibility `team` of every team are shown.
    pub wide: bool,
    /// Id of the principal; empty for the organization.
    pub principal: String,
    /// The principal's own team (team tokens and team-scoped accounts). The teams of a person are joined in
    /// the statement.
    pub team: Option<TeamId>,
}

impl Reached {
    /// What this principal reaches.
    #[must_use]
    pub fn by(subject: &Subject) -> Self {
        let (principal, team) = match &subject.kind {
            Kind::Person { id, .. } => (id.to_string(), None),
            Kind::Organization => (String::new(), None),
            Kind::Team(team) => (team.to_string(), Some(*team)),
            Kind::ServiceAccount { id, scope: AccountScope::Team(team) } => (id.to_string(), Some(*team)),
            Kind::ServiceAccount { id, scope: AccountScope::Organization } => (id.to_string(), None),
            Kind::ServiceToken(id) => (id.to_string(), None),
        };
        let all = subject.is_owner() || matches!(subject.kind, Kind::Organization);
        Self { all, wide: reaches_unrestricted_projects(subject), principal, team }
    }
}

/// Filters of a list. An empty filter matches every row.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text to search for in name and slug.
    pub search: String,
    /// Slug of the owning team.
    pub team: String,
    /// Visibility of the project.
    pub visibility: String,
}

impl ListFilter for Filter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("q", self.search.as_str()),
            ("team", self.team.as_str()),
            ("visibility", self.visibility.as_str()),
        ]
    }
}

impl Filter {
    /// Whether no filter is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.search, &self.team, &self.visibility].into_iter().all(String::is_empty)
    }
}

/// Text of a SELECT of [`Project`]s. `$most` limits the count of grants (` LIMIT …` or empty); `$rest` is the
/// WHERE condition and what follows it.
macro_rules! projects_where {
    ($most:literal, $rest:literal) => {
        concat!(
            "SELECT p.id, p.slug, p.name, p.description, t.slug AS team, p.visibility, p.created_at, p.team_id, \
                t.name AS team_name, t.visibility = 'secret' AS team_is_secret, p.version, \
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM grants g WHERE g.project_id = p.id",
            $most,
            ") counted) AS named FROM projects p JOIN teams t ON t.id = p.team_id WHERE ",
            $rest
        )
    };
}

/// The columns by which the list can be sorted.
pub const COLUMNS: &[Sort] = &[Sort::ascending("name")];

/// A page of the projects that the principal reaches, sorted by slug.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    reached: &Reached,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Vec<Project>> {
    Ok(keyset!(
        page,
        projects_where!(
            " LIMIT 101",
            "p.organization_id = $4 \
             AND ($5 OR p.visibility IN ('open', 'public') OR (p.visibility = 'team' AND ($6 OR p.team_id = $8 \
                    OR p.team_id IN (SELECT m.team_id FROM team_members m WHERE m.person_id = $7))) \
                OR EXISTS (SELECT 1 FROM grants g WHERE g.project_id = p.id AND (g.principal_id = $7 \
                    OR g.principal_id IN (SELECT m.team_id FROM team_members m WHERE m.person_id = $7)))) \
             AND ($9 = '%%' OR LOWER(p.name COLLATE \"default\") LIKE $9 ESCAPE '\\' OR p.slug LIKE $9 ESCAPE '\\') \
             AND ($10 = '' OR t.slug = $10) AND ($11 = '' OR p.visibility = $11)"
        ),
        sorted "p.slug", "p.id"
    )
    .bind(organization)
    .bind(reached.all)
    .bind(reached.wide)
    .bind(&reached.principal)
    .bind(reached.team)
    .bind(contains_pattern(&filter.search))
    .bind(&filter.team)
    .bind(&filter.visibility)
    .all(db)
    .await?)
}

/// Finds a project of the organization by its slug or id.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    named: &str,
) -> Result<Project> {
    let project: Option<Project> =
        sql(projects_where!("", "p.organization_id = $1 AND (p.slug = $2 OR p.id = $2)"))
            .bind(organization)
            .bind(named)
            .optional(source)
            .await?;
    project.ok_or(Error::NotFound)
}

/// Inserts a project of the team in the permit, if the quota allows it.
pub(super) async fn insert(
    change: &mut Change<'_>,
    organization: OrganizationId,
    id: ProjectId,
    team: &Permit<ProjectsOf>,
    project: &ValidProject,
) -> Result<()> {
    ensure_room(change, Quota::Project(organization)).await?;
    let statement = sql("INSERT INTO projects (id, organization_id, slug, name, description, team_id, visibility, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)")
    .bind(id)
    .bind(organization)
    .bind(&project.slug)
    .bind(&project.name)
    .bind(&project.description)
    .bind(team.0)
    .bind(project.visibility)
    .bind(change.now);
    // Grants for all projects also cover projects created later, so nobody gains access that was not compared
    // when the grant was made.
    change
        .write_unique(team, Effect::None, statement, |error| {
            Error::unique(error, "slug", &taken("slug", "project"))
        })
        .await?;
    Ok(())
}

/// Writes an edit if the row still has the version that was read. Returns false otherwise.
pub(super) async fn update(
    change: &mut Change<'_>,
    project: &Permit<Project>,
    checked: &ValidProject,
    team: TeamId,
) -> Result<bool> {
    let statement = sql("UPDATE projects SET name = $1, description = $2, team_id = $3, visibility = $4, \
            version = version + 1 WHERE id = $5 AND version = $6")
    .bind(&checked.name)
    .bind(&checked.description)
    .bind(team)
    .bind(checked.visibility)
    .bind(project.id)
    .bind(project.version);
    Ok(change.write(project, Effect::Project(project.id), statement).await? == 1)
}

pub(super) async fn delete(tx: &mut Tx, project: &Permit<Project>) -> Result<()> {
    sql("DELETE FROM projects WHERE id = $1").bind(project.id).execute(tx, project).await?;
    Ok(())
}

/// Number of principals that reach a project without being named in it. Each count stops at [`MOST`].
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct ReachCounts {
    /// People in the owning team.
    pub people: i64,
    /// Existing service accounts of the owning team.
    pub team_accounts: i64,
    /// Existing service accounts of the organization.
    pub organization_accounts: i64,
    /// Unrevoked service tokens with a grant for all projects.
    pub service_tokens: i64,
}

/// Counts them. Each count stops at [`MOST`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn reach_counts(db: &Db, organization: OrganizationId, project: &Project) -> Result<ReachCounts> {
    Ok(sql("SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM team_members m WHERE m.team_id = $2 LIMIT $3) theirs) AS people, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE a.team_id = $2 \
                AND a.deleted_at IS NULL LIMIT $3) own) AS team_accounts, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE a.organization_id = $1 \
                AND a.scope = 'organization' AND a.deleted_at IS NULL LIMIT $3) wide) AS organization_accounts, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens t WHERE t.organization_id = $1 AND t.kind = 'service_token' \
                AND t.revoked_at IS NULL AND EXISTS (SELECT 1 FROM grants g WHERE g.principal_id = t.id \
                    AND g.project_id IS NULL) LIMIT $3) granted) AS service_tokens")
        .bind(organization)
        .bind(project.team_id)
        .bind(MOST + 1)
        .one(db)
        .await?)
}

/// A grant that names a principal in a project.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Named {
    /// Id of the principal.
    pub principal_id: String,
    /// Kind of the principal: `person`, `team`, `service_account` or `service_token`.
    pub kind: String,
    /// Display name of the principal, or its id if it no longer exists.
    pub name: String,
    /// Identifier in the API: `person:olive`, `team:platform`, or the id.
    pub principal: String,
    /// Whether the principal is a secret team.
    pub is_secret: bool,
    /// The team that a service account belongs to.
    pub account_team: Option<TeamId>,
    /// Slug of the permission set.
    pub permission_set: String,
    /// Name of whoever created the grant.
    pub created_by_name: String,
    /// Time at which the grant was created.
    pub created_at: Timestamp,
}

impl Named {
    /// Whether the grant gives anything. One to a service account of another team has no effect while the
    /// project is restricted or only its team's.
    #[must_use]
    pub fn is_effective(&self, project: &Project) -> bool {
        match (self.account_team, self.principal_id.parse()) {
            (Some(team), Ok(id)) => {
                can_be_named(&Kind::ServiceAccount { id, scope: AccountScope::Team(team) }, &project.facts())
            }
            _ => true,
        }
    }

    /// Removes the name and slug of a secret team that this reader is not allowed to know.
    #[must_use]
    pub fn seen_by(mut self, reader: &Subject) -> Self {
        let known = self.principal_id.parse().is_ok_and(|team| can_see_team(reader, team, self.is_secret));
        if self.is_secret && !known {
            SECRET_TEAM.clone_into(&mut self.name);
            self.principal.clone_from(&self.principal_id);
        }
        self
    }
}

/// A page of the grants that name principals in a project, sorted by the id of the principal.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn named(db: &Db, project: ProjectId, page: &PageRequest) -> Result<Vec<Named>> {
    Ok(keyset!(
        page,
        "SELECT g.principal_id, \
            CASE WHEN p.id IS NOT NULL THEN 'person' WHEN t.id IS NOT NULL THEN 'team' \
                WHEN a.id IS NOT NULL THEN 'service_account' ELSE 'service_token' END AS kind, \
            COALESCE(p.name, t.name, a.name, k.name, g.principal_id) AS name, \
            COALESCE('person:' || p.username, 'team:' || t.slug, g.principal_id) AS principal, \
            COALESCE(t.visibility, '') = 'secret' AS is_secret, a.team_id AS account_team, g.permission_set, g.created_by_name, g.created_at \
         FROM grants g LEFT JOIN people p ON p.id = g.principal_id LEFT JOIN teams t ON t.id = g.principal_id \
         LEFT JOIN service_accounts a ON a.id = g.principal_id LEFT JOIN tokens k ON k.id = g.principal_id \
         WHERE g.project_id = $4",
        ascending "g.principal_id", "g.permission_set"
    )
    .bind(project)
    .all(db)
    .await?)
}

/// Finds a member of the organization by username, id or email. Returns the id and name.
pub(super) async fn member(
    tx: &mut Tx,
    organization: OrganizationId,
    username: &str,
) -> Result<Option<(String, String)>> {
    Ok(sql("SELECT p.id, p.name FROM people p JOIN memberships m ON m.person_id = p.id \
         WHERE m.organization_id = $1 AND (p.username = $2 OR p.id = $2 OR p.email_folded = $2)")
    .bind(organization)
    .bind(username)
    .optional(tx)
    .await?)
}

/// Finds an existing service account by UID or name. Returns the id, name and team.
pub(super) async fn account(
    tx: &mut Tx,
    organization: OrganizationId,
    named: &str,
    folded: &str,
) -> Result<Option<(crate::platform::id::ServiceAccountId, String, Option<TeamId>)>> {
    // A UID takes precedence over an account that has this UID as its name.
    Ok(sql("SELECT a.id, a.name, a.team_id FROM service_accounts a \
         WHERE a.organization_id = $1 AND a.deleted_at IS NULL AND a.id = COALESCE( \
            (SELECT i.id FROM service_accounts i WHERE i.id = $2 AND i.organization_id = $1 AND i.deleted_at IS NULL), \
            (SELECT n.id FROM service_accounts n WHERE n.organization_id = $1 AND n.name_folded = $3 \
                AND n.deleted_at IS NULL))")
    .bind(organization)
    .bind(named)
    .bind(folded)
    .optional(tx)
    .await?)
}

/// Finds an unrevoked service token by its id. Returns the id and name.
pub(super) async fn service_token(
    tx: &mut Tx,
    organization: OrganizationId,
    id: &str,
) -> Result<Option<(String, String)>> {
    Ok(sql("SELECT t.id, t.name FROM tokens t WHERE t.organization_id = $1 AND t.id = $2 \
         AND t.kind = 'service_token' AND t.revoked_at IS NULL")
    .bind(organization)
    .bind(id)
    .optional(tx)
    .await?)
}
