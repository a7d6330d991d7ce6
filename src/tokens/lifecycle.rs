//! The one lifecycle: issue, regenerate, revoke. Each works inside the change
//! of the section that asks, and is shown the holder's permit.

use serde_json::json;

use super::model::{Holder, Overlap, Token};
use super::store;
use crate::audit::{Action, Change, Event};
use crate::identity::PlainToken;
use crate::identity::reveal::{self, Delivery};
use crate::platform::id::TokenId;
use crate::platform::{Error, Result, Timestamp};

/// A token that has just got a value.
#[derive(Debug)]
pub struct Issued {
    /// Its id.
    pub id: TokenId,
    /// The value, this once.
    pub value: PlainToken,
}

/// Makes a token with its first value.
///
/// # Errors
/// When the database cannot.
pub async fn issue(
    change: &mut Change<'_>,
    holder: Holder,
    name: &str,
    expires_at: Option<Timestamp>,
    delivery: &Delivery,
) -> Result<Issued> {
    let (context, actor, now) = (change.context(), change.actor().clone(), change.now);
    let id = TokenId::new(now, &context.random);
    let value = PlainToken::generate(holder.kind, &context.random);
    store::insert(change.tx(), id, holder, name, expires_at, (&actor, now)).await?;
    store::insert_value(change.tx(), id, &value).await?;
    let context = change.context().clone();
    reveal::put(change.tx(), &context, delivery, id, &value).await?;
    let after = json!({ "kind": holder.kind, "hint": value.hint(), "expires_at": expires_at });
    change.also(&Event::new(Action::TokenCreated, "token", id, name).after(after)).await?;
    Ok(Issued { id, value })
}

/// Gives a token a new value. The old one stops at once, or after the overlap,
/// but never later than it would have.
///
/// # Errors
/// [`Error::Conflict`] for a revoked token; when the database cannot.
pub async fn regenerate(
    change: &mut Change<'_>,
    _holder: Holder,
    token: &Token,
    expires_at: Option<Timestamp>,
    overlap: Option<Overlap>,
    delivery: &Delivery,
) -> Result<Issued> {
    let (context, now) = (change.context().clone(), change.now);
    // Without a new end the new value lasts as long as the old one was made for.
    let same_span = token.expires_at.map(|end| now.plus(end.since(token.regenerated_at)));
    let expires_at = expires_at.or(same_span);
    if !store::renew(change.tx(), token.id, now, expires_at).await? {
        return Err(Error::conflict("This token is revoked. Make a new one."));
    }
    store::drop_previous(change.tx(), token.id).await?;
    let stops_at = overlap.map_or(now, |overlap| now.plus(overlap.duration()));
    store::retire(change.tx(), token.id, token.expires_at.map_or(stops_at, |end| end.min(stops_at))).await?;
    if overlap.is_none() {
        store::drop_previous(change.tx(), token.id).await?;
    }
    let value = PlainToken::generate(token.kind, &context.random);
    store::insert_value(change.tx(), token.id, &value).await?;
    reveal::put(change.tx(), &context, delivery, token.id, &value).await?;
    let before = json!({ "hint": token.hint, "expires_at": token.expires_at });
    let after = json!({ "hint": value.hint(), "expires_at": expires_at, "overlap": overlap });
    change
        .also(
            &Event::new(Action::TokenRegenerated, "token", token.id, &token.name).before(before).after(after),
        )
        .await?;
    Ok(Issued { id: token.id, value })
}

/// Ends the value that lives on beside its successor; commits.
///
/// # Errors
/// [`Error::Conflict`] when there is none; when the database cannot.
pub async fn stop_old(mut change: Change<'_>, token: &Token) -> Result<()> {
    if store::drop_previous(change.tx(), token.id).await? == 0 {
        return Err(Error::conflict("The old value has stopped already."));
    }
    let before = json!({ "hint": token.previous_hint });
    change.commit(Event::new(Action::TokenOverlapEnded, "token", token.id, &token.name).before(before)).await
}

/// Ends a token for good; commits. Ending takes nothing but the permission to
/// manage the holder, or being the token.
///
/// # Errors
/// [`Error::Conflict`] when it has ended already; when the database cannot.
pub async fn revoke(mut change: Change<'_>, token: &Token) -> Result<()> {
    let now = change.now;
    if !store::revoke(change.tx(), token.id, now).await? {
        return Err(Error::conflict("This token is revoked already."));
    }
    let before = json!({ "hint": token.hint, "status": token.status(now) });
    change.commit(Event::new(Action::TokenRevoked, "token", token.id, &token.name).before(before)).await
}
