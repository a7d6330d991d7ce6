//! What can be done with those who belong to the organization: their role,
//! their going.

use serde_json::json;

use super::model::{Member, People};
use super::store;
use super::store::Orphaned;
use crate::access::{authorize_read, authorize_write};
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::directory::model::TeamMembership;
use crate::platform::Context;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Error, Result, ValidationErrors};
use crate::teams::model::{MembersOf, role};
use crate::teams::store as teams;

/// A member, with the teams that the caller may know of.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Who.
    pub member: Member,
    /// Their teams.
    pub teams: Vec<TeamMembership>,
}

/// The people of the organization.
///
/// # Errors
/// [`Error::Forbidden`] for a machine without `members:read`.
pub async fn list_members(
    context: &Context,
    caller: &Caller,
    (search, role): (&str, &str),
    page: &PageRequest,
) -> Result<Page<Member>> {
    authorize_read(&caller.subject, People)?;
    let rows = store::members(&context.db, caller.organization.id, (search, role), page).await?;
    Ok(page.into_page(rows, |member| Cursor { key: member.username.clone(), id: member.id.to_string() }))
}

/// The members of a page, with the teams that the caller may know of.
///
/// # Errors
/// [`Error::Forbidden`] without `members:read`.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: (&str, &str),
    page: &PageRequest,
) -> Result<(Vec<Profile>, Option<String>)> {
    let slice = super::actions::list_members(context, caller, filter, page).await?;
    let people = slice.rows.iter().map(|member| member.id);
    let mut places = store::places_of(&context.db, caller.organization.id, people).await?;
    let profiles = slice.rows.into_iter().map(|member| {
        let mut teams = places.remove(&member.id).unwrap_or_default();
        teams.retain(|team| super::invitations::knows(caller, team));
        Profile { member, teams }
    });
    Ok((profiles.collect(), slice.next))
}

/// One member.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] without `members:read`.
pub async fn get(context: &Context, caller: &Caller, named: &str) -> Result<Profile> {
    authorize_read(&caller.subject, People)?;
    let member = store::find(&context.db, caller.organization.id, named).await?;
    let mut teams = store::places(&context.db, caller.organization.id, member.id).await?;
    teams.retain(|team| super::invitations::knows(caller, team));
    Ok(Profile { member, teams })
}

/// Changes a member's role; with `seen`, only over that role.
///
/// # Errors
/// [`Error::Forbidden`] where it would give more than the caller holds; [`Error::Invalid`];
/// [`Error::Stale`] when the role is another meanwhile.
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

/// What a member leaves behind: what they made lives on, for others to look after.
///
/// # Errors
/// As [`get`].
pub async fn orphaned_by(context: &Context, caller: &Caller, profile: &Profile) -> Result<Vec<Orphaned>> {
    authorize_read(&caller.subject, People)?;
    let now = context.clock.now();
    store::orphaned_by(&context.db, caller.organization.id, profile.member.id, now).await
}

/// Removes a member from the organization. Their personal tokens lose it at
/// once; what they made stays, in the hands of `heir` where one is named.
/// It takes `members:write`; for an owner, an owner.
///
/// # Errors
/// [`Error::Conflict`] for the last owner; [`Error::Invalid`] for an heir who
/// does not belong to the organization.
pub async fn remove(context: &Context, caller: &Caller, named: &str, heir: Option<&str>) -> Result<Member> {
    let organization = caller.organization.id;
    // Of two owners who remove each other at once, the second finds the first gone.
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, People)?;
    let member = store::find(change.tx(), organization, named).await?;
    if member.is_owner {
        // Who leaves the organization leaves the owners team, too.
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
