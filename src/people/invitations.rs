//! Operations on invitations: list, create, edit, revoke and accept. Called by `pages`, `api` and the public
//! page of an invitation link.
//!
//! An invitation gives at most what its inviter holds. The check runs when it is created or edited, when its
//! link is opened and when it is accepted.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::model::{Invitation, InvitationDetails, InvitationEdit, Invitations, NewInvitation};
use super::store;
use crate::access::{
    PrincipalId, System, SystemReason, TeamRole, authorize_read, authorize_write, can_see_team,
};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Actor, Change, Event};
use crate::callers::Caller;
use crate::directory::model::NewPerson;
use crate::directory::store as directory;
use crate::platform::id::{InvitationId, PersonId, TeamId};
use crate::platform::secret::Secret;
use crate::platform::text::choose_of_organization;
use crate::platform::web::pagination::{Cursor, Direction, Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::principals::Effect;
use crate::state::AppState;
use crate::teams;
use crate::teams::model::MembersOf;
use crate::tokens::one_time_secret::{self, SecretDelivery};
use crate::tokens::store as tokens;

/// The name of an invitation without an email address in the audit log.
pub const ANYONE: &str = "whoever has the link";

/// Write proof for accepting an invitation. The person proves that they are invited by presenting its code.
const INVITATION: System = System::new(SystemReason::Invitation);

/// The open invitations of the organization. Empty if the caller is not allowed to see them.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn invitations(context: &Context, caller: &Caller) -> Result<Vec<Invitation>> {
    if authorize_read(&caller.subject, Invitations).is_err() {
        return Ok(Vec::new());
    }
    let mut all = store::invitations(&context.db, caller.organization.id, context.clock.now()).await?;
    for invitation in &mut all {
        invitation.teams.retain(|team| knows(caller, team));
    }
    Ok(all)
}

/// A page of the open invitations, newest first. Empty if the caller is not allowed to see them.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(context: &Context, caller: &Caller, page: &PageRequest) -> Result<Page<Invitation>> {
    let mut all = invitations(context, caller).await?;
    let (_, start) = page.start();
    match page.direction() {
        Direction::Start => {}
        Direction::After => all.retain(|invitation| invitation.id.to_string() < start),
        Direction::Before => {
            all.retain(|invitation| invitation.id.to_string() > start);
            all.reverse();
        }
    }
    Ok(page.into_page(all, |invitation| Cursor::from_id(invitation.id)))
}

/// Returns one open invitation.
///
/// # Errors
/// [`Error::NotFound`] if it does not exist or is not open any more; [`Error::Forbidden`] without
/// `invitations:read`.
pub async fn invitation(context: &Context, caller: &Caller, id: &str) -> Result<Invitation> {
    authorize_read(&caller.subject, Invitations)?;
    let all = invitations(context, caller).await?;
    all.into_iter().find(|invitation| invitation.id.to_string() == id).ok_or(Error::NotFound)
}

/// Looks up the teams of an invitation. The caller must be allowed to see them and to manage their members.
async fn named_teams(
    change: &mut Change<'_>,
    caller: &Caller,
    named: &[(String, TeamRole)],
) -> Result<Vec<(TeamId, TeamRole)>> {
    let mut teams = Vec::new();
    for (slug, role) in named {
        let found = teams::store::find(change.tx(), caller.organization.id, slug).await;
        let team = found.and_then(|team| authorize_read(&caller.subject, team)).map_err(|_| {
            Error::Invalid(ValidationErrors::one(
                "teams",
                format!("{} “{slug}” is not one.", choose_of_organization("team")),
            ))
        })?;
        let team = authorize_write(&caller.subject, MembersOf(team))?.into_inner().0;
        teams.push((team.id, *role));
    }
    Ok(teams)
}

