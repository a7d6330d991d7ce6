//! The lifecycle of all tokens: issue, regenerate, rotate, revoke.
//!
//! The sections call these functions inside their own change and pass a [`Holder`] or a write proof, so that
//! nothing is written without an authorization. Idempotency keys are recorded in the same transaction; a
//! repeated request returns the id of the first result and no value. At most two values of a token work at
//! the same time.

use serde_json::{Value, json};

use super::model::{Holder, Lifetime, NewToken, Overlap, Renewal, Token, check_lifetime};
use super::one_time_secret::SecretDelivery;
use super::{one_time_secret, store};
use crate::access::{Authorized, Policy, System, SystemReason, TokenKind};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Change, Event};
use crate::platform::id::TokenId;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::verification::{PlainToken, TokenHash};

/// The result of creating a value.
#[derive(Debug)]
pub struct Issued {
    /// Id of the token.
    pub id: TokenId,
    /// The new value. `None` if the request repeats an earlier one (same idempotency key) and nothing was
    /// done.
    pub value: Option<PlainToken>,
}

impl Issued {
    /// Whether nothing was done because the request repeats an earlier one.
    #[must_use]
    pub const fn is_repeat(&self) -> bool {
        self.value.is_none()
    }
}

/// The purpose under which the idempotency key of an issue is recorded.
pub(super) fn issue_purpose(holder: Holder) -> String {
    format!("token of {:?}", holder.owner())
}

/// Inserts a token with its first value, stores the value for its page, and adds the audit event to the
/// change.
///
/// # Errors
/// [`Error::Conflict`] if the holder can have only one token and has it already; otherwise an error of the
/// database.
pub async fn issue(
    change: &mut Change<'_>,
    holder: Holder,
    token: &NewToken,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let context = change.context().clone();
    let id = TokenId::new(change.now, &context.random);
    if let Some(first) = find_or_record_outcome(change, &issue_purpose(holder), &id).await? {
        return Ok(Issued { id: first, value: None });
    }
    let value = PlainToken::generate(holder.kind(), &context.random);
    store::insert(change, id, holder, token).await?;
    store::insert_value(change, holder.proof(), holder.effect(id, token.permissions), id, &value).await?;
    one_time_secret::put(change.tx(), &context, delivery, id, value.expose()).await?;
    let after = json!({
        "kind": holder.kind(), "hint": value.hint(), "expires_at": token.expires_at,
        "allowed_addresses": token.allowed_addresses, "permissions": token.permissions,
    });
    change.also(&Event::new(Action::TokenCreated, "token", id, &token.name).after(after)).await?;
    Ok(Issued { id, value: Some(value) })
}

/// Gives an active token a later expiry, and commits the change. Whoever has the value has access for longer,
/// so the caller must hold the access of the token.
///
/// # Errors
/// [`Error::Invalid`] for a lifetime that is not allowed; [`Error::Conflict`] if the token cannot be extended
/// (see [`Token::why_not_extend`]) or would not expire later; otherwise an error of the database.
pub async fn extend(
    mut change: Change<'_>,
    holder: Holder,
    token: &Token,
    lifetime: &Lifetime,
    policy: &Policy,
) -> Result<()> {
    let now = change.now;
    if let Some(reason) = token.why_not_extend(now) {
        return Err(Error::conflict(reason));
    }
    let mut errors = ValidationErrors::default();
    let end = check_lifetime(&mut errors, "expires_at", lifetime, (policy, holder.kind()), now);
    let Some(end) = end.filter(|_| errors.is_empty()) else { return Err(Error::Invalid(errors)) };
    if let (Some(end), Some(current)) = (end, token.expires_at)
        && end <= current
    {
        let message = format!("It already expires later, on {}.", current.day());
        return Err(Error::conflict(message));
    }
    if !store::extend(&mut change, holder.proof(), token, end).await? {
        return Err(Error::conflict("It was revoked or has expired in the meantime."));
    }
    change.invalidates_token(token.id);
    let event = Event::new(Action::TokenExtended, "token", token.id, &token.name);
    let event = event.before(json!({ "expires_at": token.expires_at })).after(json!({ "expires_at": end }));
    change.commit(event).await
}

