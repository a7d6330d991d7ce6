//! What can be done with projects: permission, rules, store, audit, at once.

use serde_json::json;

use super::model::{GrantsOf, NewProject, Project, ProjectEdit, ProjectsOf};
use super::store::{self, Crowd, Filter, Reached};
use crate::access::{Kind, Resource, Visibility, effective, may, require, see};
use crate::audit::{Action, Change, Event};
use crate::grants::store as grants;
use crate::identity::Caller;
use crate::identity::once::repeats;
use crate::platform::id::{GrantId, ProjectId};
use crate::platform::web::paging::{Cursor, Page, Slice};
use crate::platform::{Context, Error, Mistakes, Result};
use crate::teams;
use crate::teams::model::Team;

/// The projects that the caller reaches.
///
/// # Errors
/// When the database cannot.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    page: &Page,
) -> Result<Slice<Project>> {
    let reached = Reached::by(&caller.subject);
    let rows = store::list(&context.db, caller.organization.id, &reached, filter, page).await?;
    let mut slice =
        page.cut(rows, |project| Cursor { key: project.slug.clone(), id: project.id.to_string() });
    // The statement knows of reach; which of them may be read, `decide` says.
    slice.rows.retain(|project| see(&caller.subject, project.clone()).is_ok());
    Ok(slice)
}

/// One project that the caller sees.
///
/// # Errors
/// [`Error::NotFound`] for what is not there or hidden.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<Project> {
    see(&caller.subject, store::find(&context.db, caller.organization.id, named).await?)
}

/// The team that a field names, if the caller sees it.
async fn team_of(change: &mut Change<'_>, caller: &Caller, named: &str) -> Result<Team> {
    let found = teams::store::find(change.tx(), caller.organization.id, named).await;
    found.and_then(|team| see(&caller.subject, team)).map_err(|error| match error {
        Error::NotFound => Error::Invalid(Mistakes::one("team", "is not a team of this organization")),
        other => other,
    })
}

/// The teams in which the caller may make projects.
///
/// # Errors
/// When the database cannot.
pub async fn own_teams(context: &Context, caller: &Caller) -> Result<Vec<Team>> {
    let mut teams = teams::actions::list(context, caller, "", &Page::choices()).await?.rows;
    teams.retain(|team| may(&caller.subject, &ProjectsOf(team.id)));
    Ok(teams)
}

/// Whether the caller may make a project somewhere, told from what they are.
#[must_use]
pub fn may_create(caller: &Caller) -> bool {
    let own = match &caller.subject.kind {
        Kind::Person { teams, .. } => teams.iter().any(|(team, _)| may(&caller.subject, &ProjectsOf(*team))),
        _ => false,
    };
    own || effective(&caller.subject).has(Resource::ProjectCreate.write())
}

/// Makes a project.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] for a taken slug.
pub async fn create(context: &Context, caller: &Caller, input: &NewProject) -> Result<Project> {
    let checked = input.check()?;
    let organization = caller.organization.id;
    let mut change = Change::begin(context, &caller.actor, Some(organization)).await?;
    let team = team_of(&mut change, caller, &checked.team).await?;
    let permit = require(&caller.subject, ProjectsOf(team.id))?;
    let now = change.now;
    let id = ProjectId::new(now, &context.random);
    if let Some(first) = repeats(&mut change, "project", &id).await? {
        return store::find(change.tx(), organization, &first.to_string()).await;
    }
    store::insert(change.tx(), organization, id, &permit, &checked, now).await?;
    if checked.visibility == Visibility::Restricted {
        name_caller(&mut change, caller, id).await?;
    }
    let project = store::find(change.tx(), organization, &id.to_string()).await?;
    let event = Event::new(Action::ProjectCreated, "project", id, &project.name).after(json!(project));
    change.commit(event).await?;
    Ok(project)
}

/// Whoever restricts a project is named in it with `admin`. The organization
/// token keeps the record and the grants without that.
async fn name_caller(change: &mut Change<'_>, caller: &Caller, project: ProjectId) -> Result<()> {
    let principal = match &caller.subject.kind {
        Kind::Organization => return Ok(()),
        Kind::Person { id, .. } => id.to_string(),
        Kind::Team(id) => id.to_string(),
        Kind::ServiceAccount { id, .. } => id.to_string(),
        Kind::ServiceToken(id) => id.to_string(),
    };
    let (now, id) = (change.now, GrantId::new(change.now, &change.context().random));
    grants::clear_project(change.tx(), project, &principal).await?;
    let grant = (principal.as_str(), "admin", Some(project));
    grants::insert(change.tx(), id, caller.organization.id, grant, (&caller.actor.name, now)).await
}

