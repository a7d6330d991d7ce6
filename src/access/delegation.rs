//! The check that nobody grants access that they do not hold. A change is
//! described by what a principal can do before and after it; the caller must
//! hold whatever the principal gains.
//!
//! The comparison calls `decide` for every permission and every target where
//! access can differ. It has no access rules of its own.

use super::decide::{Refusal, decide, holds};
use super::permission::{Level, Permission, Resource};
use super::permission_set::PermissionSet;
use super::subject::{AccountScope, Grant, GrantSource, Kind, PrincipalId, Projects, Subject};
use super::visibility::{ProjectFacts, Target, TeamFacts, Visibility};
use crate::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId};

/// A project before and after a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProjectChange {
    /// `None` if the change creates the project.
    pub before: Option<ProjectFacts>,
    /// `None` if the change deletes the project.
    pub after: Option<ProjectFacts>,
}

impl ProjectChange {
    /// A project that the change does not edit.
    #[must_use]
    pub const fn unchanged(project: ProjectFacts) -> Self {
        Self { before: Some(project), after: Some(project) }
    }
}

/// The teams and projects for which a principal's access must be compared one
/// by one. For all other teams and projects `decide` gives the same answers, so
/// the comparison uses one example of each kind.
#[derive(Clone, Debug, Default)]
pub struct ProbeScope {
    /// The teams to which the principal belongs.
    pub teams: Vec<TeamFacts>,
    /// The projects that the principal's grants name, and the projects that the
    /// change edits.
    pub projects: Vec<ProjectChange>,
}

/// The example of a team to which the principal does not belong.
const ANY_TEAM: TeamId = TeamId::sample(u128::MAX);
/// The example of a project that no grant names.
const ANY_PROJECT: ProjectId = ProjectId::sample(u128::MAX);

/// Finds a permission that a principal gains by a change and that the caller
/// does not hold. Returns the refusal for the first one, or `None` if the
/// caller may make the change.
///
/// `before` is `None` for a new principal, and for a change that gives the
/// principal's access to somebody else, such as a new credential.
#[must_use]
pub fn find_privilege_gain(
    (before, after): (Option<&Subject>, &Subject),
    caller: &Subject,
    places: &ProbeScope,
) -> Option<Refusal> {
    let allowed = |subject: &Subject, permission, target: Option<Target>| {
        target.is_some_and(|target| decide(subject, permission, &target).is_allowed())
    };
    let found = build_probes(places).find(|(permission, was, is)| {
        allowed(after, *permission, *is)
            && !before.is_some_and(|before| allowed(before, *permission, *was))
            && !can_delegate(caller, *permission, was.as_ref().or(is.as_ref()))
    });
    found.map(|(permission, ..)| delegation_refusal(caller, permission))
}

/// Whether the caller may grant a permission on a target.
fn can_delegate(caller: &Subject, permission: Permission, target: Option<&Target>) -> bool {
    organization_token_can_delegate(caller, permission)
        || target.is_some_and(|target| decide(caller, permission, target).is_allowed())
}

/// Whether the caller is the organization token and may grant the permission as
/// such. It counts as holding every project permission, because its purpose is
/// to set up access for others.
fn organization_token_can_delegate(caller: &Subject, permission: Permission) -> bool {
    matches!(caller.kind, Kind::Organization)
        && permission.resource.level() == Level::Project
        && caller.narrowed.is_none_or(|to| to.has(permission))
}

fn delegation_refusal(caller: &Subject, permission: Permission) -> Refusal {
    if holds(caller, permission, None).is_some() {
        Refusal::DelegationReach(permission)
    } else {
        Refusal::Delegation(permission)
    }
}

/// Checks that the caller holds each permission of a set for all projects. This
/// is required to create or extend the set, because it can be granted anywhere.
///
/// # Errors
/// [`Refusal::Delegation`] with the first permission that the caller does not
/// hold.
pub fn ensure_holds_set(caller: &Subject, set: &PermissionSet) -> Result<(), Refusal> {
    let missing = set.permissions.strongest().find(|permission| {
        !organization_token_can_delegate(caller, *permission) && holds(caller, *permission, None).is_none()
    });
    missing.map_or(Ok(()), |permission| Err(Refusal::Delegation(permission)))
}

