//! Nobody grants access that they do not hold. A change is described by what
//! a principal can do before and after it; whatever it gains must be something
//! that the caller could do. The comparison asks `decide` at every place where
//! access can differ, so it knows no rule of its own.

use super::decide::{Refusal, decide, holds};
use super::permission::{Level, Permission, Resource};
use super::permission_set::PermissionSet;
use super::subject::{AccountOwner, Grant, GrantSource, Kind, PrincipalId, Projects, Subject};
use super::visibility::{ProjectFacts, Target, TeamFacts, Visibility};
use crate::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId};

/// A project that a change or a grant names, as it is before and after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProjectChange {
    /// Nothing where the change creates it.
    pub before: Option<ProjectFacts>,
    /// Nothing where the change deletes it.
    pub after: Option<ProjectFacts>,
}

impl ProjectChange {
    /// A project that the change leaves as it is.
    #[must_use]
    pub const fn unchanged(project: ProjectFacts) -> Self {
        Self { before: Some(project), after: Some(project) }
    }
}

/// The teams and projects where the access of a principal can differ from that
/// of others. Teams that it is not in and projects that no grant names are
/// alike, so one of each kind stands for all of them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The teams that the principal is in.
    pub teams: Vec<TeamFacts>,
    /// The projects that its grants name, and those that the change edits.
    pub projects: Vec<ProjectChange>,
}

/// Stands for every team that the principal is not in.
const ANY_TEAM: TeamId = TeamId::sample(u128::MAX);
/// Stands for every project that no grant names.
const ANY_PROJECT: ProjectId = ProjectId::sample(u128::MAX);

/// What a principal gains by a change that the caller does not hold: the
/// refusal names the first such permission. Nothing where the change is fine.
///
/// `before` is missing for a new principal, and where the change hands the
/// principal's access to somebody new (a credential).
#[must_use]
pub fn gained(
    (before, after): (Option<&Subject>, &Subject),
    caller: &Subject,
    places: &Places,
) -> Option<Refusal> {
    let allowed = |subject: &Subject, permission, target: Option<Target>| {
        target.is_some_and(|target| decide(subject, permission, &target).is_allowed())
    };
    let found = probes(places).find(|(permission, was, is)| {
        allowed(after, *permission, *is)
            && !before.is_some_and(|before| allowed(before, *permission, *was))
            && !can_delegate(caller, *permission, was.as_ref().or(is.as_ref()))
    });
    found.map(|(permission, ..)| refusal(caller, permission))
}

/// Whether the caller may grant a permission at a place: it holds it there.
fn can_delegate(caller: &Subject, permission: Permission, target: Option<&Target>) -> bool {
    sets_up(caller, permission)
        || target.is_some_and(|target| decide(caller, permission, target).is_allowed())
}

/// The organization token counts as holding every project permission, because
/// its purpose is to set up access for others.
fn sets_up(caller: &Subject, permission: Permission) -> bool {
    matches!(caller.kind, Kind::Organization)
        && permission.resource.level() == Level::Project
        && caller.narrowed.is_none_or(|to| to.has(permission))
}

fn refusal(caller: &Subject, permission: Permission) -> Refusal {
    if holds(caller, permission, None).is_some() {
        Refusal::DelegationReach(permission)
    } else {
        Refusal::Delegation(permission)
    }
}

/// What a permission set gives wherever it will be granted: the caller must
/// hold each of its permissions for all projects.
///
/// # Errors
/// The first permission that the caller does not hold.
pub fn ensure_holds_set(caller: &Subject, set: &PermissionSet) -> Result<(), Refusal> {
    let missing = set
        .permissions
        .strongest()
        .find(|permission| !sets_up(caller, *permission) && holds(caller, *permission, None).is_none());
    missing.map_or(Ok(()), |permission| Err(Refusal::Delegation(permission)))
}

/// Every question that is asked: a permission, and the place before and after.
fn probes(places: &Places) -> impl Iterator<Item = (Permission, Option<Target>, Option<Target>)> {
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
        [Target::OrganizationToken, Target::OrganizationItself].map(|target| same(permission, target))
    });
    let any_team = TeamFacts { id: ANY_TEAM, owners: false, secret: true, members_manage_token: true };
    let teams = places.teams.iter().copied().chain([any_team]).flat_map(move |team| {
        let groups = [Resource::Groups.write(), Resource::Groups.read()].into_iter().flat_map(move |it| {
            [Target::Team(team), Target::TeamMembers(team), Target::TeamToken(team)]
                .map(|target| same(it, target))
        });
        let accounts = [Resource::ServiceAccounts.write(), Resource::ServiceAccounts.read()]
            .map(move |it| same(it, Target::ServiceAccounts(AccountOwner::Team(team.id))));
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
    /// The projects that its grants name.
    pub fn named_projects(&self) -> impl Iterator<Item = ProjectId> {
        self.grants.iter().filter_map(|grant| match grant.projects {
            Projects::One(project) => Some(project),
            Projects::All => None,
        })
    }

    /// The teams that it is in.
    #[must_use]
    pub fn teams(&self) -> Vec<TeamId> {
        match &self.kind {
            Kind::Person { teams, .. } => teams.iter().map(|(team, _)| *team).collect(),
            Kind::Team(team) | Kind::ServiceAccount { home: AccountOwner::Team(team), .. } => vec![*team],
            _ => Vec::new(),
        }
    }

    /// Whether nothing is beyond it: an owner without a narrowed token.
    #[must_use]
    pub fn holds_everything(&self) -> bool {
        self.is_owner() && self.narrowed.is_none()
    }

    /// Which principal it is.
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

    /// A principal of this kind that holds this set by its role, and no more.
    #[must_use]
    pub fn with_role(kind: Kind, set: &PermissionSet) -> Self {
        let role = Grant { set: set.clone(), projects: Projects::All, source: GrantSource::Role };
        Self { kind, grants: vec![role], narrowed: None }
    }
}

/// Whether a form may offer a role for a new service account of this home.
#[must_use]
pub fn can_give_account_role(caller: &Subject, set: &PermissionSet, home: AccountOwner) -> bool {
    let kind = Kind::ServiceAccount { id: ServiceAccountId::sample(u128::MAX), home };
    offers(caller, &Subject::with_role(kind, set), Vec::new())
}

/// Whether a form may offer a role for a person who joins without a team.
#[must_use]
pub fn can_give_person_role(caller: &Subject, set: &PermissionSet) -> bool {
    let kind = Kind::Person { id: PersonId::sample(u128::MAX), owner: false, teams: Vec::new() };
    offers(caller, &Subject::with_role(kind, set), Vec::new())
}

/// Whether a form may offer a set for a new service token: for all projects,
/// or in one.
#[must_use]
pub fn can_give_token_grant(caller: &Subject, set: &PermissionSet, project: Option<ProjectFacts>) -> bool {
    let kind = Kind::ServiceToken(crate::platform::id::TokenId::sample(u128::MAX));
    let mut token = Subject::with_role(kind, set);
    if let Some(project) = project {
        token.grants[0].projects = Projects::One(project.id);
    }
    offers(caller, &token, project.map(ProjectChange::unchanged).into_iter().collect())
}

fn offers(caller: &Subject, after: &Subject, projects: Vec<ProjectChange>) -> bool {
    let member = |id| TeamFacts { id, owners: false, secret: false, members_manage_token: true };
    let teams = after.teams().into_iter().map(member).collect();
    gained((None, after), caller, &Places { teams, projects }).is_none()
}
