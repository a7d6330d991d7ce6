//! Operations on projects, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction ([`Change`]). Another team or visibility changes who can work in the project, so that
//! also requires `permissions:write` in it. Whoever restricts a project stays named in it.

use serde_json::json;

use super::model::{GrantsOf, NewProject, Project, ProjectEdit, ProjectsOf};
use super::store::{self, Filter, ReachCounts, Reached};
use crate::access::{
    Kind, Level, PermissionSet, Permissions, Permit, PrincipalId, ProjectFacts, Projects, Resource, Subject,
    Target, Visibility, authorize_read, authorize_write, can_write, decide, effective_permissions,
};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Change, Event};
use crate::callers::Caller;
use crate::grants::store as grants;
use crate::platform::id::ProjectId;
use crate::platform::text::{choose_of_organization, enter_to_confirm};
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::teams;
use crate::teams::model::Team;

/// Lists the projects that the caller can read.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Project>> {
    let reached = Reached::by(&caller.subject);
    let rows = store::list(&context.db, caller.organization.id, &reached, filter, page).await?;
    let mut slice =
        page.into_page(rows, |project| Cursor { key: project.slug.clone(), id: project.id.to_string() });
    // The statement selects the projects that the caller reaches. `decide` also checks the permission to read
    // them.
    slice.rows.retain(|project| authorize_read(&caller.subject, project.clone()).is_ok());
    let slice = slice.map(|project| project.seen_by(&caller.subject));
    // If the caller is not allowed to know the team of the filter, the list must be empty.
    if !filter.team.is_empty() && slice.rows.iter().any(|project| project.team.is_none()) {
        return Ok(Page::empty());
    }
    Ok(slice)
}

/// Returns one project, if the caller is allowed to see it.
///
/// # Errors
/// [`Error::NotFound`] if the object does not exist or the caller cannot see it.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<Project> {
    let project =
        authorize_read(&caller.subject, store::find(&context.db, caller.organization.id, named).await?)?;
    Ok(project.seen_by(&caller.subject))
}

/// The team that a form field names. [`Error::Invalid`] for that field if the caller cannot see it.
async fn team_of(change: &mut Change<'_>, caller: &Caller, named: &str) -> Result<Team> {
    let found = teams::store::find(change.tx(), caller.organization.id, named).await;
    found.and_then(|team| authorize_read(&caller.subject, team)).map_err(|error| match error {
        Error::NotFound => Error::Invalid(ValidationErrors::one("team", choose_of_organization("team"))),
        other => other,
    })
}

/// The teams in which the caller is allowed to create projects.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list_teams_for_new_project(context: &Context, caller: &Caller) -> Result<Vec<Team>> {
    let mut teams = teams::actions::list_choices(context, caller).await?;
    teams.retain(|team| can_write(&caller.subject, &ProjectsOf(team.id)));
    Ok(teams)
}

/// Whether the caller is allowed to create a project anywhere. Computed from the caller's subject without
/// reading the database.
#[must_use]
pub fn may_create(caller: &Caller) -> bool {
    let own = match &caller.subject.kind {
        Kind::Person { teams, .. } => {
            teams.iter().any(|(team, _)| can_write(&caller.subject, &ProjectsOf(*team)))
        }
        _ => false,
    };
    own || effective_permissions(&caller.subject).has(Resource::ProjectCreate.write())
}

