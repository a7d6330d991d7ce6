//! The one function that decides, for pages, API, verification and explorer.

use super::permission::{Level, Permission, Permissions, Resource, Verb};
use super::subject::{AccountOwner, Grant, Kind, Projects, Subject, TeamRole};
use super::visibility::{
    ProjectFacts, Target, TeamFacts, may_be_named, organization_wide, reaches, record_only,
};
use crate::platform::id::TeamId;

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision<'a> {
    /// Yes, and through what.
    Allowed(Via<'a>),
    /// No, and why. The caller may know that the thing is there.
    Refused(Refusal),
    /// No, and the caller may not know that the thing is there.
    Hidden,
}

/// What a yes comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via<'a> {
    /// Owners may everything.
    Owner,
    /// The organization token's own rule.
    OrganizationToken,
    /// This grant.
    Grant(&'a Grant),
    /// Being an admin of the team.
    TeamAdmin,
    /// Being in the team.
    InTeam,
    /// Every member of the organization sees this.
    Member,
    /// A service account sees itself.
    Itself,
}

/// What a no comes from. Its text names what is missing and who can change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// No grant holds the permission here.
    #[error("This needs the permission {0}. An owner of the organization can give it.")]
    Missing(Permission),
    /// The principal holds it, the token was made without it.
    #[error("This token is limited and does not include {0}. Use another token.")]
    Narrowed(Permission),
    /// Owners alone; no permission stands for it.
    #[error("Only members of the owners team can do this.")]
    OwnersOnly,
    /// The same, told to a token that is no person's.
    #[error("Only members of the owners team can do this. Use a personal token of one of them.")]
    OwnersOnlyByPersonalToken,
    /// Owners alone, and this token of one carries only a part of what they may.
    #[error("This token is limited. Only owners can do this: use a personal token that is not limited.")]
    OwnersOnlyWhole,
    /// What organization tokens cannot do.
    #[error("Organization tokens cannot be used for {0}. Use a personal token or a team token.")]
    OrganizationToken(Permission),
    /// The project does not let the caller write.
    #[error(
        "The caller can read this project, but does not have {0} in it. An admin of its team or an owner can add the caller."
    )]
    NoReach(Permission),
    /// A permission of a project, asked about the organization.
    #[error("{0} applies to a project. Name the project.")]
    NeedsProject(Permission),
    /// A permission of the organization, asked about a project.
    #[error("{0} applies to the organization. Leave the project out.")]
    NeedsOrganization(Permission),
    /// A change that would give somebody a permission that the caller does not hold.
    #[error("This change would grant {0}, and you cannot grant access that you do not have. Ask an owner.")]
    Delegation(Permission),
    /// The same, in a project, team or organization that the caller does not reach.
    #[error(
        "This change would grant {0} where you do not have it, and you cannot grant access that you do not have. \
         Ask an owner."
    )]
    DelegationReach(Permission),
    /// What owners alone may do by the organization's policy.
    #[error("The organization's policy lets only owners create service accounts.")]
    OwnersOnlyByPolicy,
    /// A credential of somebody else.
    #[error("Only the person themselves can manage their personal tokens.")]
    OthersCredentials,
}

impl Decision<'_> {
    /// Whether it is a yes.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Whether `subject` may do `permission` to `target`, and why.
