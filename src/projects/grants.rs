//! Operations on the grants that name a principal in one project, called by `pages` and `api`.
//!
//! They require `permissions:read` or `permissions:write` in the project ([`GrantsOf`]). A principal has at
//! most one such grant per project after [`put`]. Nobody can give more access than they hold.

use serde_json::json;

use super::model::{GrantsOf, Project};
use super::store::{self, Named};
use crate::access::{
    AccountScope, Kind, Level, PermissionSet, Permit, Policy, Visibility, authorize_read, authorize_write,
};
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::grants::store as grants;
use crate::platform::id::{PersonId, TokenId};
use crate::platform::text::casefold;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::teams;

/// Lists the principals that are named in a project.
///
/// # Errors
/// [`Error::NotFound`] for a project that the caller is not allowed to see; [`Error::Forbidden`] without
/// `permissions:read` in it.
pub async fn list(
    context: &Context,
    caller: &Caller,
    named: &str,
    page: &PageRequest,
) -> Result<(Project, Page<Named>)> {
    let project = store::find(&context.db, caller.organization.id, named).await?;
    let GrantsOf(project) = authorize_read(&caller.subject, GrantsOf(project))?;
    let rows = store::named(&context.db, project.id, page).await?;
    let slice =
        page.into_page(rows, |row| Cursor { key: row.principal_id.clone(), id: row.permission_set.clone() });
    Ok((project.seen_by(&caller.subject), slice.map(|row| row.seen_by(&caller.subject))))
}

/// A principal that a grant can name.
struct Principal {
    id: String,
    name: String,
    kind: Kind,
}

/// Finds the principal that `person:olive`, `team:platform`, `sa_…`, `account:<name>` or `tok_…` names.
/// Returns [`Error::Invalid`] if there is none or the caller is not allowed to see the team.
async fn principal(change: &mut Change<'_>, caller: &Caller, named: &str) -> Result<Principal> {
    let organization = caller.organization.id;
    let nobody = || {
        let message = "Enter a person, team or program of this organization: person:<username>, team:<slug>, \
             the UID of a service account or the ID of a service token.";
        Error::Invalid(ValidationErrors::one("principal", message))
    };
    let named = named.trim();
    if let Some(team) = named.strip_prefix("team:").or_else(|| named.starts_with("team_").then_some(named)) {
        let found = teams::store::find(change.tx(), organization, team).await;
        let team = found.and_then(|team| authorize_read(&caller.subject, team)).map_err(|_| nobody())?;
        return Ok(Principal { id: team.id.to_string(), name: team.name, kind: Kind::Team(team.id) });
    }
    if let Some(person) =
        named.strip_prefix("person:").or_else(|| named.starts_with("person_").then_some(named))
    {
        let (id, name) = store::member(change.tx(), organization, person).await?.ok_or_else(nobody)?;
        let person: PersonId = id.parse().map_err(Error::internal)?;
        let kind = Kind::Person { id: person, owner: false, teams: Vec::new() };
        return Ok(Principal { id, name, kind });
    }
    if named.starts_with("tok_") {
        let found = store::service_token(change.tx(), organization, named).await?;
        let (id, name) = found.ok_or_else(nobody)?;
        let token: TokenId = id.parse().map_err(Error::internal)?;
        return Ok(Principal { id, name, kind: Kind::ServiceToken(token) });
    }
    let account = named.strip_prefix("account:").unwrap_or(named);
    let found = store::account(change.tx(), organization, account, &casefold(account)).await?;
    let (id, name, team) = found.ok_or_else(nobody)?;
    let scope = team.map_or(AccountScope::Organization, AccountScope::Team);
    Ok(Principal { id: id.to_string(), name, kind: Kind::ServiceAccount { id, scope } })
}

async fn managed<'a>(
    context: &'a Context,
    caller: &'a Caller,
    project: &str,
) -> Result<(Change<'a>, Caller, Permit<GrantsOf>)> {
    let (mut change, caller) = caller.begin(context).await?;
    let project = store::find(change.tx(), caller.organization.id, project).await?;
    let permit = authorize_write(&caller.subject, GrantsOf(project))?;
    Ok((change, caller, permit))
}

