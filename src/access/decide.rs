//! `decide`, the only function that makes access decisions. Pages, the API, the
//! verification endpoints and the access explorer all call it.
//!
//! It checks two gates: gate 1, whether the principal holds the permission, and
//! gate 2, whether the principal reaches the project (`visibility`). The other
//! functions here answer questions about several permissions or objects with
//! the same rules, for lists and summaries.

use super::permission::{Level, Permission, Permissions, Resource, Verb};
use super::subject::{AccountScope, Grant, Kind, Projects, Subject, TeamRole};
use super::visibility::{
    ProjectFacts, Target, TeamFacts, can_be_named, is_closed_to_organization_token, is_organization_wide,
    reaches_project,
};
use crate::platform::id::TeamId;

/// The result of [`decide`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision<'a> {
    /// The operation is allowed, for this reason.
    Allowed(AllowedBy<'a>),
    /// The operation is refused. The caller can see the object: 403.
    Refused(Refusal),
    /// The caller is not allowed to know that the object exists: 404.
    Hidden,
}

/// Why an operation is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AllowedBy<'a> {
    /// The principal is an owner, who holds every permission.
    Owner,
    /// The principal is the organization token, and the permission is one that
    /// it holds without a grant.
    OrganizationToken,
    /// The principal holds this grant.
    Grant(&'a Grant),
    /// The person is an admin of the team that the object belongs to.
    TeamAdmin,
    /// The person is a member of the team that the object belongs to.
    TeamMember,
    /// The person is a member of the organization, and every member sees this.
    OrganizationMember,
    /// The object is the principal itself, or the person's own credentials.
    OwnObject,
}

/// Why an operation is refused. The text of the error names what is missing
/// and who can change that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The principal holds the permission through no grant.
    #[error("This needs the permission {0}. An owner of the organization can give it.")]
    Missing(Permission),
    /// The token is narrowed to permissions that do not include this one.
    #[error("This token is limited and does not include {0}. Use another token.")]
    Narrowed(Permission),
    /// Only owners can do this; no permission replaces that.
    #[error("Only members of the owners team can do this.")]
    OwnersOnly,
    /// As [`Self::OwnersOnly`], for a caller that is not a person.
    #[error("Only members of the owners team can do this. Use a personal token of one of them.")]
    OwnersOnlyByPersonalToken,
    /// Only owners can do this, and the token of this owner is narrowed.
    #[error("This token is limited. Only owners can do this: use a personal token that is not limited.")]
    OwnersOnlyWhole,
    /// An organization token cannot do this.
    #[error("Organization tokens cannot be used for {0}. Use a personal token or a team token.")]
    OrganizationToken(Permission),
    /// The caller can read the project but does not reach it for writing.
    #[error("This needs the permission {0} in this project. An admin of its team or an owner can grant it.")]
    NoReach(Permission),
    /// The permission is at project level, but the target is not a project.
    #[error("{0} applies to a project. Name the project.")]
    NeedsProject(Permission),
    /// The permission is at organization level, but the target is a project.
    #[error("{0} applies to the organization. Leave the project out.")]
    NeedsOrganization(Permission),
    /// The change would grant a permission that the caller does not hold.
    #[error("This change would grant {0}, and you cannot grant access that you do not have. Ask an owner.")]
    Delegation(Permission),
    /// The change would grant a permission that the caller holds, but on an
    /// object for which the caller cannot use it.
    #[error(
        "This change would grant {0} where you do not have it, and you cannot grant access that you do not have. \
         Ask an owner."
    )]
    DelegationReach(Permission),
    /// The organization's policy reserves this for owners.
    #[error("The organization's policy lets only owners create service accounts.")]
    OwnersOnlyByPolicy,
    /// The credentials belong to another person.
    #[error("Only the person themselves can manage their personal tokens.")]
    OthersCredentials,
}

impl Decision<'_> {
    /// Whether the operation is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Decides whether `subject` may use `permission` on `target`, and why.
///
/// Gate 1: the subject holds the permission, through a grant for all projects
/// or for this project. Gate 2: the subject reaches the project. Objects that
/// the subject cannot see are hidden before any refusal, so that a refusal
/// never reveals that an object exists.
#[must_use]
pub fn decide<'a>(subject: &'a Subject, permission: Permission, target: &Target) -> Decision<'a> {
    if !can_see(subject, target) {
        return Decision::Hidden;
    }
    let level = if matches!(target, Target::Project(_)) { Level::Project } else { Level::Organization };
    let refusal = match (permission.resource.level(), level) {
        (Level::Project, Level::Organization) => Some(Refusal::NeedsProject(permission)),
        (Level::Organization, Level::Project) => Some(Refusal::NeedsOrganization(permission)),
        _ if !narrowing_allows(subject, permission) => Some(Refusal::Narrowed(permission)),
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
        Target::OrganizationToken | Target::OrganizationDeletion => true,
        Target::Team(team) | Target::TeamMembers(team) | Target::TeamToken(team) => team.owners && writes,
        _ => false,
    };
    // No permission corresponds to an owner-only operation, so no narrowed token can carry it.
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
        && (is_closed_to_organization_token(&subject.kind, project, permission.resource)
            || (matches!(subject.kind, Kind::Organization) && !organization_token_holds(permission)))
    {
        return Decision::Refused(Refusal::OrganizationToken(permission));
    }
    let Some(via) = allowed_without_grant(subject, permission, target)
        .or_else(|| holds(subject, permission, target.project()))
    else {
        return Decision::Refused(if matches!(target, Target::Credentials(_)) {
            Refusal::OthersCredentials
        } else {
            Refusal::Missing(permission)
        });
    };
    match target {
        Target::Project(project) if !reaches_project(subject, project, permission.verb) => {
            Decision::Refused(Refusal::NoReach(permission))
        }
        _ => Decision::Allowed(via),
    }
}