/// Gives a token a new value. The old value stops immediately or after the overlap, but not after its own
/// expiry. An old value of an earlier regeneration stops in any case.
///
/// # Errors
/// [`Error::Invalid`] for a lifetime or overlap that is not allowed; [`Error::Conflict`] for a revoked token;
/// otherwise an error of the database.
pub async fn regenerate(
    change: &mut Change<'_>,
    holder: Holder,
    token: &Token,
    renewal: &Renewal,
    policy: &Policy,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let Some((expires_at, overlap)) = renew(change, holder, token, renewal, policy).await? else {
        return Ok(Issued { id: token.id, value: None });
    };
    store::end_overlap(change.tx(), holder.proof(), token.id).await?;
    let now = change.now;
    if token.kind == TokenKind::Personal {
        // Somebody who had the old value may have created further tokens with it.
        store::revoke_created_with(change.tx(), holder.proof(), token.id, now).await?;
    }
    let stops_at = overlap.map_or(now, |overlap| now.plus(overlap.duration()));
    store::start_overlap(
        change.tx(),
        holder.proof(),
        token.id,
        token.expires_at.map_or(stops_at, |end| end.min(stops_at)),
    )
    .await?;
    if overlap.is_none() {
        store::end_overlap(change.tx(), holder.proof(), token.id).await?;
    }
    new_value(
        change,
        holder.proof(),
        token,
        delivery,
        json!({ "expires_at": expires_at, "overlap": overlap }),
    )
    .await
}

/// Regenerates a key with the key itself. Only the current value can do this. A request with an old value, or
/// the second of two concurrent requests, is rejected and changes nothing.
///
/// # Errors
/// [`Error::Conflict`] if the presented value is an old value; otherwise as [`regenerate`].
pub async fn rotate(
    change: &mut Change<'_>,
    (holder, presented): (Holder, TokenHash),
    token: &Token,
    renewal: &Renewal,
    policy: &Policy,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let is_current = store::lock_current(change.tx(), token.id, presented).await?;
    if !is_current && !repeats_rotation(change, token).await? {
        return Err(Error::conflict(
            "This value has been replaced by a newer one. Use the new value. If it is lost, regenerate the key.",
        ));
    }
    regenerate(change, holder, token, renewal, policy, delivery).await
}

/// Whether this rotation was carried out before with the same idempotency key. The presented value is then an
/// old value, but the request must succeed again.
async fn repeats_rotation(change: &mut Change<'_>, token: &Token) -> Result<bool> {
    Ok(find_or_record_outcome(change, &renewal_purpose(token), &token.id).await?.is_some())
}

/// The purpose under which the idempotency key of a regeneration is recorded.
fn renewal_purpose(token: &Token) -> String {
    format!("value of {}", token.id)
}

/// Checks the input and writes the new expiry. Returns the expiry and the overlap, or `None` if the request
/// repeats an earlier one.
async fn renew(
    change: &mut Change<'_>,
    holder: Holder,
    token: &Token,
    renewal: &Renewal,
    policy: &Policy,
) -> Result<Option<(Option<Timestamp>, Option<Overlap>)>> {
    if find_or_record_outcome(change, &renewal_purpose(token), &token.id).await?.is_some() {
        return Ok(None);
    }
    let now = change.now;
    let (expires_at, overlap) = renewal.check(token, policy, holder.kind(), now)?;
    if !store::renew(change, holder.proof(), token.effect(), token.id, expires_at).await? {
        return Err(Error::conflict("This token is revoked. Create a new one."));
    }
    Ok(Some((expires_at, overlap)))
}