/// Checks that a permission set exists and can be granted in one project: sets of the organization level
/// cannot.
fn project_set(caller: &Caller, slug: &str) -> Result<PermissionSet> {
    let wrong = |message: String| Error::Invalid(ValidationErrors::one("permission_set", message));
    let set = caller.organization.sets.check(slug).map_err(wrong)?;
    if set.level == Level::Organization {
        return Err(wrong(format!(
            "Choose a permission set of the level “project”. “{}” is one of the organization.",
            set.name
        )));
    }
    Ok(set)
}

/// Grants a permission set in a project to a principal. It replaces the grants that the principal had in the
/// project.
///
/// # Errors
/// [`Error::Forbidden`] if the grant would give more access than the caller holds; [`Error::Invalid`] for an
/// unknown principal, a set of the organization level, an account of another team, or a set that the policy
/// forbids for service tokens.
pub async fn put(
    context: &Context,
    caller: &Caller,
    project: &str,
    named: &str,
    set: &str,
) -> Result<(Project, Named)> {
    let (mut change, caller, permit) = managed(context, caller, project).await?;
    let project = permit.0.clone();
    let set = project_set(&caller, set)?;
    let principal = principal(&mut change, &caller, named).await?;
    let refuse = |field: &str, message: String| Err(Error::Invalid(ValidationErrors::one(field, message)));
    if let Kind::ServiceAccount { scope: AccountScope::Team(team), .. } = &principal.kind {
        let closed = matches!(project.visibility, Visibility::Team | Visibility::Restricted);
        if *team != project.team_id && closed {
            let message = "Choose a service account of the organization or of this project's team. This one belongs to another team.";
            return refuse("principal", message.to_owned());
        }
    }
    if matches!(principal.kind, Kind::ServiceToken(_)) && !caller.organization.policy.carries(&set.slug) {
        return refuse("permission_set", Policy::not_carried(&set.name));
    }
    let now = change.now;
    let before = before(&mut change, &project, &principal.id).await?;
    grants::clear_project(&mut change, &permit, project.id, &principal.id).await?;
    let grant = (principal.id.as_str(), &*set.slug, Some(project.id));
    let by = caller.actor.name.clone();
    grants::insert(&mut change, &permit, caller.organization.id, grant).await?;
    let event = Event::new(Action::ProjectGrantSet, "project", project.id, &project.name)
        .before(json!({ "principal": principal.name, "permission_sets": before }))
        .after(json!({ "principal": principal.name, "id": principal.id, "permission_set": set.slug }));
    change.commit(event).await?;
    let account_team = match principal.kind {
        Kind::ServiceAccount { scope: AccountScope::Team(team), .. } => Some(team),
        _ => None,
    };
    let row = Named {
        account_team,
        principal: principal.id.clone(),
        principal_id: principal.id,
        kind: String::new(),
        is_secret: false,
        name: principal.name,
        permission_set: set.slug.to_string(),
        created_by_name: by,
        created_at: now,
    };
    Ok((project, row))
}

async fn before(change: &mut Change<'_>, project: &Project, principal: &str) -> Result<Vec<String>> {
    let rows = grants::of_principal(change.tx(), principal).await?;
    let here = rows.into_iter().filter(|row| row.project_id == Some(project.id));
    Ok(here.map(|row| row.permission_set).collect())
}

/// Removes all grants of a principal that name the project. Returns the principal's name.
///
/// # Errors
/// [`Error::NotFound`] if no grant names the principal in the project.
pub async fn remove(context: &Context, caller: &Caller, project: &str, named: &str) -> Result<String> {
    let (mut change, caller, permit) = managed(context, caller, project).await?;
    let project = &permit.0;
    let principal = match principal(&mut change, &caller, named).await {
        Ok(principal) => (principal.id, principal.name),
        // A principal that no longer exists can be removed by its id.
        Err(Error::Invalid(_)) => (named.trim().to_owned(), named.trim().to_owned()),
        Err(error) => return Err(error),
    };
    let before = before(&mut change, project, &principal.0).await?;
    if grants::clear_project(&mut change, &permit, project.id, &principal.0).await? == 0 {
        return Err(Error::NotFound);
    }
    let event = Event::new(Action::ProjectGrantRemoved, "project", project.id, &project.name)
        .before(json!({ "principal": principal.1, "id": principal.0, "permission_sets": before }));
    change.commit(event).await?;
    Ok(principal.1)
}