/// The permissions that [`decide`] allows on the target, each with its reason.
#[must_use]
pub fn allowed<'a>(subject: &'a Subject, target: &Target) -> Vec<(Permission, AllowedBy<'a>)> {
    let each = Permission::all().filter_map(|permission| match decide(subject, permission, target) {
        Decision::Allowed(by) => Some((permission, by)),
        Decision::Refused(_) | Decision::Hidden => None,
    });
    each.collect()
}

impl Target {
    const fn project(&self) -> Option<&ProjectFacts> {
        if let Self::Project(project) = self { Some(project) } else { None }
    }
}

/// Gate 1 without team roles: whether the subject holds the permission as an
/// owner, as the organization token, or through a grant. Without a project,
/// only grants for all projects count.
pub(super) fn holds<'a>(
    subject: &'a Subject,
    permission: Permission,
    project: Option<&ProjectFacts>,
) -> Option<AllowedBy<'a>> {
    if !narrowing_allows(subject, permission) {
        return None;
    }
    match &subject.kind {
        _ if permission.resource == Resource::Credentials => None,
        Kind::Person { owner: true, .. } => Some(AllowedBy::Owner),
        Kind::Organization => organization_token_holds(permission).then_some(AllowedBy::OrganizationToken),
        kind => subject
            .grants
            .iter()
            .find(|grant| permissions_of_grant(kind, grant, project).has(permission))
            .map(AllowedBy::Grant),
    }
}

/// The permissions that a grant gives to a principal of this kind: everywhere
/// if `project` is `None`, otherwise in that project.
fn permissions_of_grant(kind: &Kind, grant: &Grant, project: Option<&ProjectFacts>) -> Permissions {
    match (grant.projects, project) {
        (Projects::All, _) => limit_to_kind(kind, grant.set.permissions),
        (Projects::One(id), Some(project)) if id == project.id && can_be_named(kind, project) => {
            grant.set.permissions.intersection(Permissions::PROJECT)
        }
        (Projects::One(_), _) => Permissions::NONE,
    }
}

/// Limits permissions to those that a principal of this kind can hold: a
/// team-scoped account never holds write permissions at organization level.
pub(super) fn limit_to_kind(kind: &Kind, permissions: Permissions) -> Permissions {
    if matches!(kind, Kind::ServiceAccount { scope: AccountScope::Team(_), .. }) {
        permissions.intersection(Permissions::PROJECT.union(Permissions::READS))
    } else {
        permissions
    }
}

/// Whether organization tokens hold the permission: all but starting runs,
/// creating configuration versions, and people's own credentials.
pub(super) fn organization_token_holds(permission: Permission) -> bool {
    permission != Resource::Runs.write()
        && permission != Resource::ConfigurationVersions.write()
        && permission.resource != Resource::Credentials
}

fn narrowing_allows(subject: &Subject, permission: Permission) -> bool {
    subject.narrowed.is_none_or(|to| to.has(permission))
}

/// Gate 1 without grants: what the subject may do because of its team role, as
/// a member of the organization, or to itself.
fn allowed_without_grant<'a>(
    subject: &'a Subject,
    permission: Permission,
    target: &Target,
) -> Option<AllowedBy<'a>> {
    let reads = permission.verb == Verb::Read;
    let of_team = |team| match subject.role_in_team(team) {
        Some(TeamRole::Admin) => Some(AllowedBy::TeamAdmin),
        Some(TeamRole::Member) if reads => Some(AllowedBy::TeamMember),
        _ => None,
    };
    let member = subject.is_person().then_some(AllowedBy::OrganizationMember);
    match (target, permission.resource) {
        (Target::Organization, Resource::Groups | Resource::Members) if reads => member,
        (Target::Team(team) | Target::TeamMembers(team), Resource::Groups) if reads => {
            of_team(team.id).or(member)
        }
        (Target::TeamMembers(team), Resource::Groups) => of_team(team.id),
        (Target::TeamToken(team), Resource::Groups) if subject.is_person() => {
            if subject.role_in_team(team.id).is_some() && team.members_manage_token {
                Some(AllowedBy::TeamMember)
            } else {
                of_team(team.id)
            }
        }
        (Target::ServiceAccount(id, _), Resource::ServiceAccounts) if reads && is_itself(subject, *id) => {
            Some(AllowedBy::OwnObject)
        }
        (
            Target::ServiceAccounts(AccountScope::Team(team))
            | Target::NewServiceAccount { scope: AccountScope::Team(team), .. }
            | Target::ServiceAccount(_, AccountScope::Team(team)),
            Resource::ServiceAccounts,
        ) if subject.is_person() => of_team(*team),
        (Target::NewProject(team), Resource::ProjectCreate) => {
            of_team(*team).filter(|via| *via == AllowedBy::TeamAdmin)
        }
        (Target::Credentials(person), Resource::Credentials) => {
            matches!(&subject.kind, Kind::Person { id, .. } if id == person).then_some(AllowedBy::OwnObject)
        }
        (Target::Project(project), Resource::Projects | Resource::ProjectPermissions) => {
            of_team(project.team).filter(|via| *via == AllowedBy::TeamAdmin)
        }
        _ => None,
    }
}