/// Creates a project. A repeated request (same idempotency key) returns the project that the first one
/// created.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`], or [`Error::Conflict`] for a slug that is taken.
pub async fn create(context: &Context, caller: &Caller, input: &NewProject) -> Result<Project> {
    let mut checked = input.check()?;
    let organization = caller.organization.id;
    let (mut change, caller) = caller.begin(context).await?;
    let team = team_of(&mut change, &caller, &checked.team).await?;
    let permit = authorize_write(&caller.subject, ProjectsOf(team.id))?;
    let id = ProjectId::new(change.now, &context.random);
    if let Some(first) = find_or_record_outcome(&mut change, "project", &id).await? {
        return store::find(change.tx(), organization, &first.to_string()).await;
    }
    // A restricted project is created with visibility `team` and restricted in the same transaction, so that
    // the caller stays named in it.
    let wanted = checked.visibility;
    if wanted == Visibility::Restricted {
        checked.visibility = Visibility::Team;
    }
    store::insert(&mut change, organization, id, &permit, &checked).await?;
    let mut project = store::find(change.tx(), organization, &id.to_string()).await?;
    if wanted == Visibility::Restricted {
        let permit = authorize_write(&caller.subject, project.clone())?;
        let grants = authorize_write(&caller.subject, GrantsOf(project.clone()))?;
        checked.visibility = wanted;
        store::update(&mut change, &permit, &checked, team.id).await?;
        grant_to_caller(&mut change, &grants, &caller, &project).await?;
        project = store::find(change.tx(), organization, &id.to_string()).await?;
    }
    let event = Event::new(Action::ProjectCreated, "project", id, &project.name).after(json!(project));
    change.commit(event).await?;
    Ok(project)
}

/// Adds a grant for the caller in a project that they restrict. The grant gives at most what the caller held
/// in the project before: the largest project-level set that fits, otherwise the caller's role. Nothing is
/// added if a grant already names the caller, or for the organization token, which keeps access to the record
/// and the grants.
async fn grant_to_caller(
    change: &mut Change<'_>,
    permit: &Permit<GrantsOf>,
    caller: &Caller,
    before: &Project,
) -> Result<()> {
    let principal = match caller.subject.principal() {
        PrincipalId::Organization => return Ok(()),
        _ => caller.actor.id.clone(),
    };
    let named = grants::of_principal(change.tx(), &principal).await?;
    if named.iter().any(|row| row.project_id == Some(before.id)) {
        return Ok(());
    }
    let held = permissions_in(&caller.subject.unnarrowed(), before.facts());
    let fits = |set: &&PermissionSet| {
        let gives = set.permissions.intersection(Permissions::PROJECT);
        set.level == Level::Project && !gives.is_empty() && held.contains_all(gives)
    };
    let size = |set: &&PermissionSet| set.permissions.intersection(Permissions::PROJECT).each().count();
    let largest = caller.organization.sets.all().filter(fits).max_by_key(size);
    let own = caller.subject.grants.iter().find(|grant| grant.projects == Projects::All);
    let set = largest.map(|set| &set.slug).or_else(|| own.map(|grant| &grant.set.slug));
    let Some(set) = set.cloned() else { return Ok(()) };
    let grant = (principal.as_str(), &*set, Some(before.id));
    grants::insert(change, permit, caller.organization.id, grant).await
}

/// The project permissions that a principal has in a project.
fn permissions_in(subject: &Subject, project: ProjectFacts) -> Permissions {
    let target = Target::Project(project);
    let inside = Permissions::PROJECT.each();
    inside.filter(|permission| decide(subject, *permission, &target).is_allowed()).collect()
}

