//! The targets of decisions, and gate 2: which principals can reach a project.
//! Gate 1, the permission, is in `decide`, which calls [`reaches_project`].

use super::permission::{Resource, Verb};
use super::subject::{AccountScope, Kind, Projects, Subject};
use crate::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId};
use crate::platform::text::string_enum;

string_enum! {
    /// Which principals can reach a project.
    Visibility {
        /// Every principal of the organization can read and write.
        Open = "open",
        /// Every principal of the organization can read. Writing is as for
        /// [`Self::Team`].
        Public = "public",
        /// The owning team with its token and accounts, organization-scoped
        /// principals, owners, and principals that a grant names.
        Team = "team",
        /// Owners and principals that a grant names. The organization token
        /// reaches only the project's record and grants.
        Restricted = "restricted",
    }
}

/// What the rules need to know about a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProjectFacts {
    /// The project's id.
    pub id: ProjectId,
    /// The team that owns the project.
    pub team: TeamId,
    /// Which principals can reach the project.
    pub visibility: Visibility,
}

/// What the rules need to know about a team.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TeamFacts {
    /// The team's id.
    pub id: TeamId,
    /// Whether this is the `owners` team.
    pub owners: bool,
    /// Whether only the team's members, and principals that can manage teams,
    /// can see it.
    pub secret: bool,
    /// Whether members without the team role `admin` may manage its API token.
    pub members_manage_token: bool,
}

/// The object of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The organization and everything at organization level that has no
    /// target of its own.
    Organization,
    /// The existence of the organization: deleting it.
    OrganizationDeletion,
    /// The organization token.
    OrganizationToken,
    /// A team's record: its name, description, visibility and role.
    Team(TeamFacts),
    /// The memberships of a team.
    TeamMembers(TeamFacts),
    /// A team's token.
    TeamToken(TeamFacts),
    /// The list of service accounts with this scope.
    ServiceAccounts(AccountScope),
    /// Creating a service account.
    NewServiceAccount {
        /// What the new account will belong to.
        scope: AccountScope,
        /// Whether the organization's policy reserves this for owners. It binds
        /// people only, not machine principals.
        owners_only: bool,
    },
    /// One service account, with what it belongs to.
    ServiceAccount(ServiceAccountId, AccountScope),
    /// Creating a project of this team.
    NewProject(TeamId),
    /// A project and everything inside it.
    Project(ProjectFacts),
    /// The credentials of this person.
    Credentials(PersonId),
}

/// Which objects of a kind a caller can see in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audience {
    /// All objects of the organization.
    All,
    /// The objects of these teams.
    Teams(Vec<TeamId>),
}

/// Gate 2: whether a principal can reach a project to read or to write.
#[must_use]
pub fn reaches_project(subject: &Subject, project: &ProjectFacts, verb: Verb) -> bool {
    let team = || {
        subject.is_owner()
            || subject.role_in_team(project.team).is_some()
            || is_organization_wide(&subject.kind)
            || is_named_in(subject, project)
    };
    match project.visibility {
        Visibility::Open => true,
        Visibility::Public => matches!(verb, Verb::Read) || team(),
        Visibility::Team => team(),
        // The organization token reaches the project's record and grants; `is_closed_to_organization_token` refuses the rest.
        Visibility::Restricted => {
            subject.is_owner() || is_named_in(subject, project) || matches!(subject.kind, Kind::Organization)
        }
    }
}

/// Whether a principal of this kind reaches every project that is not
/// restricted, whichever team owns it.
pub(super) fn is_organization_wide(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Organization
            | Kind::ServiceToken(_)
            | Kind::ServiceAccount { scope: AccountScope::Organization, .. }
    )
}

/// Whether the principal has a grant that names the project and is in effect.
fn is_named_in(subject: &Subject, project: &ProjectFacts) -> bool {
    can_be_named(&subject.kind, project)
        && subject.grants.iter().any(|grant| grant.projects == Projects::One(project.id))
}

/// Whether a grant that names the project is in effect for a principal of this
/// kind. A team-scoped account cannot be named in a team or restricted project
/// of another team. An older grant has no effect once the project becomes one.
#[must_use]
pub fn can_be_named(kind: &Kind, project: &ProjectFacts) -> bool {
    match kind {
        Kind::ServiceAccount { scope: AccountScope::Team(team), .. } => {
            *team == project.team || matches!(project.visibility, Visibility::Open | Visibility::Public)
        }
        _ => true,
    }
}

/// Whether the resource is closed to the organization token: in a restricted
/// project it can change the project's record and grants, and nothing else.
pub(super) fn is_closed_to_organization_token(
    kind: &Kind,
    project: &ProjectFacts,
    resource: Resource,
) -> bool {
    matches!(kind, Kind::Organization)
        && project.visibility == Visibility::Restricted
        && !matches!(resource, Resource::Projects | Resource::ProjectPermissions)
}