/// Inserts the new current value, stores it for its page, and adds the audit event to the change.
async fn new_value(
    change: &mut Change<'_>,
    proof: Authorized,
    token: &Token,
    delivery: &SecretDelivery,
    mut after: Value,
) -> Result<Issued> {
    let context = change.context().clone();
    let value = PlainToken::generate(token.kind, &context.random);
    store::insert_value(change, proof, token.effect(), token.id, &value).await?;
    one_time_secret::put(change.tx(), &context, delivery, token.id, value.expose()).await?;
    let before = json!({ "hint": token.hint, "expires_at": token.expires_at });
    after["hint"] = json!(value.hint());
    let event = Event::new(Action::TokenRegenerated, "token", token.id, &token.name);
    change.also(&event.before(before).after(after)).await?;
    Ok(Issued { id: token.id, value: Some(value) })
}

/// Ends the overlap: the old value stops working at once. Commits the change.
///
/// # Errors
/// [`Error::Conflict`] if there is no old value; otherwise an error of the database.
pub async fn end_overlap(mut change: Change<'_>, proof: Authorized, token: &Token) -> Result<()> {
    if store::end_overlap(change.tx(), proof, token.id).await? == 0 {
        return Err(Error::conflict("The old value no longer works."));
    }
    let before = json!({ "hint": token.previous_hint });
    change.invalidates_token(token.id);
    change.commit(Event::new(Action::TokenOverlapEnded, "token", token.id, &token.name).before(before)).await
}

/// Says whose token a change is about, for a change that began without knowing it: the organization of the token, or
/// its person.
pub fn set_owner(change: &mut Change<'_>, token: &Token) {
    match (token.organization_id, token.person_id) {
        (Some(organization), _) => change.within(organization),
        (None, Some(person)) => {
            change.invalidates_person(person);
            change.about_person(person);
        }
        (None, None) => {}
    }
}

/// Revokes a token through one of its own values, and commits the change. If that is the old value
/// (`is_old`), only the overlap ends and the current value keeps working.
///
/// # Errors
/// As [`end_overlap`] and [`revoke`].
pub async fn revoke_presented(change: Change<'_>, token: &Token, is_old: bool) -> Result<()> {
    let proof = Authorized::from(System::new(SystemReason::PresentedToken));
    if is_old { end_overlap(change, proof, token).await } else { revoke(change, proof, token).await }
}

/// Revokes a token and commits the change. The proof comes from the permission to manage the holder, or from
/// the presented token itself; holding the token's access is not required.
///
/// # Errors
/// [`Error::Conflict`] if the token is already revoked; otherwise an error of the database.
pub async fn revoke(mut change: Change<'_>, proof: Authorized, token: &Token) -> Result<()> {
    let event = end(&mut change, proof, token).await?;
    // Revoking an access token or a personal token also revokes its descendants, so the change keeps its
    // default, wider cache invalidation.
    if !matches!(token.kind, TokenKind::Access | TokenKind::Personal) {
        change.invalidates_token(token.id);
    }
    change.commit(event).await
}

/// Revokes a token inside a larger change. Returns the audit event, which the caller must write.
///
/// # Errors
/// As [`revoke`].
pub async fn end(change: &mut Change<'_>, proof: Authorized, token: &Token) -> Result<Event> {
    let now = change.now;
    if !store::revoke(change.tx(), proof, token.id, now).await? {
        return Err(Error::conflict("This token is already revoked."));
    }
    let before = json!({ "kind": token.kind, "hint": token.hint, "status": token.status(now) });
    Ok(Event::new(Action::TokenRevoked, "token", token.id, &token.name).before(before))
}

/// Writes name, description and allowed IP ranges of a token. The caller writes the audit event. If `version`
/// is given, the token must still have it.
///
/// # Errors
/// [`Error::Stale`] if somebody else edited the token in the meantime; otherwise an error of the database.
pub async fn update_details(
    change: &mut Change<'_>,
    proof: Authorized,
    token: &Token,
    to: &NewToken,
    version: Option<i64>,
) -> Result<()> {
    let fresh = version.is_none_or(|version| version == token.version);
    if !fresh || !store::update_details(change, proof, token, to).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed this token. It is now “{}”. Check it, then save again.",
            token.name
        )));
    }
    Ok(())
}
