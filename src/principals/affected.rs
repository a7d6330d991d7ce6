//! The principals that a write affects. Every write that can grant access names
//! an [`Effect`]. `audit::Change` loads the affected principals before the write
//! and at commit, and `access::find_privilege_gain` compares what they hold.

use std::collections::{BTreeSet, HashSet};

use super::organization::OrganizationFacts;
use super::subject::load_subject;
use crate::access::{
    AccountScope, Kind, Permissions, PrincipalId, ProbeScope, ProjectChange, ProjectFacts, Subject,
    TeamFacts, TeamRole, Visibility,
};
use crate::platform::id::{IdentityProviderId, PersonId, ProjectId, ServiceAccountId, TeamId};
use crate::platform::{Error, Result, Tx, sql};

/// How a write changes what principals can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nobody gains access: the write removes access or is unrelated to it.
    None,
    /// The role, grants or memberships of this principal change. For a team
    /// this affects its members as well.
    Principal(PrincipalId),
    /// A credential of this principal is issued or revived, or becomes usable
    /// for longer or from more IP addresses. Its holder can do what the
    /// principal can, within these permissions if the credential is narrowed.
    Credential(PrincipalId, Option<Permissions>),
    /// The issuer, audience or keys of this identity provider change. Whoever
    /// controls it can act as the service accounts that are bound to it.
    IdentityProvider(IdentityProviderId),
    /// The permission set with this slug gains these permissions.
    PermissionSet(String, Permissions),
    /// The team or the visibility of this project changes, so that other
    /// principals reach it.
    Project(ProjectId),
    /// The person who accepts an invitation joins with this role and these
    /// teams.
    Invitation(String, Vec<(TeamId, TeamRole)>),
}

/// The principals that a write affects, as they are at the time of loading.
#[derive(Clone, Debug, Default)]
pub struct Affected {
    /// Each principal with what it holds; `None` if it does not exist.
    pub subjects: Vec<(PrincipalId, Option<Subject>)>,
    /// The project, for [`Effect::Project`].
    pub project: Option<ProjectFacts>,
}

/// The largest number of principals that a change of a caller who is not an
/// owner may affect. All of them are compared inside the transaction, while
/// other writers wait.
const MAX_AFFECTED: u16 = 500;
/// The limit of each query: one more than allowed, to notice too many.
const QUERY_LIMIT: i64 = MAX_AFFECTED as i64 + 1;

/// Loads the principals that an effect concerns. Not called for owners, who can
/// do everything.
///
/// # Errors
/// [`Error::Forbidden`] for more than `MAX_AFFECTED`; when the database cannot.
pub async fn load_affected(
    tx: &mut Tx,
    organization: &OrganizationFacts,
    effect: &Effect,
) -> Result<Affected> {
    let mut affected = Affected::default();
    let principals = match effect {
        Effect::None | Effect::Invitation(..) => Vec::new(),
        Effect::Principal(PrincipalId::Team(team)) => list_team_and_members(tx, *team).await?,
        Effect::Principal(principal) | Effect::Credential(principal, _) => vec![*principal],
        Effect::IdentityProvider(provider) => {
            let accounts: Vec<(ServiceAccountId,)> = sql("SELECT id FROM service_accounts \
                 WHERE identity_provider_id = $1 AND deleted_at IS NULL ORDER BY id LIMIT $2")
            .bind(*provider)
            .bind(QUERY_LIMIT)
            .all(&mut *tx)
            .await?;
            accounts.into_iter().map(|(id,)| PrincipalId::ServiceAccount(id)).collect()
        }
        Effect::PermissionSet(slug, _) => list_set_holders(tx, organization, slug).await?,
        Effect::Project(project) => {
            affected.project = load_project(tx, *project).await?;
            let named: Vec<(String,)> =
                sql("SELECT DISTINCT principal_id FROM grants WHERE project_id = $1 \
                 ORDER BY principal_id LIMIT $2")
                .bind(*project)
                .bind(QUERY_LIMIT)
                .all(&mut *tx)
                .await?;
            named.iter().filter_map(|(id,)| id.parse().ok()).collect()
        }
    };
    if principals.len() > usize::from(MAX_AFFECTED) {
        return Err(Error::Forbidden(format!(
            "This change affects more than {MAX_AFFECTED} people and programs. Only an owner can make it."
        )));
    }
    for principal in principals {
        let subject = load_subject(&mut *tx, organization, principal).await?;
        affected.subjects.push((principal, subject));
    }
    Ok(affected)
}

/// A team and its members, who hold the team's grants.
async fn list_team_and_members(tx: &mut Tx, team: TeamId) -> Result<Vec<PrincipalId>> {
    let members: Vec<(PersonId,)> =
        sql("SELECT person_id FROM team_members WHERE team_id = $1 ORDER BY person_id LIMIT $2")
            .bind(team)
            .bind(QUERY_LIMIT)
            .all(tx)
            .await?;
    let members = members.into_iter().map(|(id,)| PrincipalId::Person(id));
    Ok(std::iter::once(PrincipalId::Team(team)).chain(members).collect())
}