/// Edits a project. With `version`, only over that version.
///
/// # Errors
/// [`Error::Conflict`] when somebody else edited it meanwhile; as [`create`].
pub async fn edit(
    context: &Context,
    caller: &Caller,
    named: &str,
    input: &ProjectEdit,
    version: Option<i64>,
) -> Result<Project> {
    let organization = caller.organization.id;
    let mut change = Change::begin(context, &caller.actor, Some(organization)).await?;
    let project = require(&caller.subject, store::find(change.tx(), organization, named).await?)?;
    let checked = input.check(&project)?;
    let team = if checked.team == project.team {
        project.team_id
    } else {
        let team = team_of(&mut change, caller, &checked.team).await?;
        require(&caller.subject, ProjectsOf(team.id))?;
        team.id
    };
    // Another team or visibility changes who works in it.
    if team != project.team_id || checked.visibility != project.visibility {
        require(&caller.subject, GrantsOf(project.clone()))?;
    }
    let fresh = version.is_none_or(|version| version == project.version);
    if !fresh || !store::update(change.tx(), &project, &checked, team).await? {
        return Err(Error::Stale(format!(
            "Somebody else changed this project meanwhile: it is now “{}”, {}, of the team {}. Look at it again, then save.",
            project.name, project.visibility, project.team_name
        )));
    }
    if checked.visibility == Visibility::Restricted && project.visibility != Visibility::Restricted {
        name_caller(&mut change, caller, project.id).await?;
    }
    let before = json!(*project);
    let after = store::find(change.tx(), organization, named).await?;
    let event = Event::new(Action::ProjectEdited, "project", after.id, &after.name)
        .before(before)
        .after(json!(after));
    change.commit(event).await?;
    Ok(after)
}

/// Deletes a project and the grants that name it. `typed` is its name, typed again.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`] for another name.
pub async fn delete(context: &Context, caller: &Caller, named: &str, typed: Option<&str>) -> Result<Project> {
    let mut change = Change::begin(context, &caller.actor, Some(caller.organization.id)).await?;
    let project = require(&caller.subject, store::find(change.tx(), caller.organization.id, named).await?)?;
    if typed.is_some_and(|typed| typed.trim() != project.name) {
        let message = format!("must be the project's name: {}", project.name);
        return Err(Error::Invalid(Mistakes::one("confirm", message)));
    }
    store::delete(change.tx(), &project).await?;
    let project = project.into_inner();
    let event = Event::new(Action::ProjectDeleted, "project", project.id, &project.name);
    change.commit(event.before(json!(project))).await?;
    Ok(project)
}

/// What a new visibility takes away, one sentence each; nothing where it takes nothing.
///
/// # Errors
/// When the database cannot.
pub async fn consequences(
    context: &Context,
    caller: &Caller,
    project: &Project,
    to: Visibility,
) -> Result<Vec<String>> {
    // The words stand in the order from wide to narrow.
    if to <= project.visibility {
        return Ok(Vec::new());
    }
    let Crowd { people, team_accounts, organization_accounts, service_tokens } =
        store::crowd(&context.db, caller.organization.id, project).await?;
    let mut lost = Vec::new();
    match (project.visibility, to) {
        (Visibility::Open, Visibility::Public) => {
            lost.push("Everyone outside its team keeps reading it and can write in it no longer.".to_owned());
        }
        (Visibility::Open | Visibility::Public, _) => {
            lost.push("Everyone outside its team can neither read it nor write in it any longer.".to_owned());
        }
        _ => {}
    }
    if to == Visibility::Restricted {
        let many = |count: i64, one: &str, more: &str| {
            if count == 1 { format!("1 {one}") } else { format!("{count} {more}") }
        };
        let team = &project.team_name;
        lost.push(format!(
            "The team {team}: {}, its API token and {}.",
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
        lost.push("Whoever is named in it stays, owners stay, and you are named as its admin.".to_owned());
    }
    Ok(lost)
}