fn is_itself(subject: &Subject, account: crate::platform::id::ServiceAccountId) -> bool {
    matches!(subject.kind, Kind::ServiceAccount { id, .. } if id == account)
}

/// Whether the subject may know that the target exists.
fn can_see(subject: &Subject, target: &Target) -> bool {
    let sees_team = |team: &TeamFacts| can_see_team(subject, team.id, team.secret);
    match target {
        Target::Team(team) | Target::TeamMembers(team) | Target::TeamToken(team) => sees_team(team),
        Target::ServiceAccount(..) => {
            let read = Resource::ServiceAccounts.read();
            allowed_without_grant(subject, read, target).is_some() || holds(subject, read, None).is_some()
        }
        Target::Project(project) => reaches_project(subject, project, Verb::Read),
        _ => true,
    }
}

/// The permissions that the subject holds at organization level and in all
/// projects, as `whoami` lists them. Grants that name a project add to these.
#[must_use]
pub fn effective_permissions(subject: &Subject) -> Permissions {
    collect_permissions(subject, |kind, grant| permissions_of_grant(kind, grant, None))
}

/// The permissions that the subject holds at organization level, in all
/// projects, or in at least one project. A token of the principal can be
/// narrowed to a subset of these.
#[must_use]
pub fn permissions_held_anywhere(subject: &Subject) -> Permissions {
    collect_permissions(subject, |kind, grant| match grant.projects {
        Projects::All => limit_to_kind(kind, grant.set.permissions),
        Projects::One(_) => grant.set.permissions.intersection(Permissions::PROJECT),
    })
}

/// Collects permissions by the rules of [`holds`]; `given` says what one grant
/// gives. Credentials are left out: they do not belong to the organization.
fn collect_permissions(subject: &Subject, given: impl Fn(&Kind, &Grant) -> Permissions) -> Permissions {
    let own = match &subject.kind {
        Kind::Person { owner: true, .. } => Permissions::ALL,
        Kind::Organization => {
            Permission::all().filter(|permission| organization_token_holds(*permission)).collect()
        }
        kind => subject.grants.iter().fold(Permissions::NONE, |all, grant| all.union(given(kind, grant))),
    };
    // A person's own credentials are no matter of the organization.
    let own = own.without(Permissions::from_permission(Resource::Credentials.write()));
    subject.narrowed.map_or(own, |to| own.intersection(to))
}

/// Which service accounts the subject can see in a list: all, or those of its
/// teams.
///
/// # Errors
/// [`Refusal::Narrowed`] if the token is narrowed and does not carry
/// `service_accounts:read`; [`Refusal::Missing`] for a machine principal
/// without that permission.
pub fn visible_service_accounts(subject: &Subject) -> Result<super::Audience, Refusal> {
    let read = Resource::ServiceAccounts.read();
    match &subject.kind {
        _ if holds(subject, read, None).is_some() => Ok(super::Audience::All),
        Kind::Person { teams, .. } if narrowing_allows(subject, read) => {
            Ok(super::Audience::Teams(teams.iter().map(|(id, _)| *id).collect()))
        }
        _ => Err(if subject.narrowed.is_some_and(|to| !to.has(read)) {
            Refusal::Narrowed(read)
        } else {
            Refusal::Missing(read)
        }),
    }
}

/// Whether the subject reaches every project that is not restricted,
/// whichever team owns it.
#[must_use]
pub fn reaches_unrestricted_projects(subject: &Subject) -> bool {
    subject.is_owner() || is_organization_wide(&subject.kind)
}

/// Whether the subject may know that a team exists. A secret team is visible to
/// its members and to principals that can manage teams.
#[must_use]
pub fn can_see_team(subject: &Subject, team: TeamId, is_secret: bool) -> bool {
    !is_secret || subject.role_in_team(team).is_some() || can_manage_teams(subject)
}

/// Whether the subject holds `groups:write`, and so can see secret teams.
#[must_use]
pub fn can_manage_teams(subject: &Subject) -> bool {
    holds(subject, Resource::Groups.write(), None).is_some()
}
