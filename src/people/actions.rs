//! Operations on the members of an organization: listing them, changing their role, removing them. Called by
//! `pages` and `api`.
//!
//! Each operation that writes checks the permission and the rules, writes the rows and adds the audit event
//! in one transaction. The organization always keeps an owner.

use serde_json::json;

use super::model::{Member, People};
use super::store;
use super::store::Orphaned;
use crate::access::{authorize_read, authorize_write};
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::directory::model::TeamMembership;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::teams::model::{MembersOf, role};
use crate::teams::store as teams;

/// A member, with the teams that the caller is allowed to know.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The member's row.
    pub member: Member,
    /// The member's teams, without those that the caller is not allowed to know.
    pub teams: Vec<TeamMembership>,
}

/// A page of the organization's members, filtered by a search text and a role (each can be empty).
///
/// # Errors
/// [`Error::Forbidden`] for a machine principal without `members:read`.
pub async fn list_members(
    context: &Context,
    caller: &Caller,
    (search, role): (&str, &str),
    page: &PageRequest,
) -> Result<Page<Member>> {
    authorize_read(&caller.subject, People)?;
    let rows = store::members(&context.db, caller.organization.id, (search, role), page).await?;
    Ok(page.into_page(rows, |member| store::cursor(page, member)))
}

/// As [`list_members`], with the teams of each member.
///
/// # Errors
/// [`Error::Forbidden`] without `members:read`.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: (&str, &str),
    page: &PageRequest,
) -> Result<Page<Profile>> {
    let slice = list_members(context, caller, filter, page).await?;
    let people = slice.rows.iter().map(|member| member.id);
    let mut places = store::places_of(&context.db, caller.organization.id, people).await?;
    Ok(slice.map(|member| {
        let mut teams = places.remove(&member.id).unwrap_or_default();
        teams.retain(|team| super::invitations::knows(caller, team));
        Profile { member, teams }
    }))
}

/// Returns one member, by username or id.
///
/// # Errors
/// [`Error::NotFound`] for a person who is not a member; [`Error::Forbidden`] without `members:read`.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<Profile> {
    authorize_read(&caller.subject, People)?;
    let member = store::find(&context.db, caller.organization.id, named).await?;
    let mut teams = store::places(&context.db, caller.organization.id, member.id).await?;
    teams.retain(|team| super::invitations::knows(caller, team));
    Ok(Profile { member, teams })
}

/// Changes a member's role. If `seen` is given, the member must still have that role.
///
/// # Errors
/// [`Error::Forbidden`] if the role would give more access than the caller holds; [`Error::Invalid`] for an
/// unknown role; [`Error::Stale`] if somebody else changed the role in the meantime.
pub async fn edit(
    context: &Context,
    caller: &Caller,
    named: &str,
    new_role: &str,
    seen: Option<&str>,
) -> Result<Profile> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, People)?;
    let sets = &caller.organization.sets;
    let checked =
        role(sets, new_role).map_err(|message| Error::Invalid(ValidationErrors::one("role", message)))?;
    let member = store::find(change.tx(), caller.organization.id, named).await?;
    if seen.is_some_and(|seen| seen != member.role) {
        return Err(Error::Stale(format!(
            "Someone else has changed the role of {} to {}. Check it, then save again.",
            member.name, member.role
        )));
    }
    store::set_role(&mut change, &permit, caller.organization.id, member.id, &checked).await?;
    let event = Event::new(Action::PersonEdited, "person", member.id, &member.name)
        .before(json!({ "role": member.role }))
        .after(json!({ "role": checked }));
    change.commit(event).await?;
    get(context, &caller, named).await
}

/// The service accounts and tokens that a member created and that stay when the member is removed. They need
/// somebody else who is responsible.
///
/// # Errors
/// The same as for [`get`].
pub async fn orphaned_by(context: &Context, caller: &Caller, profile: &Profile) -> Result<Vec<Orphaned>> {
    authorize_read(&caller.subject, People)?;
    let now = context.clock.now();
    store::orphaned_by(&context.db, caller.organization.id, profile.member.id, now).await
}

/// Removes a member from the organization and revokes their open invitations. Their personal tokens lose
/// access to the organization at once. Service accounts and tokens that they created stay; if `heir` is
/// given, they are recorded as created by the heir. Requires `members:write` and, to remove an owner, an
/// owner.
///
/// # Errors
/// [`Error::Conflict`] for the last owner; [`Error::Invalid`] for an heir who is not another member of the
/// organization.
pub async fn remove(context: &Context, caller: &Caller, named: &str, heir: Option<&str>) -> Result<Member> {
    let organization = caller.organization.id;
    // If two owners remove each other at the same time, the second request sees the first removal.
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, People)?;
    let member = store::find(change.tx(), organization, named).await?;
    if member.is_owner {
        // Removing an owner from the organization also removes them from the `owners` team.
        let owners = teams::find(change.tx(), organization, "owners").await?;
        authorize_write(&caller.subject, MembersOf(owners))?;
    }
    if member.is_owner && store::owners(change.tx(), organization).await? < 2 {
        return Err(Error::conflict(
            "The owners team must have at least one member. Add another owner first.",
        ));
    }
    let mut handed = 0;
    if let Some(heir) = heir.map(str::trim).filter(|heir| !heir.is_empty()) {
        let found = store::find(change.tx(), organization, heir).await;
        let heir = found.ok().filter(|heir| heir.id != member.id).ok_or_else(|| {
            Error::Invalid(ValidationErrors::one(
                "heir",
                "Enter the username of another person in this organization.",
            ))
        })?;
        handed = store::transfer_responsibility(
            change.tx(),
            &permit,
            organization,
            member.id,
            (heir.id, &heir.name),
        )
        .await?;
        let event = Event::new(Action::HandedOver, "person", member.id, &member.name)
            .after(json!({ "to": heir.username, "things": handed }));
        change.also(&event).await?;
    }
    let now = change.now;
    store::remove(change.tx(), &permit, organization, member.id, now).await?;
    let event = Event::new(Action::PersonRemoved, "person", member.id, &member.name)
        .before(json!({ "username": member.username, "role": member.role, "owner": member.is_owner }))
        .after(json!({ "handed_over": handed }));
    change.commit(event).await?;
    Ok(member)
}