/// All questions for `decide`: a permission with its target before and after
/// the change. The target is `None` where the project does not exist.
fn build_probes(places: &ProbeScope) -> impl Iterator<Item = (Permission, Option<Target>, Option<Target>)> {
    let same = |permission, target| (permission, Some(target), Some(target));
    let of_level = |level| {
        Resource::ALL
            .iter()
            .filter(move |resource| resource.level() == level && **resource != Resource::Credentials)
            .flat_map(|resource| [resource.write(), resource.read()])
    };
    let organization = of_level(Level::Organization).map(move |it| same(it, Target::Organization));
    let settings = [Resource::Settings.write(), Resource::Settings.read()];
    let owners_only = settings.into_iter().flat_map(move |permission| {
        [Target::OrganizationToken, Target::OrganizationDeletion].map(|target| same(permission, target))
    });
    let any_team = TeamFacts { id: ANY_TEAM, owners: false, secret: true, members_manage_token: true };
    let teams = places.teams.iter().copied().chain([any_team]).flat_map(move |team| {
        let groups = [Resource::Groups.write(), Resource::Groups.read()].into_iter().flat_map(move |it| {
            [Target::Team(team), Target::TeamMembers(team), Target::TeamToken(team)]
                .map(|target| same(it, target))
        });
        let accounts = [Resource::ServiceAccounts.write(), Resource::ServiceAccounts.read()]
            .map(move |it| same(it, Target::ServiceAccounts(AccountScope::Team(team.id))));
        let create = same(Resource::ProjectCreate.write(), Target::NewProject(team.id));
        groups.chain(accounts).chain([create])
    });
    let team_ids = places.teams.iter().map(|team| team.id).chain([ANY_TEAM]);
    let unnamed = team_ids.flat_map(|team| {
        Visibility::ALL.iter().map(move |visibility| {
            ProjectChange::unchanged(ProjectFacts { id: ANY_PROJECT, team, visibility: *visibility })
        })
    });
    let projects = places.projects.iter().copied().chain(unnamed).flat_map(move |project| {
        of_level(Level::Project).map(move |permission| {
            (permission, project.before.map(Target::Project), project.after.map(Target::Project))
        })
    });
    organization.chain(owners_only).chain(teams).chain(projects)
}

impl Subject {
    /// The projects that the subject's grants name, with duplicates.
    pub fn named_projects(&self) -> impl Iterator<Item = ProjectId> {
        self.grants.iter().filter_map(|grant| match grant.projects {
            Projects::One(project) => Some(project),
            Projects::All => None,
        })
    }

    /// The teams to which the subject belongs.
    #[must_use]
    pub fn teams(&self) -> Vec<TeamId> {
        match &self.kind {
            Kind::Person { teams, .. } => teams.iter().map(|(team, _)| *team).collect(),
            Kind::Team(team) | Kind::ServiceAccount { scope: AccountScope::Team(team), .. } => vec![*team],
            _ => Vec::new(),
        }
    }

    /// Whether the subject is an owner whose token is not narrowed, so that it
    /// holds every permission and no comparison is needed.
    #[must_use]
    pub fn holds_everything(&self) -> bool {
        self.is_owner() && self.narrowed.is_none()
    }

    /// The id of the principal, with its kind.
    #[must_use]
    pub fn principal(&self) -> PrincipalId {
        match &self.kind {
            Kind::Person { id, .. } => PrincipalId::Person(*id),
            Kind::Organization => PrincipalId::Organization,
            Kind::Team(id) => PrincipalId::Team(*id),
            Kind::ServiceAccount { id, .. } => PrincipalId::ServiceAccount(*id),
            Kind::ServiceToken(id) => PrincipalId::ServiceToken(*id),
        }
    }

    /// The principal that would receive a permission set as its role, and holds nothing else.
    #[must_use]
    pub fn with_role(kind: Kind, set: &PermissionSet) -> Self {
        let role = Grant { set: set.clone(), projects: Projects::All, source: GrantSource::Role };
        Self { kind, grants: vec![role], narrowed: None }
    }
}

/// Whether the caller may create a service account with this role and owner,
/// so that a form can offer the role.
#[must_use]
pub fn can_give_account_role(caller: &Subject, set: &PermissionSet, scope: AccountScope) -> bool {
    let kind = Kind::ServiceAccount { id: ServiceAccountId::sample(u128::MAX), scope };
    can_create_subject(caller, &Subject::with_role(kind, set), Vec::new())
}

/// Whether the caller may give this role to a new member without teams, so that
/// a form can offer the role.
#[must_use]
pub fn can_give_person_role(caller: &Subject, set: &PermissionSet) -> bool {
    let kind = Kind::Person { id: PersonId::sample(u128::MAX), owner: false, teams: Vec::new() };
    can_create_subject(caller, &Subject::with_role(kind, set), Vec::new())
}

/// Whether the caller may create a service token with a grant of this set, for
/// all projects (`None`) or for one, so that a form can offer the grant.
#[must_use]
pub fn can_give_token_grant(caller: &Subject, set: &PermissionSet, project: Option<ProjectFacts>) -> bool {
    let kind = Kind::ServiceToken(crate::platform::id::TokenId::sample(u128::MAX));
    let mut token = Subject::with_role(kind, set);
    if let Some(project) = project {
        token.grants[0].projects = Projects::One(project.id);
    }
    can_create_subject(caller, &token, project.map(ProjectChange::unchanged).into_iter().collect())
}

/// Whether the caller holds everything that a new principal would hold.
fn can_create_subject(caller: &Subject, after: &Subject, projects: Vec<ProjectChange>) -> bool {
    let member = |id| TeamFacts { id, owners: false, secret: false, members_manage_token: true };
    let teams = after.teams().into_iter().map(member).collect();
    find_privilege_gain((None, after), caller, &ProbeScope { teams, projects }).is_none()
}