///
/// Gate 1: the permission is held, through a grant for all projects or for
/// this one. Gate 2: the project lets the principal in. What the principal may
/// not see is hidden before either is told.
#[must_use]
pub fn decide<'a>(subject: &'a Subject, permission: Permission, target: &Target) -> Decision<'a> {
    if !sees(subject, target) {
        return Decision::Hidden;
    }
    let level = if matches!(target, Target::Project(_)) { Level::Project } else { Level::Organization };
    let refusal = match (permission.resource.level(), level) {
        (Level::Project, Level::Organization) => Some(Refusal::NeedsProject(permission)),
        (Level::Organization, Level::Project) => Some(Refusal::NeedsOrganization(permission)),
        _ if !narrowed_to(subject, permission) => Some(Refusal::Narrowed(permission)),
        _ => None,
    };
    if let Some(refusal) = refusal {
        return Decision::Refused(refusal);
    }
    if (permission.resource == Resource::Credentials) != matches!(target, Target::Credentials(_)) {
        return Decision::Refused(Refusal::OthersCredentials);
    }
    if matches!(target, Target::NewServiceAccount { owners_only: true, .. })
        && subject.is_person()
        && !subject.is_owner()
    {
        return Decision::Refused(Refusal::OwnersOnlyByPolicy);
    }
    let writes = permission.verb == Verb::Write;
    let owners_only = match target {
        Target::OrganizationToken | Target::OrganizationItself => true,
        Target::Team(team) | Target::TeamMembers(team) | Target::TeamToken(team) => team.owners && writes,
        _ => false,
    };
    // What owners alone may do has no permission that a token could be narrowed to.
    if owners_only && writes && subject.is_owner() && subject.narrowed.is_some() {
        return Decision::Refused(Refusal::OwnersOnlyWhole);
    }
    if owners_only && !subject.is_owner() {
        return Decision::Refused(if subject.is_person() {
            Refusal::OwnersOnly
        } else {
            Refusal::OwnersOnlyByPersonalToken
        });
    }
    if let Target::Project(project) = target
        && (record_only(&subject.kind, project, permission.resource)
            || (matches!(subject.kind, Kind::Organization) && !organization_token(permission)))
    {
        return Decision::Refused(Refusal::OrganizationToken(permission));
    }
    let Some(via) =
        standing(subject, permission, target).or_else(|| holds(subject, permission, target.project()))
    else {
        return Decision::Refused(if matches!(target, Target::Credentials(_)) {
            Refusal::OthersCredentials
        } else {
            Refusal::Missing(permission)
        });
    };
    match target {
        Target::Project(project) if !reaches(subject, project, permission.verb) => {
            Decision::Refused(Refusal::NoReach(permission))
        }
        _ => Decision::Allowed(via),
    }
}

impl Target {
    const fn project(&self) -> Option<&ProjectFacts> {
        if let Self::Project(project) = self { Some(project) } else { None }
    }
}

/// Gate 1 by grants: with no project, only grants for all projects count.
pub(super) fn holds<'a>(
    subject: &'a Subject,
    permission: Permission,
    project: Option<&ProjectFacts>,
) -> Option<Via<'a>> {
    if !narrowed_to(subject, permission) {
        return None;
    }
    match &subject.kind {
        _ if permission.resource == Resource::Credentials => None,
        Kind::Person { owner: true, .. } => Some(Via::Owner),
        Kind::Organization => organization_token(permission).then_some(Via::OrganizationToken),
        kind => {
            subject.grants.iter().find(|grant| given_by(kind, grant, project).has(permission)).map(Via::Grant)
        }
    }
}

/// What one grant gives a principal of this kind: in the organization and all
/// projects (`None`), or in one project.
fn given_by(kind: &Kind, grant: &Grant, project: Option<&ProjectFacts>) -> Permissions {
    match (grant.projects, project) {
        (Projects::All, _) => masked(kind, grant.set.permissions),
        (Projects::One(id), Some(project)) if id == project.id && may_be_named(kind, project) => {
            grant.set.permissions.only(Permissions::PROJECT)
        }
        (Projects::One(_), _) => Permissions::NONE,
    }
}

/// A team-scoped account never holds writes of the organization's level.
pub(super) fn masked(kind: &Kind, permissions: Permissions) -> Permissions {
    if matches!(kind, Kind::ServiceAccount { home: AccountOwner::Team(_), .. }) {
        permissions.only(Permissions::PROJECT.and(Permissions::READS))
    } else {
        permissions
    }
}

/// Organization tokens start no runs and create no configuration versions, and
/// have nothing to do with people's own credentials.
pub(super) fn organization_token(permission: Permission) -> bool {
    permission != Resource::Runs.write()
        && permission != Resource::ConfigurationVersions.write()
        && permission.resource != Resource::Credentials
}

fn narrowed_to(subject: &Subject, permission: Permission) -> bool {
    subject.narrowed.is_none_or(|to| to.has(permission))
}

