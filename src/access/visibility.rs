//! What is asked about, and gate 2: which principals a project lets in.

use super::permission::{Resource, Verb};
use super::subject::{AccountOwner, Kind, Projects, Subject};
use crate::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId};
use crate::platform::text::string_enum;

string_enum! {
    /// Whom a project lets in.
    Visibility {
        /// Everyone of the organization reads and writes.
        Open = "open",
        /// Everyone of the organization reads; the team writes.
        Public = "public",
        /// The team, organization-scoped accounts, and who is named.
        Team = "team",
        /// Who is named, and owners.
        Restricted = "restricted",
    }
}

/// What the rules must know of a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProjectFacts {
    /// Which.
    pub id: ProjectId,
    /// The team that owns it.
    pub team: TeamId,
    /// Whom it lets in.
    pub visibility: Visibility,
}

/// What the rules must know of a team.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TeamFacts {
    /// Which.
    pub id: TeamId,
    /// Whether it is the `owners` team.
    pub owners: bool,
    /// Whether only its people and those who manage teams see it.
    pub secret: bool,
    /// Whether its members may manage its API token.
    pub members_manage_token: bool,
}

/// What a decision is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The organization and what belongs to it as a whole.
    Organization,
    /// Ending the organization.
    OrganizationItself,
    /// The organization's token.
    OrganizationToken,
    /// A team's record.
    Team(TeamFacts),
    /// Who is in a team, and as what.
    TeamMembers(TeamFacts),
    /// A team's token.
    TeamToken(TeamFacts),
    /// The service accounts of this home.
    ServiceAccounts(AccountOwner),
    /// Creating a service account.
    NewServiceAccount {
        /// Where it will belong.
        home: AccountOwner,
        /// Whether the organization's policy lets no other person than owners do it.
        owners_only: bool,
    },
    /// One service account.
    ServiceAccount(ServiceAccountId, AccountOwner),
    /// Making projects of this team.
    NewProject(TeamId),
    /// A project and what lies in it.
    Project(ProjectFacts),
    /// A person's own credentials.
    Credentials(PersonId),
}

/// TokenOwner things of a kind a caller sees in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Everyone's.
    All,
    /// Those of these teams.
    Teams(Vec<TeamId>),
}

/// Gate 2: whether a project lets the principal in, to read or to write.
#[must_use]
pub fn reaches(subject: &Subject, project: &ProjectFacts, verb: Verb) -> bool {
    let team = || {
        subject.is_owner()
            || subject.in_team(project.team).is_some()
            || organization_wide(&subject.kind)
            || named(subject, project)
    };
    match project.visibility {
        Visibility::Open => true,
        Visibility::Public => matches!(verb, Verb::Read) || team(),
        Visibility::Team => team(),
        // The organization token is let in to the project's record and grants; `record_only` keeps it there.
        Visibility::Restricted => {
            subject.is_owner() || named(subject, project) || matches!(subject.kind, Kind::Organization)
        }
    }
}

/// Whether the principal works in every project that is not restricted.
pub(super) fn organization_wide(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Organization
            | Kind::ServiceToken(_)
            | Kind::ServiceAccount { home: AccountOwner::Organization, .. }
    )
}

/// Whether a grant that counts names the project.
fn named(subject: &Subject, project: &ProjectFacts) -> bool {
    may_be_named(&subject.kind, project)
        && subject.grants.iter().any(|grant| grant.projects == Projects::One(project.id))
}

/// A team-scoped account cannot be named in another team's team or restricted
/// project, and a grant from before the project became one no longer counts.
pub(super) fn may_be_named(kind: &Kind, project: &ProjectFacts) -> bool {
    match kind {
        Kind::ServiceAccount { home: AccountOwner::Team(team), .. } => {
            *team == project.team || matches!(project.visibility, Visibility::Open | Visibility::Public)
        }
        _ => true,
    }
}

/// Of a restricted project the organization token may change the record and
/// the grants, nothing else.
pub(super) fn record_only(kind: &Kind, project: &ProjectFacts, resource: Resource) -> bool {
    matches!(kind, Kind::Organization)
        && project.visibility == Visibility::Restricted
        && !matches!(resource, Resource::Projects | Resource::ProjectPermissions)
}
