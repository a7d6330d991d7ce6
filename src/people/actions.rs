//! What can be done with people: list, invite, accept.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::model::{Invitation, Invitations, Member, NewInvitation, Offer, People};
use super::store;
use crate::access::{Gift, holds_groups, require, require_gift, see};
use crate::audit::{Action, Actor, Change, Event};
use crate::grants::actions::hand_over;
use crate::identity::once::repeats;
use crate::identity::standing::of_team;
use crate::identity::{App, Caller};
use crate::organizations::model::NewPerson;
use crate::organizations::store as organizations;
use crate::platform::id::{InvitationId, PersonId};
use crate::platform::secret::Secret;
use crate::platform::web::paging::{Cursor, Page, Slice};
use crate::platform::{Context, Error, Mistakes, Result};
use crate::teams;
use crate::teams::model::MembersOf;

/// The people of the organization.
///
/// # Errors
/// [`Error::Forbidden`] for a machine without `members:read`.
pub async fn list(
    context: &Context,
    caller: &Caller,
    (search, role): (&str, &str),
    page: &Page,
) -> Result<Slice<Member>> {
    see(&caller.subject, People)?;
    let rows = store::members(&context.db, caller.organization.id, (search, role), page).await?;
    Ok(page.cut(rows, |member| Cursor { key: member.username.clone(), id: member.id.to_string() }))
}

/// The invitations that can still be accepted; none for who may not see them.
///
/// # Errors
/// When the database cannot.
pub async fn invitations(context: &Context, caller: &Caller) -> Result<Vec<Invitation>> {
    if see(&caller.subject, Invitations).is_err() {
        return Ok(Vec::new());
    }
    store::invitations(&context.db, caller.organization.id, context.clock.now()).await
}

fn hash(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// An invitation that was just made, and its code, this once.
#[derive(Debug)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// Its code, which is stored as a hash only; none where the same request was
    /// carried out before.
    pub code: Option<Secret>,
}

/// Makes an invitation.
///
/// # Errors
/// [`Error::Forbidden`] where it would give more than the caller holds; [`Error::Invalid`].
pub async fn invite(context: &Context, caller: &Caller, input: &NewInvitation) -> Result<Invited> {
    let permit = require(&caller.subject, Invitations)?;
    let sets = &caller.organization.sets;
    let checked = input.check(sets, context.clock.now())?;
    let organization = caller.organization.id;
    let set = sets.find(&checked.role).ok_or(Error::NotFound)?;
    require_gift(&caller.subject, &Gift::role_of_person(set))?;
    let mut change = Change::begin(context, &caller.actor, Some(organization)).await?;
    let now = change.now;
    let mut teams = Vec::new();
    for (slug, role) in &checked.teams {
        let found = teams::store::find(change.tx(), organization, slug).await;
        let team = found.and_then(|team| see(&caller.subject, team)).map_err(|_| {
            Error::Invalid(Mistakes::one("teams", format!("“{slug}” is not a team of this organization")))
        })?;
        let team = require(&caller.subject, MembersOf(team))?.into_inner().0;
        let holds = of_team(change.tx(), &caller.organization, team.id, &team.role).await?;
        hand_over(change.tx(), &caller.subject, &holds).await?;
        teams.push((team.id, *role));
    }
    let id = InvitationId::new(now, &context.random);
    if let Some(first) = repeats(&mut change, "invitation", &id).await? {
        let open = store::invitations(change.tx(), organization, now).await?;
        let invitation = open.into_iter().find(|invitation| invitation.id == first).ok_or(Error::NotFound)?;
        return Ok(Invited { invitation, code: None });
    }
    let code = Secret::new(context.random.characters(b"0123456789abcdefghjkmnpqrstvwxyz", 32));
    let row = (&caller.actor.clone(), now, checked.expires_at);
    store::insert(change.tx(), &permit, organization, id, hash(code.expose()), &checked, &teams, row).await?;
    let slugs: Vec<&String> = checked.teams.iter().map(|(slug, _)| slug).collect();
    let after = json!({ "email": checked.email, "role": checked.role, "teams": slugs });
    let name = checked.email.clone().unwrap_or_else(|| "whoever has the link".to_owned());
    change.commit(Event::new(Action::InvitationCreated, "invitation", id, name).after(after)).await?;
    let invitation = Invitation {
        id,
        email: checked.email,
        role: checked.role,
        created_by_name: caller.actor.name.clone(),
        expires_at: checked.expires_at,
    };
    Ok(Invited { invitation, code: Some(code) })
}

