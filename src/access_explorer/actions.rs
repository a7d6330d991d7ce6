//! Questions of the access explorer: which principal, in which project, which permission.
//!
//! The answers come from [`decide`]. A caller can only ask about principals and projects that they are
//! allowed to see.

use crate::access::{
    AllowedBy, Decision, Grant, GrantSource, Level, Permission, Permissions, Projects, Refusal, Resource,
    Subject, Target, authorize_read, can_see_team, decide,
};
use crate::callers::Caller;
use crate::organizations::model::Settings;
use crate::people::store as people;
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::principals;
use crate::principals::load_memberships;
use crate::projects::actions as projects;
use crate::projects::model::Project;
use crate::service_accounts::actions as accounts;
use crate::service_tokens::actions as service_tokens;
use crate::teams::actions as teams;

/// A principal that a question is about.
#[derive(Clone, Debug)]
pub struct ExploredPrincipal {
    /// The principal as it was named in the form.
    pub named: String,
    /// Display name of the principal.
    pub name: String,
    /// The principal with its grants.
    pub subject: Subject,
}

/// Finds a principal that the caller is allowed to ask about: themselves; teams and service accounts that
/// they can see; with `settings:read`, also other people, service tokens and the organization token.
///
/// # Errors
/// [`Error::Invalid`] if there is no such principal; [`Error::Forbidden`] without `settings:read`.
pub async fn who(context: &Context, caller: &Caller, named: &str) -> Result<ExploredPrincipal> {
    let named = named.trim();
    let nobody = || {
        let message = "Enter a person, team or program of this organization: person:<username>, team:<slug>, organization, \
             the UID of a service account or the ID of a service token.";
        Error::Invalid(ValidationErrors::one("who", message))
    };
    let known = |error: Error| if matches!(error, Error::NotFound) { nobody() } else { error };
    let organization = &caller.organization;
    let (name, subject) = if named.is_empty() || named == caller.actor.id {
        ("You".to_owned(), caller.subject.clone())
    } else if named == "organization" || named.starts_with("org_") {
        authorize_read(&caller.subject, Settings)?;
        (format!("The organization token of {}", organization.name), principals::organization_subject())
    } else if named.starts_with("sa_") {
        let (account, subject) = accounts::get_with_subject(context, caller, named).await.map_err(known)?;
        (account.name, subject)
    } else if named.starts_with("tok_") {
        authorize_read(&caller.subject, Settings)?;
        let token = service_tokens::get(context, caller, named).await.map_err(known)?.token;
        let subject = principals::load_service_token_subject(&context.db, organization, token.id).await?;
        (token.name, subject)
    } else if let Some(team) = named.strip_prefix("team:") {
        let team = teams::get(context, caller, team).await.map_err(known)?;
        let subject = principals::load_team_subject(&context.db, organization, team.id, &team.role).await?;
        (format!("The token of {}", team.name), subject)
    } else {
        let username = named.strip_prefix("person:").unwrap_or(named);
        let member = people::find(&context.db, organization.id, username).await.map_err(known)?;
        if member.id.to_string() != caller.actor.id {
            authorize_read(&caller.subject, Settings)?;
        }
        let place = load_memberships(&context.db, member.id, Some(&organization.slug)).await?.pop();
        let mut subject = place.ok_or_else(nobody)?.subject;
        conceal_teams(context, caller, &mut subject).await?;
        (member.name, subject)
    };
    Ok(ExploredPrincipal { named: named.to_owned(), name, subject })
}

/// Hides the names of teams in a person's grants that the caller is not allowed to know.
async fn conceal_teams(context: &Context, caller: &Caller, subject: &mut Subject) -> Result<()> {
    let mut hidden: Vec<String> = Vec::new();
    for team in subject.teams() {
        let team = crate::teams::store::find(&context.db, caller.organization.id, &team.to_string()).await?;
        if !can_see_team(&caller.subject, team.id, team.facts().secret) {
            hidden.push(team.slug);
        }
    }
    for grant in &mut subject.grants {
        if matches!(&grant.source, GrantSource::Team(team) if hidden.contains(team)) {
            grant.source = GrantSource::SecretTeam;
        }
    }
    Ok(())
}

/// Finds the project that a form field names. `None` for an empty field, which means the organization.
///
/// # Errors
/// [`Error::Invalid`] for a project that the caller is not allowed to see.
pub async fn place(context: &Context, caller: &Caller, named: &str) -> Result<Option<Project>> {
    let named = named.trim();
    if named.is_empty() {
        return Ok(None);
    }
    projects::get(context, caller, named).await.map(Some).map_err(|error| match error {
        Error::NotFound => {
            Error::Invalid(ValidationErrors::one("where", "Choose a project that you have access to."))
        }
        other => other,
    })
}

/// The answer for one permission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The permission that was asked about.
    pub permission: Permission,
    /// Whether the principal has it.
    pub allowed: bool,
    /// The grant or rule that gives it, or why it is refused.
    pub reason: String,
}

/// Answers for one permission or, with `None`, for all permissions of the level: project permissions if a
/// project is given, otherwise organization permissions.
#[must_use]
pub fn ask(who: &ExploredPrincipal, what: Option<Permission>, project: Option<&Project>) -> Vec<Answer> {
    let target = project.map_or(Target::Organization, |project| Target::Project(project.facts()));
    let level = if project.is_some() { Level::Project } else { Level::Organization };
    let all: Permissions = match what {
        Some(one) => Permissions::from_permission(one),
        None => Permissions::ALL,
    };
    let asked = Permission::all().filter(|permission| match what {
        Some(one) => *permission == one,
        None => {
            all.has(*permission)
                && permission.resource.level() == level
                && permission.resource != Resource::Credentials
        }
    });
    asked
        .map(|permission| {
            let decision = decide(&who.subject, permission, &target);
            Answer { permission, allowed: decision.is_allowed(), reason: reason(&decision) }
        })
        .collect()
}

/// The reason of a decision as a sentence.
#[must_use]
pub fn reason(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Allowed(via) => match via {
            AllowedBy::Owner => "Owners have every permission.".to_owned(),
            AllowedBy::OrganizationToken => {
                "The organization token has every permission except runs:write and configuration_versions:write.".to_owned()
            }
            AllowedBy::Grant(grant) => grant_text(grant),
            AllowedBy::TeamAdmin => "Admins of the team that it belongs to have this permission.".to_owned(),
            AllowedBy::TeamMember => "Members of the team have this permission.".to_owned(),
            AllowedBy::OrganizationMember => {
                "Every member of the organization has this permission.".to_owned()
            }
            AllowedBy::OwnObject => "A service account can see itself.".to_owned(),
        },
        Decision::Refused(refusal @ Refusal::Missing(_)) => {
            format!("No grant gives this permission. {refusal}")
        }
        Decision::Refused(refusal) => refusal.to_string(),
        Decision::Hidden => "They do not have access to this project, so it is hidden from them.".to_owned(),
    }
}

fn grant_text(grant: &Grant) -> String {
    let place = match grant.projects {
        Projects::All => "for all projects",
        Projects::One(_) => "added to this project",
    };
    let source = match &grant.source {
        GrantSource::Role => "from the role".to_owned(),
        GrantSource::Named => place.to_owned(),
        GrantSource::Team(team) => format!("from the team {team}"),
        GrantSource::SecretTeam => "through a secret team".to_owned(),
    };
    format!("The permission set “{}”, {source}.", grant.set.name)
}