/// Edits an open invitation. The caller becomes its inviter.
///
/// # Errors
/// [`Error::NotFound`] if the invitation is not open any more; otherwise as [`invite`].
pub async fn edit_invitation(
    context: &Context,
    caller: &Caller,
    id: &str,
    input: &InvitationEdit,
) -> Result<Invitation> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, Invitations)?;
    let (now, organization) = (change.now, caller.organization.id);
    let all = store::invitations(change.tx(), organization, now).await?;
    let was = all.into_iter().find(|it| it.id.to_string() == id).ok_or(Error::NotFound)?;
    let checked = input.over(&was).check(&caller.organization.sets, now)?;
    let teams = named_teams(&mut change, &caller, &checked.teams).await?;
    if !store::update_invitation(&mut change, &permit, was.id, &checked, &teams).await? {
        return Err(Error::NotFound);
    }
    let told = |role: &str, teams: &[String]| json!({ "email": was.email, "role": role, "teams": teams });
    let before: Vec<String> = was.teams.iter().map(|team| team.slug.clone()).collect();
    let after: Vec<String> = checked.teams.iter().map(|(slug, _)| slug.clone()).collect();
    let name = was.email.clone().unwrap_or_else(|| "whoever has the link".to_owned());
    let event = Event::new(Action::InvitationEdited, "invitation", was.id, name);
    change.commit(event.before(told(&was.role, &before)).after(told(&checked.role, &after))).await?;
    invitation(context, &caller, id).await
}

fn hash(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}

/// A new invitation with its code.
#[derive(Debug)]
pub struct Invited {
    /// The invitation, without its code.
    pub invitation: Invitation,
    /// The code, which is shown once and stored as a hash only. `None` if the request repeats an earlier one.
    pub code: Option<Secret>,
}

/// Creates an invitation.
///
/// # Errors
/// [`Error::Forbidden`] if the invitation would give more access than the caller holds; [`Error::Invalid`]
/// for invalid fields.
pub async fn invite(
    context: &Context,
    caller: &Caller,
    input: &NewInvitation,
    delivery: &SecretDelivery,
) -> Result<Invited> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, Invitations)?;
    let now = change.now;
    let checked = input.check(&caller.organization.sets, now)?;
    let organization = caller.organization.id;
    if let Some(email) = &checked.email
        && store::is_member(change.tx(), organization, email).await?
    {
        let message =
            "Enter another email address. This one belongs to a person who is already in this organization.";
        return Err(Error::Conflict(ValidationErrors::one("email", message)));
    }
    let teams = named_teams(&mut change, &caller, &checked.teams).await?;
    let id = InvitationId::new(now, &context.random);
    if let Some(first) = find_or_record_outcome(&mut change, "invitation", &id).await? {
        let open = store::invitations(change.tx(), organization, now).await?;
        let invitation = open.into_iter().find(|invitation| invitation.id == first).ok_or(Error::NotFound)?;
        return Ok(Invited { invitation, code: None });
    }
    let code = Secret::new(context.random.characters(b"0123456789abcdefghjkmnpqrstvwxyz", 32));
    store::insert(&mut change, &permit, organization, id, hash(code.expose()), &checked, &teams).await?;
    one_time_secret::put(change.tx(), context, delivery, id, code.expose()).await?;
    let slugs: Vec<&String> = checked.teams.iter().map(|(slug, _)| slug).collect();
    let after = json!({ "email": checked.email, "role": checked.role, "teams": slugs });
    let name = checked.email.clone().unwrap_or_else(|| ANYONE.to_owned());
    change.commit(Event::new(Action::InvitationCreated, "invitation", id, name).after(after)).await?;
    let all = store::invitations(&context.db, organization, now).await?;
    let invitation = all.into_iter().find(|invitation| invitation.id == id).ok_or(Error::NotFound)?;
    Ok(Invited { invitation, code: Some(code) })
}

/// Whether the caller is allowed to know about this team membership.
#[must_use]
pub fn knows(caller: &Caller, team: &crate::directory::model::TeamMembership) -> bool {
    can_see_team(&caller.subject, team.id, team.secret)
}

/// Revokes an open invitation.
///
/// # Errors
/// [`Error::NotFound`] if the invitation is not open any more.
pub async fn revoke(context: &Context, caller: &Caller, id: &str) -> Result<()> {
    let (mut change, caller) = caller.begin(context).await?;
    let permit = authorize_write(&caller.subject, Invitations)?;
    let now = change.now;
    if !store::revoke(change.tx(), &permit, caller.organization.id, id, now).await? {
        return Err(Error::NotFound);
    }
    change.commit(Event::new(Action::InvitationRevoked, "invitation", id, id)).await
}