/// Edits a project. If `version` is given, the project must still have it.
///
/// # Errors
/// [`Error::Stale`] if somebody else edited it in the meantime; otherwise as [`create`].
pub async fn edit(
    context: &Context,
    caller: &Caller,
    named: &str,
    input: &ProjectEdit,
    version: Option<i64>,
) -> Result<Project> {
    let organization = caller.organization.id;
    let (mut change, caller) = caller.begin(context).await?;
    let project = authorize_write(&caller.subject, store::find(change.tx(), organization, named).await?)?;
    let checked = input.check(&project)?;
    let stays = checked.team == project.team_id.to_string() || project.team.as_ref() == Some(&checked.team);
    let team = if stays {
        project.team_id
    } else {
        let team = team_of(&mut change, &caller, &checked.team).await?;
        authorize_write(&caller.subject, ProjectsOf(team.id))?;
        team.id
    };
    // Another team or visibility changes who can work in the project.
    let grants = if team != project.team_id || checked.visibility != project.visibility {
        Some(authorize_write(&caller.subject, GrantsOf(project.clone()))?)
    } else {
        None
    };
    let fresh = version.is_none_or(|version| version == project.version);
    if !fresh || !store::update(&mut change, &project, &checked, team).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed this project. It is now “{}”, {}, of {}. Check it, then save again.",
            project.name,
            project.visibility,
            project.clone().seen_by(&caller.subject).owner()
        )));
    }
    let becomes_restricted =
        checked.visibility == Visibility::Restricted && project.visibility != Visibility::Restricted;
    if let Some(grants) = grants.filter(|_| becomes_restricted) {
        grant_to_caller(&mut change, &grants, &caller, &project).await?;
    }
    let before = json!(*project);
    let after = store::find(change.tx(), organization, named).await?;
    let event = Event::new(Action::ProjectEdited, "project", after.id, &after.name)
        .before(before)
        .after(json!(after));
    change.commit(event).await?;
    Ok(after.seen_by(&caller.subject))
}

/// Deletes a project and the grants that name it. `typed` is the project's name as a confirmation; `None`
/// (API) needs none.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], or [`Error::Invalid`] if the typed name differs.
pub async fn delete(context: &Context, caller: &Caller, named: &str, typed: Option<&str>) -> Result<Project> {
    let (mut change, caller) = caller.begin(context).await?;
    let project =
        authorize_write(&caller.subject, store::find(change.tx(), caller.organization.id, named).await?)?;
    if typed.is_some_and(|typed| typed.trim() != project.name) {
        let message = enter_to_confirm("project", &project.name);
        return Err(Error::Invalid(ValidationErrors::one("confirm", message)));
    }
    store::delete(change.tx(), &project).await?;
    let project = project.into_inner();
    let event = Event::new(Action::ProjectDeleted, "project", project.id, &project.name);
    change.commit(event.before(json!(project))).await?;
    Ok(project)
}

/// Sentences that say who loses access through a narrower visibility, for the confirmation page. Empty if
/// nobody does.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn consequences(
    context: &Context,
    caller: &Caller,
    project: &Project,
    to: Visibility,
) -> Result<Vec<String>> {
    // The variants of `Visibility` are ordered from wide to narrow.
    if to <= project.visibility {
        return Ok(Vec::new());
    }
    let ReachCounts { people, team_accounts, organization_accounts, service_tokens } =
        store::reach_counts(&context.db, caller.organization.id, project).await?;
    let mut lost = Vec::new();
    match (project.visibility, to) {
        (Visibility::Open, Visibility::Public) => {
            lost.push("Everyone outside its team can still read it, but can no longer write.".to_owned());
        }
        (Visibility::Open | Visibility::Public, _) => {
            lost.push("Everyone outside its team loses access.".to_owned());
        }
        _ => {}
    }
    if to == Visibility::Restricted {
        let many = |count: i64, one: &str, more: &str| {
            if count == 1 { format!("1 {one}") } else { format!("{count} {more}") }
        };
        lost.push(format!(
            "{}: {}, its API token and {}.",
            if project.team.is_some() {
                format!("The team {}", project.team_name)
            } else {
                "Its team".to_owned()
            },
            many(people, "person", "people"),
            many(team_accounts, "service account", "service accounts"),
        ));
        if organization_accounts > 0 {
            lost.push(format!(
                "{} of the organization.",
                many(organization_accounts, "service account", "service accounts")
            ));
        }
        if service_tokens > 0 {
            lost.push(format!(
                "{} with grants for all projects.",
                many(service_tokens, "service token", "service tokens")
            ));
        }
        lost.push(
            "Owners and anyone added to the project keep access. You are added to the project with your current access."
                .to_owned(),
        );
    }
    Ok(lost)
}