/// What comes from being somebody, without any grant.
fn standing<'a>(subject: &'a Subject, permission: Permission, target: &Target) -> Option<Via<'a>> {
    let reads = permission.verb == Verb::Read;
    let of_team = |team| match subject.in_team(team) {
        Some(TeamRole::Admin) => Some(Via::TeamAdmin),
        Some(TeamRole::Member) if reads => Some(Via::InTeam),
        _ => None,
    };
    let member = subject.is_person().then_some(Via::Member);
    match (target, permission.resource) {
        (Target::Organization, Resource::Groups | Resource::Members) if reads => member,
        (Target::Team(team) | Target::TeamMembers(team), Resource::Groups) if reads => {
            of_team(team.id).or(member)
        }
        (Target::TeamMembers(team), Resource::Groups) => of_team(team.id),
        (Target::TeamToken(team), Resource::Groups) if subject.is_person() => {
            if subject.in_team(team.id).is_some() && team.members_manage_token {
                Some(Via::InTeam)
            } else {
                of_team(team.id)
            }
        }
        (Target::ServiceAccount(id, _), Resource::ServiceAccounts) if reads && is_itself(subject, *id) => {
            Some(Via::Itself)
        }
        (
            Target::ServiceAccounts(AccountOwner::Team(team))
            | Target::NewServiceAccount { home: AccountOwner::Team(team), .. }
            | Target::ServiceAccount(_, AccountOwner::Team(team)),
            Resource::ServiceAccounts,
        ) if subject.is_person() => of_team(*team),
        (Target::NewProject(team), Resource::ProjectCreate) => {
            of_team(*team).filter(|via| *via == Via::TeamAdmin)
        }
        (Target::Credentials(person), Resource::Credentials) => {
            matches!(&subject.kind, Kind::Person { id, .. } if id == person).then_some(Via::Itself)
        }
        (Target::Project(project), Resource::Projects | Resource::ProjectPermissions) => {
            of_team(project.team).filter(|via| *via == Via::TeamAdmin)
        }
        _ => None,
    }
}

fn is_itself(subject: &Subject, account: crate::platform::id::ServiceAccountId) -> bool {
    matches!(subject.kind, Kind::ServiceAccount { id, .. } if id == account)
}

/// Whether the principal may know that the thing is there.
fn sees(subject: &Subject, target: &Target) -> bool {
    let sees_team = |team: &TeamFacts| knows_team(subject, team.id, team.secret);
    match target {
        Target::Team(team) | Target::TeamMembers(team) | Target::TeamToken(team) => sees_team(team),
        Target::ServiceAccount(..) => {
            let read = Resource::ServiceAccounts.read();
            standing(subject, read, target).is_some() || holds(subject, read, None).is_some()
        }
        Target::Project(project) => reaches(subject, project, Verb::Read),
        _ => true,
    }
}

/// What the principal holds for all projects and in the organization: what
/// `whoami` tells. Grants for single projects come on top.
#[must_use]
pub fn effective(subject: &Subject) -> Permissions {
    together(subject, |kind, grant| given_by(kind, grant, None))
}

/// What the principal holds somewhere: for all projects, in the organization,
/// or in any one project. What a token of its can be narrowed to.
#[must_use]
pub fn anywhere(subject: &Subject) -> Permissions {
    together(subject, |kind, grant| match grant.projects {
        Projects::All => masked(kind, grant.set.permissions),
        Projects::One(_) => grant.set.permissions.only(Permissions::PROJECT),
    })
}

/// As [`holds`] goes about it, for all permissions at once.
fn together(subject: &Subject, given: impl Fn(&Kind, &Grant) -> Permissions) -> Permissions {
    let own = match &subject.kind {
        Kind::Person { owner: true, .. } => Permissions::ALL,
        Kind::Organization => {
            Permission::all().filter(|permission| organization_token(*permission)).collect()
        }
        kind => subject.grants.iter().fold(Permissions::NONE, |all, grant| all.and(given(kind, grant))),
    };
    // A person's own credentials are no matter of the organization.
    let own = own.without(Permissions::of(Resource::Credentials.write()));
    subject.narrowed.map_or(own, |to| own.only(to))
}

/// Whose service accounts the principal sees in a list.
///
/// # Errors
/// [`Refusal::Missing`] for a machine without the permission.
pub fn accounts_seen(subject: &Subject) -> Result<super::Audience, Refusal> {
    let read = Resource::ServiceAccounts.read();
    match &subject.kind {
        _ if holds(subject, read, None).is_some() => Ok(super::Audience::All),
        Kind::Person { teams, .. } if narrowed_to(subject, read) => {
            Ok(super::Audience::Teams(teams.iter().map(|(id, _)| *id).collect()))
        }
        _ => Err(if subject.narrowed.is_some_and(|to| !to.has(read)) {
            Refusal::Narrowed(read)
        } else {
            Refusal::Missing(read)
        }),
    }
}

/// Whether the principal reaches every project that is not restricted.
#[must_use]
pub fn reaches_organization(subject: &Subject) -> bool {
    subject.is_owner() || organization_wide(&subject.kind)
}

/// Whether the principal may know that a team is there: a secret one is known
/// to its members and to those who manage teams.
#[must_use]
pub fn knows_team(subject: &Subject, team: TeamId, is_secret: bool) -> bool {
    !is_secret || subject.in_team(team).is_some() || holds_groups(subject)
}

/// Whether the principal manages teams, and so sees the secret ones.
#[must_use]
pub fn holds_groups(subject: &Subject) -> bool {
    holds(subject, Resource::Groups.write(), None).is_some()
}