/// All principals that hold a permission set through a role, a team or a grant.
async fn list_set_holders(
    tx: &mut Tx,
    organization: &OrganizationFacts,
    slug: &str,
) -> Result<Vec<PrincipalId>> {
    let mut found = BTreeSet::new();
    // In the order of an index: without one, PostgreSQL hopes to find enough
    // rows soon, and reads the table from its beginning.
    for statement in [
        sql(
            "SELECT person_id FROM memberships WHERE organization_id = $1 AND role = $2 ORDER BY username LIMIT $3",
        ),
        sql("SELECT id FROM teams WHERE organization_id = $1 AND role = $2 LIMIT $3"),
        sql(
            "SELECT id FROM service_accounts WHERE organization_id = $1 AND role = $2 AND deleted_at IS NULL \
             ORDER BY name_folded LIMIT $3",
        ),
        sql("SELECT principal_id FROM grants WHERE organization_id = $1 AND permission_set = $2 \
             ORDER BY principal_id LIMIT $3"),
    ] {
        let rows: Vec<(String,)> =
            statement.bind(organization.id).bind(slug).bind(QUERY_LIMIT).all(&mut *tx).await?;
        found.extend(rows.into_iter().map(|(id,)| id));
    }
    let mut all: Vec<PrincipalId> = Vec::new();
    for principal in found.iter().filter_map(|id| id.parse().ok()) {
        match principal {
            PrincipalId::Team(team) => all.extend(list_team_and_members(tx, team).await?),
            principal => all.push(principal),
        }
    }
    let mut seen = HashSet::new();
    all.retain(|principal| seen.insert(*principal));
    Ok(all)
}

async fn load_project(tx: &mut Tx, project: ProjectId) -> Result<Option<ProjectFacts>> {
    let row: Option<(ProjectId, TeamId, Visibility)> =
        sql("SELECT id, team_id, visibility FROM projects WHERE id = $1").bind(project).optional(tx).await?;
    Ok(row.map(|(id, team, visibility)| ProjectFacts { id, team, visibility }))
}

/// Loads what the rules know about the teams of a principal and about the
/// projects that its grants name. The projects are marked as unchanged; the caller
/// sets what was before for those that the change edits.
///
/// # Errors
/// When the database cannot.
pub async fn load_probe_scope(tx: &mut Tx, subject: &Subject) -> Result<ProbeScope> {
    let mut places = ProbeScope::default();
    for team in subject.teams() {
        let row: Option<(bool, bool, bool)> =
            sql("SELECT is_owners, visibility = 'secret' AS secret, members_manage_token FROM teams WHERE id = $1")
                .bind(team)
                .optional(&mut *tx)
                .await?;
        places.teams.extend(row.map(|(owners, secret, members_manage_token)| TeamFacts {
            id: team,
            owners,
            secret,
            members_manage_token,
        }));
    }
    let mut named: Vec<ProjectId> = subject.named_projects().collect();
    named.sort_unstable();
    named.dedup();
    for project in named {
        let project = load_project(&mut *tx, project).await?;
        places.projects.extend(project.map(ProjectChange::unchanged));
    }
    Ok(places)
}

/// Example principals that represent everybody who could reach an edited
/// project: one of each kind for each permission set that some principal of the
/// organization holds for all projects. `teams` are the project's teams before
/// and after the change.
///
/// # Errors
/// When the database cannot.
pub async fn load_representatives(
    tx: &mut Tx,
    organization: &OrganizationFacts,
    teams: &[TeamId],
) -> Result<Vec<Subject>> {
    let slugs: Vec<(String,)> = sql("SELECT role AS slug FROM memberships WHERE organization_id = $1 \
         UNION SELECT role FROM teams WHERE organization_id = $1 \
         UNION SELECT role FROM service_accounts WHERE organization_id = $1 AND deleted_at IS NULL \
         UNION SELECT permission_set FROM grants WHERE organization_id = $1 AND project_id IS NULL")
    .bind(organization.id)
    .all(tx)
    .await?;
    let sets: Vec<_> = slugs.iter().filter_map(|(slug,)| organization.sets.find(slug)).collect();
    let person = |teams| Kind::Person { id: PersonId::sample(u128::MAX), owner: false, teams };
    let account = |scope| Kind::ServiceAccount { id: ServiceAccountId::sample(u128::MAX), scope };
    let mut kinds = vec![person(Vec::new()), account(AccountScope::Organization), Kind::Organization];
    for team in teams {
        kinds.push(person(vec![(*team, TeamRole::Admin)]));
        kinds.push(person(vec![(*team, TeamRole::Member)]));
        kinds.push(account(AccountScope::Team(*team)));
    }
    let with = |kind: &Kind, set| Subject::with_role(kind.clone(), set);
    Ok(kinds.iter().flat_map(|kind| sets.iter().map(move |set| with(kind, set))).collect())
}
