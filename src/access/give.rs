//! Nobody gives what they do not have.

use super::decide::{Refusal, holds, masked, reaches_organization};
use super::permission::{Level, Permission, Permissions, Verb};
use super::permission_set::PermissionSet;
use super::subject::{Home, Kind, Subject};
use super::visibility::{ProjectFacts, Reach, reaches};
use crate::platform::id::{ServiceAccountId, TeamId};

/// What somebody would have afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gift {
    permissions: Permissions,
    reach: Reach,
}

impl Gift {
    /// A service account's role: what creating, editing or regenerating it gives.
    #[must_use]
    pub fn role_of_account(set: &PermissionSet, home: Home) -> Self {
        let kind = Kind::ServiceAccount { id: ServiceAccountId::sample(0), home };
        let reach = match home {
            Home::Organization => Reach::Organization,
            Home::Team(team) => Reach::Team(team),
        };
        Self { permissions: masked(&kind, set.permissions), reach }
    }

    /// A person's role in the organization.
    #[must_use]
    pub fn role_of_person(set: &PermissionSet) -> Self {
        Self { permissions: set.permissions, reach: Reach::OfPerson }
    }

    /// A team's role, which its people and its token hold with it; also what
    /// being taken into the team gives.
    #[must_use]
    pub fn role_of_team(set: &PermissionSet, team: TeamId) -> Self {
        Self { permissions: set.permissions, reach: Reach::Team(team) }
    }

    /// The role of a team that is only being made: no project is its own yet.
    #[must_use]
    pub fn role_of_new_team(set: &PermissionSet) -> Self {
        Self::role_of_person(set)
    }

    /// A set for all projects, to a principal of this kind.
    #[must_use]
    pub fn of(kind: &Kind, set: &PermissionSet) -> Self {
        match kind {
            Kind::ServiceAccount { home, .. } => Self::role_of_account(set, *home),
            Kind::Team(team) => Self::role_of_team(set, *team),
            Kind::Person { .. } => Self::role_of_person(set),
            Kind::Organization | Kind::ServiceToken(_) => Self::of_service_token(set),
        }
    }

    /// A set for all projects, to a service token.
    #[must_use]
    pub fn of_service_token(set: &PermissionSet) -> Self {
        Self { permissions: set.permissions, reach: Reach::Organization }
    }

    /// A grant that names a project.
    #[must_use]
    pub fn in_project(set: &PermissionSet, project: ProjectFacts) -> Self {
        Self { permissions: set.permissions.only(Permissions::PROJECT), reach: Reach::Project(project) }
    }
}

/// Whether the gift stays within what the giver holds, here and now.
///
/// The organization token counts as holding every project permission: setting
/// others up is its purpose.
///
/// # Errors
/// Why not.
pub fn may_give(giver: &Subject, gift: &Gift) -> Result<(), Refusal> {
    let founder = matches!(giver.kind, Kind::Organization);
    let project = if let Reach::Project(project) = &gift.reach { Some(project) } else { None };
    for permission in gift.permissions.strongest() {
        let founds = founder && permission.resource.level() == Level::Project && carries(giver, permission);
        if !founds && holds(giver, permission, project).is_none() {
            return Err(Refusal::Gift(permission));
        }
    }
    let in_projects = gift.permissions.only(Permissions::PROJECT);
    if in_projects.is_empty() || founder {
        return Ok(());
    }
    let writes = in_projects.strongest().any(|permission| permission.verb == Verb::Write);
    let within = match &gift.reach {
        Reach::OfPerson => true,
        Reach::Organization => reaches_organization(giver),
        Reach::Team(team) => reaches_organization(giver) || giver.in_team(*team).is_some(),
        Reach::Project(project) => reaches(giver, project, if writes { Verb::Write } else { Verb::Read }),
    };
    if within { Ok(()) } else { Err(Refusal::GiftReach) }
}

fn carries(giver: &Subject, permission: Permission) -> bool {
    giver.narrowed.is_none_or(|to| to.has(permission))
}
