//! Operations on teams and their members, called by `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction ([`Change`](crate::audit::Change)). Nobody can give a team, or through a team a person,
//! more access than they hold.

use serde_json::json;

use super::model::{Member, MembersOf, NewTeam, Team, TeamEdit, Teams};
use super::store::{self, Counts, Filter, TeamVisibilityFilter};
use crate::access::{Kind, Subject, TeamRole, authorize_read, authorize_write, can_manage_teams};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::platform::id::TeamId;
use crate::platform::text::enter_to_confirm;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};

/// Lists the teams that the caller is allowed to see.
///
/// # Errors
/// [`Error::Forbidden`] for a machine principal without `groups:read`.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Team>> {
    authorize_read(&caller.subject, Teams)?;
    let now = context.clock.now();
    let rows = store::list(&context.db, caller.organization.id, &seen_by(&caller.subject), filter, page, now)
        .await?;
    Ok(page.into_page(rows, |team| store::cursor(page, team)))
}

/// The teams that a form offers to the caller.
///
/// # Errors
/// [`Error::Forbidden`] for a machine principal without `groups:read`.
pub async fn list_choices(context: &Context, caller: &Caller) -> Result<Vec<Team>> {
    Ok(list(context, caller, &Filter::default(), &PageRequest::choices()).await?.rows)
}

/// Which teams the caller sees.
fn seen_by(subject: &Subject) -> TeamVisibilityFilter {
    let person = if let Kind::Person { id, .. } = subject.kind { Some(id) } else { None };
    TeamVisibilityFilter { all: can_manage_teams(subject), person }
}

/// Counts the teams that the caller is allowed to see.
///
/// # Errors
/// [`Error::Forbidden`] for a machine principal without `groups:read`.
pub async fn count(context: &Context, caller: &Caller) -> Result<Counts> {
    authorize_read(&caller.subject, Teams)?;
    let seen = seen_by(&caller.subject);
    store::count(&context.db, caller.organization.id, &seen, context.clock.now()).await
}

/// Returns one team, if the caller is allowed to see it.
///
/// # Errors
/// [`Error::NotFound`] if the object does not exist or the caller cannot see it.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<Team> {
    authorize_read(&caller.subject, store::find(&context.db, caller.organization.id, named).await?)
}

/// Creates a team without members. A repeated request (same idempotency key) returns the team that the first
/// one created.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`], or [`Error::Conflict`] for a slug that is taken.
pub async fn create(context: &Context, caller: &Caller, input: &NewTeam) -> Result<Team> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, Teams)?;
    let checked = input.check(&caller.organization.sets)?;
    let id = TeamId::new(change.now, &context.random);
    if let Some(first) = find_or_record_outcome(&mut change, "team", &id).await? {
        return store::find(change.tx(), caller.organization.id, &first.to_string()).await;
    }
    store::insert(&mut change, &permit, caller.organization.id, id, &checked).await?;
    let team = store::find(change.tx(), caller.organization.id, &id.to_string()).await?;
    let event = Event::new(Action::TeamCreated, "team", id, &team.name).after(json!(team));
    change.commit(event).await?;
    Ok(team)
}

/// Edits a team. If `version` is given, the team must still have it.
///
/// # Errors
/// [`Error::Stale`] if somebody else edited it in the meantime; otherwise as [`create`].
pub async fn edit(
    context: &Context,
    caller: &Caller,
    named: &str,
    input: &TeamEdit,
    version: Option<i64>,
) -> Result<Team> {
    let (mut change, caller) = caller.begin(context).await?;
    let team =
        authorize_write(&caller.subject, store::find(change.tx(), caller.organization.id, named).await?)?;
    let checked = input.check(&team, &caller.organization.sets)?;
    let fresh = version.is_none_or(|version| version == team.version);
    if !fresh || !store::update(&mut change, &team, &checked).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed this team. It is now “{}”. Check it, then save again.",
            team.name
        )));
    }
    let before = json!(*team);
    let after = store::find(change.tx(), caller.organization.id, named).await?;
    let event =
        Event::new(Action::TeamEdited, "team", after.id, &after.name).before(before).after(json!(after));
    change.commit(event).await?;
    Ok(after)
}

