//! The one lifecycle: issue, regenerate, revoke. Each works inside the change
//! of the section that asks, and is shown the holder's permit.

use serde_json::{Value, json};

use super::model::{Holder, NewToken, Overlap, Renewal, Token};
use super::one_time_secret;
use super::one_time_secret::SecretDelivery;
use super::store;
use crate::access::{Authorized, Policy, System, SystemReason, TokenKind};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Action, Change, Event};
use crate::platform::id::TokenId;
use crate::platform::{Error, Result, Timestamp};
use crate::verification::{PlainToken, TokenHash};

/// A token that has just got a value.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub id: TokenId,
    /// The value, this once; none where the same request was carried out before.
    pub value: Option<PlainToken>,
}

impl Issued {
    /// Whether nothing was done, because the same request was carried out before.
    #[must_use]
    pub const fn is_repeat(&self) -> bool {
        self.value.is_none()
    }
}

/// What a request that makes a token of a holder is remembered for.
pub(super) fn issue_purpose(holder: Holder) -> String {
    format!("token of {:?}", holder.owner())
}

/// Makes a token with its first value.
///
/// # Errors
/// [`Error::Conflict`] where the holder has its one token already; when the
/// database cannot.
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
    one_time_secret::put(change.tx(), &context, delivery, id, &value).await?;
    let after = json!({
        "kind": holder.kind(), "hint": value.hint(), "expires_at": token.expires_at,
        "allowed_addresses": token.allowed_addresses, "permissions": token.permissions,
    });
    change.also(&Event::new(Action::TokenCreated, "token", id, &token.name).after(after)).await?;
    Ok(Issued { id, value: Some(value) })
}

/// Gives a token a new value. The old one stops at once, or after the overlap,
/// but never later than it would have.
///
/// # Errors
/// [`Error::Invalid`] for an end that the policy does not allow;
/// [`Error::Conflict`] for a revoked token; when the database cannot.
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
        // Whoever had the old value may have created others with it.
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

/// The same for a program that renews itself with the value that it presents.
/// Only the value in force can do that: who comes with an older one, or second,
/// is refused, and nothing changes.
///
/// # Errors
/// [`Error::Conflict`] for a value that was replaced; as [`regenerate`].
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

/// Whether the same request was carried out before: its answer is repeated,
/// although the value that it presents was replaced by it.
async fn repeats_rotation(change: &mut Change<'_>, token: &Token) -> Result<bool> {
    Ok(find_or_record_outcome(change, &renewal_purpose(token), &token.id).await?.is_some())
}

fn renewal_purpose(token: &Token) -> String {
    format!("value of {}", token.id)
}

/// Gives a token its new end, and says for how long the old value is to live
/// on; nothing where the same request was carried out before.
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

/// Makes the value that a token has from now on, and tells of it.
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
    one_time_secret::put(change.tx(), &context, delivery, token.id, &value).await?;
    let before = json!({ "hint": token.hint, "expires_at": token.expires_at });
    after["hint"] = json!(value.hint());
    let event = Event::new(Action::TokenRegenerated, "token", token.id, &token.name);
    change.also(&event.before(before).after(after)).await?;
    Ok(Issued { id: token.id, value: Some(value) })
}

/// Ends the value that lives on beside its successor; commits.
///
/// # Errors
/// [`Error::Conflict`] when there is none; when the database cannot.
pub async fn stop_old(mut change: Change<'_>, proof: Authorized, token: &Token) -> Result<()> {
    if store::end_overlap(change.tx(), proof, token.id).await? == 0 {
        return Err(Error::conflict("The old value no longer works."));
    }
    let before = json!({ "hint": token.previous_hint });
    change.invalidates_token(token.id);
    change.commit(Event::new(Action::TokenOverlapEnded, "token", token.id, &token.name).before(before)).await
}

/// Ends a token with one of its values; commits. A value that was replaced ends
/// itself, not its successor.
///
/// # Errors
/// As [`stop_old`] and [`revoke`].
pub async fn revoke_presented(change: Change<'_>, token: &Token, is_old: bool) -> Result<()> {
    let proof = Authorized::from(System::new(SystemReason::PresentedToken));
    if is_old { stop_old(change, proof, token).await } else { revoke(change, proof, token).await }
}

/// Ends a token for good; commits. Ending takes nothing but the permission to
/// manage the holder, or being the token.
///
/// # Errors
/// [`Error::Conflict`] when it has ended already; when the database cannot.
pub async fn revoke(mut change: Change<'_>, proof: Authorized, token: &Token) -> Result<()> {
    let event = end(&mut change, proof, token).await?;
    // Others may have been created with it, and end with it.
    if !matches!(token.kind, TokenKind::Access | TokenKind::Personal) {
        change.invalidates_token(token.id);
    }
    change.commit(event).await
}

/// Ends a token inside a larger change, and gives the event that tells of it.
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

/// Writes what a token is called and from where it may be used; the caller
/// writes the event. With `version`, only over that version.
///
/// # Errors
/// [`Error::Stale`] when somebody else edited it meanwhile; when the database cannot.
pub async fn describe(
    change: &mut Change<'_>,
    proof: Authorized,
    token: &Token,
    to: &NewToken,
    version: Option<i64>,
) -> Result<()> {
    let fresh = version.is_none_or(|version| version == token.version);
    if !fresh || !store::describe(change, proof, token, to).await? {
        return Err(Error::Stale(format!(
            "Someone else has changed this token. It is now “{}”. Check it, then save again.",
            token.name
        )));
    }
    Ok(())
}