/// Returns the invitation for a code, for the page of its link.
///
/// # Errors
/// [`Error::NotFound`] if the code is unknown, the invitation is not open any more, or its inviter no longer
/// holds what it gives.
pub async fn offer(context: &Context, actor: &Actor, code: &str) -> Result<InvitationDetails> {
    // The code is looked up without a transaction first, so that wrong codes are cheap.
    let found = store::offer(&context.db, hash(code), context.clock.now()).await?;
    found.ok_or(Error::NotFound)?;
    let mut change = Change::begin(context, actor, None).await?;
    let (offer, _) = load_valid_invitation(&mut change, code).await?;
    change.verify().await.map_err(hide_reason)?;
    Ok(offer)
}

/// Loads an invitation and its teams inside a change that counts as made by the inviter. The invitation is
/// invalid if the inviter has left or no longer holds what it gives.
async fn load_valid_invitation(
    change: &mut Change<'_>,
    code: &str,
) -> Result<(InvitationDetails, Vec<(TeamId, TeamRole)>)> {
    let now = change.now;
    let offer = store::offer(change.tx(), hash(code), now).await?.ok_or(Error::NotFound)?;
    let inviter: PrincipalId = offer.created_by.parse().map_err(|_| Error::NotFound)?;
    change.within(offer.organization_id);
    change.on_behalf_of(inviter);
    change.load_caller().await.map_err(hide_reason)?;
    if !tokens::has_active_token(change.tx(), offer.organization_id, inviter, now).await? {
        return Err(Error::NotFound);
    }
    let teams = store::list_invited_teams(change.tx(), offer.id).await?;
    change.affects(Effect::Invitation(offer.role.clone(), teams.clone())).await.map_err(hide_reason)?;
    Ok((offer, teams))
}

/// Reports an invitation whose inviter lacks the access as not found, because the invited person must not
/// learn the reason.
fn hide_reason(error: Error) -> Error {
    match error {
        Error::Forbidden(_) | Error::Unauthenticated { .. } => Error::NotFound,
        other => other,
    }
}

/// The person who accepts an invitation.
#[derive(Debug)]
pub enum Invitee {
    /// A person with an account: id and email.
    Known(PersonId, String),
    /// A person without an account, with the fields of the new account.
    New(NewPerson),
}

/// Accepts an invitation: creates the person if necessary, the membership and the team memberships in one
/// transaction.
///
/// # Errors
/// [`Error::NotFound`] if the invitation is not open any more; [`Error::Invalid`] for invalid fields of a new
/// person; [`Error::Forbidden`] if it is for another email.
pub async fn accept(
    app: &AppState,
    actor: &Actor,
    code: &str,
    guest: Invitee,
) -> Result<(PersonId, InvitationDetails)> {
    let new = match &guest {
        Invitee::Known(..) => None,
        Invitee::New(person) => {
            let mut errors = ValidationErrors::default();
            let checked = person.check(&mut errors);
            errors.into_result()?;
            let checked = checked.ok_or_else(|| Error::internal("checked without a mistake, yet nothing"))?;
            // The code is checked first, so that a wrong code does not cause password hashing.
            offer(&app.context, actor, code).await?;
            Some((checked, app.authenticator.passwords.hash(person.password.clone()).await?))
        }
    };
    let mut change = Change::begin(&app.context, actor, None).await?;
    let now = change.now;
    let (offer, teams) = load_valid_invitation(&mut change, code).await?;
    let (person, email) = match (&guest, &new) {
        (Invitee::Known(id, email), _) => (*id, email.clone()),
        (Invitee::New(_), Some((checked, _))) => {
            (PersonId::new(now, &app.context.random), checked.email.clone())
        }
        (Invitee::New(_), None) => return Err(Error::NotFound),
    };
    if !offer.is_for(&email) {
        return Err(Error::Invalid(ValidationErrors::one(
            "email",
            "Enter the email address that the invitation is for.",
        )));
    }
    if let Some((checked, hash)) = new {
        directory::insert_person(change.tx(), &INVITATION, person, &checked, hash, now).await?;
    }
    if !store::accept(change.tx(), INVITATION, offer.id, now).await? {
        return Err(Error::NotFound);
    }
    directory::insert_member(&mut change, &INVITATION, offer.organization_id, person, &offer.role).await?;
    for (team, role) in teams {
        directory::set_team_member(&mut change, &INVITATION, team, person, role).await?;
    }
    let after = json!({ "role": offer.role });
    let event = Event::new(Action::InvitationAccepted, "person", person, email).after(after);
    change.commit(event).await.map_err(hide_reason)?;
    Ok((person, offer))
}
