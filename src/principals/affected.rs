//! Whom a write concerns. Every write that can give somebody access names an
//! [`Effect`]; the principals that it affects are loaded before and after, so
//! that `access::gained` can compare what they hold.

use std::collections::{BTreeSet, HashSet};

use super::organization::OrganizationFacts;
use super::subject::load_subject;
use crate::access::{
    AccountOwner, Kind, Permissions, Places, PrincipalId, ProjectChange, ProjectFacts, Subject, TeamFacts,
    TeamRole, Visibility,
};
use crate::platform::id::{IdentityProviderId, PersonId, ProjectId, ServiceAccountId, TeamId};
use crate::platform::{Error, Result, Tx, sql};

/// What a write changes about who can do what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nobody gains anything: the write takes access away, or has nothing to
    /// do with access.
    None,
    /// What this principal holds is another: a role, a grant, a membership.
    /// What a team holds, its members hold.
    Principal(PrincipalId),
    /// A credential of this principal is issued, revived, or usable for longer
    /// or from more places: whoever has it can do what the principal can. It
    /// is limited to these permissions, if at all.
    Credential(PrincipalId, Option<Permissions>),
    /// Whoever controls this identity provider can act as the accounts that
    /// are bound to it.
    IdentityProvider(IdentityProviderId),
    /// A permission set, by slug, gives these permissions on top.
    PermissionSet(String, Permissions),
    /// A project lets in others: another team or visibility.
    Project(ProjectId),
    /// Whoever accepts an invitation joins with this role and these teams.
    Invitation(String, Vec<(TeamId, TeamRole)>),
}

/// Principals that a write affects, as they are at one moment.
#[derive(Clone, Debug, Default)]
pub struct Affected {
    /// Each with what it holds; nothing where it does not exist.
    pub subjects: Vec<(PrincipalId, Option<Subject>)>,
    /// The project that the write edits.
    pub project: Option<ProjectFacts>,
}

/// So many principals one change may affect, if the caller is no owner: all of
/// them are compared while others wait to write.
const MAX_AFFECTED: u16 = 500;
/// So many are read of each kind: one more than may be, so that too many are noticed.
const LOOKED_AT: i64 = MAX_AFFECTED as i64 + 1;

/// Loads the principals that an effect concerns. An owner can do everything, so
/// nobody asks for their changes.
///
/// # Errors
/// [`Error::Forbidden`] for more than [`MAX_AFFECTED`]; when the database cannot.
pub async fn load_affected(
    tx: &mut Tx,
    organization: &OrganizationFacts,
    effect: &Effect,
) -> Result<Affected> {
    let mut affected = Affected::default();
    let principals = match effect {
        Effect::None | Effect::Invitation(..) => Vec::new(),
        Effect::Principal(PrincipalId::Team(team)) => with_members(tx, *team).await?,
        Effect::Principal(principal) | Effect::Credential(principal, _) => vec![*principal],
        Effect::IdentityProvider(provider) => {
            let accounts: Vec<(ServiceAccountId,)> = sql("SELECT id FROM service_accounts \
                 WHERE identity_provider_id = $1 AND deleted_at IS NULL ORDER BY id LIMIT $2")
            .bind(*provider)
            .bind(LOOKED_AT)
            .all(&mut *tx)
            .await?;
            accounts.into_iter().map(|(id,)| PrincipalId::ServiceAccount(id)).collect()
        }
        Effect::PermissionSet(slug, _) => holders(tx, organization, slug).await?,
        Effect::Project(project) => {
            affected.project = load_project(tx, *project).await?;
            let named: Vec<(String,)> =
                sql("SELECT DISTINCT principal_id FROM grants WHERE project_id = $1 \
                 ORDER BY principal_id LIMIT $2")
                .bind(*project)
                .bind(LOOKED_AT)
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

/// A team, and the people who hold with it what it holds.
async fn with_members(tx: &mut Tx, team: TeamId) -> Result<Vec<PrincipalId>> {
    let members: Vec<(PersonId,)> =
        sql("SELECT person_id FROM team_members WHERE team_id = $1 ORDER BY person_id LIMIT $2")
            .bind(team)
            .bind(LOOKED_AT)
            .all(tx)
            .await?;
    let members = members.into_iter().map(|(id,)| PrincipalId::Person(id));
    Ok(std::iter::once(PrincipalId::Team(team)).chain(members).collect())
}

/// Everybody who holds a permission set, through a role, a team or a grant.
async fn holders(tx: &mut Tx, organization: &OrganizationFacts, slug: &str) -> Result<Vec<PrincipalId>> {
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
            statement.bind(organization.id).bind(slug).bind(LOOKED_AT).all(&mut *tx).await?;
        found.extend(rows.into_iter().map(|(id,)| id));
    }
    let mut all: Vec<PrincipalId> = Vec::new();
    for principal in found.iter().filter_map(|id| id.parse().ok()) {
        match principal {
            PrincipalId::Team(team) => all.extend(with_members(tx, team).await?),
            principal => all.push(principal),
        }
    }
    let mut seen = HashSet::new();
    all.retain(|principal| seen.insert(*principal));
    Ok(all)
}

/// What the rules must know of a project.
///
/// # Errors
/// When the database cannot.
async fn load_project(tx: &mut Tx, project: ProjectId) -> Result<Option<ProjectFacts>> {
    let row: Option<(ProjectId, TeamId, Visibility)> =
        sql("SELECT id, team_id, visibility FROM projects WHERE id = $1").bind(project).optional(tx).await?;
    Ok(row.map(|(id, team, visibility)| ProjectFacts { id, team, visibility }))
}

/// The teams that a principal is in and the projects that its grants name.
///
/// # Errors
/// When the database cannot.
pub async fn load_places(tx: &mut Tx, subject: &Subject) -> Result<Places> {
    let mut places = Places::default();
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

/// Principals as there can be in the organization, who stand for all that the
/// edit of a project could let in: of each kind one with each permission set
/// that somebody holds for all projects.
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
    let account = |home| Kind::ServiceAccount { id: ServiceAccountId::sample(u128::MAX), home };
    let mut kinds = vec![person(Vec::new()), account(AccountOwner::Organization), Kind::Organization];
    for team in teams {
        kinds.push(person(vec![(*team, TeamRole::Admin)]));
        kinds.push(person(vec![(*team, TeamRole::Member)]));
        kinds.push(account(AccountOwner::Team(*team)));
    }
    let with = |kind: &Kind, set| Subject::with_role(kind.clone(), set);
    Ok(kinds.iter().flat_map(|kind| sets.iter().map(move |set| with(kind, set))).collect())
}