/// Deletes a team that has no projects and no service accounts and is not a default team. `typed` is the
/// team's name as a confirmation; `None` (API) needs none.
///
/// # Errors
/// [`Error::Conflict`] with the objects that depend on the team, or for the `owners` team; [`Error::Invalid`]
/// if the typed name differs.
pub async fn delete(context: &Context, caller: &Caller, named: &str, typed: Option<&str>) -> Result<Team> {
    let (mut change, caller) = caller.begin(context).await?;
    let team =
        authorize_write(&caller.subject, store::find(change.tx(), caller.organization.id, named).await?)?;
    if team.is_owners {
        return Err(Error::conflict("The owners team cannot be deleted."));
    }
    if typed.is_some_and(|typed| typed.trim() != team.name) {
        return Err(Error::Invalid(ValidationErrors::one("confirm", enter_to_confirm("team", &team.name))));
    }
    let listed = |rows: Vec<(String,)>| rows.into_iter().map(|(name,)| name).collect::<Vec<_>>().join(", ");
    let accounts = store::tied_accounts(change.tx(), team.id).await?;
    let projects = store::tied_projects(change.tx(), team.id).await?;
    let mut errors = ValidationErrors::default();
    if !accounts.is_empty() {
        errors.add(
            "",
            format!(
                "These service accounts belong to this team or have it as their default team: {}. Delete them or choose another default team first.",
                listed(accounts)
            ),
        );
    }
    if !projects.is_empty() {
        let names = listed(projects);
        errors.add("", format!("These projects belong to this team: {names}. Delete or move them first."));
    }
    if !errors.is_empty() {
        return Err(Error::Conflict(errors));
    }
    store::delete(change.tx(), &team).await?;
    let team = team.into_inner();
    change.commit(Event::new(Action::TeamDeleted, "team", team.id, &team.name).before(json!(team))).await?;
    Ok(team)
}

/// A page of the people in a team.
///
/// # Errors
/// [`Error::NotFound`] for a team that the caller is not allowed to see.
pub async fn members(
    context: &Context,
    caller: &Caller,
    named: &str,
    page: &PageRequest,
) -> Result<(Team, Page<Member>)> {
    let team = authorize_read(
        &caller.subject,
        MembersOf(store::find(&context.db, caller.organization.id, named).await?),
    )?
    .0;
    let members = store::members(&context.db, team.id, page).await?;
    Ok((team, page.into_page(members, |it| Cursor { key: it.username.clone(), id: it.id.to_string() })))
}

/// Adds a member of the organization to a team, or changes their team role.
///
/// # Errors
/// [`Error::Forbidden`] if the person would get more access than the caller holds; [`Error::NotFound`] for a
/// person who is not a member of the organization.
pub async fn set_member(
    context: &Context,
    caller: &Caller,
    named: &str,
    person: &str,
    role: TeamRole,
) -> Result<Member> {
    let (mut change, caller) = caller.begin(context).await?;
    let team = authorize_write(
        &caller.subject,
        MembersOf(store::find(change.tx(), caller.organization.id, named).await?),
    )?;
    let found = store::person(change.tx(), caller.organization.id, team.0.id, person).await?;
    let (id, username, name, was) = found.ok_or(Error::NotFound)?;
    store::set_member(&mut change, &team, id, role).await?;
    let event = Event::new(Action::TeamMemberSet, "team", team.0.id, &team.0.name)
        .before(json!({ "person": username, "role": was }))
        .after(json!({ "person": username, "role": role }));
    change.commit(event).await?;
    Ok(Member { id, username, email: String::new(), name, role })
}

/// Removes a person from a team. The `owners` team always keeps a member.
///
/// # Errors
/// [`Error::Conflict`] for the last owner; [`Error::NotFound`] for a person who is not in the team.
pub async fn remove_member(context: &Context, caller: &Caller, named: &str, person: &str) -> Result<()> {
    // If two owners remove each other at the same time, the second request sees the first removal.
    let (mut change, caller) = caller.begin(context).await?;
    let team = authorize_write(
        &caller.subject,
        MembersOf(store::find(change.tx(), caller.organization.id, named).await?),
    )?;
    let found = store::person(change.tx(), caller.organization.id, team.0.id, person).await?;
    let Some((id, username, _, Some(was))) = found else { return Err(Error::NotFound) };
    if team.0.is_owners && store::count_members(change.tx(), team.0.id).await? < 2 {
        return Err(Error::conflict(
            "The owners team must have at least one member. Add another owner first.",
        ));
    }
    store::remove_member(change.tx(), &team, id).await?;
    let event = Event::new(Action::TeamMemberRemoved, "team", team.0.id, &team.0.name)
        .before(json!({ "person": username, "role": was }));
    change.commit(event).await
}