/// Whether the caller may know that somebody is in this team.
#[must_use]
pub fn knows(caller: &Caller, team: &store::Place) -> bool {
    !team.secret || holds_groups(&caller.subject) || caller.subject.in_team(team.id).is_some()
}

/// Takes an invitation back.
///
/// # Errors
/// [`Error::NotFound`] for one that is over.
pub async fn revoke(context: &Context, caller: &Caller, id: &str) -> Result<()> {
    let permit = require(&caller.subject, Invitations)?;
    let mut change = Change::begin(context, &caller.actor, Some(caller.organization.id)).await?;
    let now = change.now;
    if !store::revoke(change.tx(), &permit, caller.organization.id, id, now).await? {
        return Err(Error::NotFound);
    }
    change.commit(Event::new(Action::InvitationRevoked, "invitation", id, id)).await
}

/// What the holder of a code is offered.
///
/// # Errors
/// [`Error::NotFound`] for a code that is none, or over.
pub async fn offer(context: &Context, code: &str) -> Result<Offer> {
    store::offer(&context.db, hash(code), context.clock.now()).await?.ok_or(Error::NotFound)
}

/// Who accepts.
#[derive(Debug)]
pub enum Guest {
    /// Somebody with an account: their id and address.
    Known(PersonId, String),
    /// Somebody without one.
    New(NewPerson),
}

/// Accepts an invitation: the person, the membership, the team, at once.
///
/// # Errors
/// [`Error::NotFound`] for a code that is over; [`Error::Invalid`] for a new
/// person's mistakes; [`Error::Forbidden`] when it is for another address.
pub async fn accept(app: &App, actor: &Actor, code: &str, guest: Guest) -> Result<(PersonId, Offer)> {
    let new = match &guest {
        Guest::Known(..) => None,
        Guest::New(person) => {
            let mut mistakes = Mistakes::default();
            let checked = person.check(&mut mistakes);
            mistakes.none()?;
            let checked = checked.ok_or_else(|| Error::internal("checked without a mistake, yet nothing"))?;
            // The code is looked at first, so that a wrong one costs no hashing.
            offer(app, code).await?;
            Some((checked, app.passwords.hash(person.password.clone()).await?))
        }
    };
    let mut change = Change::begin(app, actor, None).await?;
    let now = change.now;
    let offer = store::offer(change.tx(), hash(code), now).await?.ok_or(Error::NotFound)?;
    organizations::lock(change.tx(), offer.organization_id).await?;
    change.within(offer.organization_id);
    let (person, email) = match (&guest, &new) {
        (Guest::Known(id, email), _) => (*id, email.clone()),
        (Guest::New(_), Some((checked, _))) => (PersonId::new(now, &app.random), checked.email.clone()),
        (Guest::New(_), None) => return Err(Error::NotFound),
    };
    if !offer.is_for(&email) {
        return Err(Error::Invalid(Mistakes::one("email", "must be the address that the invitation is for")));
    }
    if let Some((checked, hash)) = new {
        organizations::insert_person(change.tx(), person, &checked, hash, now).await?;
    }
    if !store::accept(change.tx(), offer.id, now).await? {
        return Err(Error::NotFound);
    }
    organizations::insert_member(change.tx(), offer.organization_id, person, &offer.role, now).await?;
    for (team, role) in store::teams_of(change.tx(), offer.id).await? {
        organizations::set_team_member(change.tx(), team, person, role, now).await?;
    }
    let after = json!({ "role": offer.role });
    let event = Event::new(Action::InvitationAccepted, "person", person, email).after(after);
    change.commit(event).await?;
    Ok((person, offer))
}
