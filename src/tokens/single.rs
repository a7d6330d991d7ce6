//! Tokens of owners that have at most one token: teams and organizations.
//!
//! The sections `teams` and `organizations` call these functions inside their own change. The first
//! generation inserts the token; later ones regenerate it, so that its id stays the same.

use super::lifecycle::{self, Issued, issue_purpose};
use super::model::{NewToken, Renewal, Token, TokenHolder, check_lifetime};
use super::one_time_secret::SecretDelivery;
use crate::access::{Permit, Policy};
use crate::audit::idempotency::find_or_record_outcome;
use crate::audit::{Change, Event};
use crate::platform::{Error, Result, ValidationErrors};

/// Generates the holder's token, or regenerates the current one. A repeated request (same idempotency key)
/// changes nothing and returns no value.
///
/// # Errors
/// [`Error::Invalid`] for a lifetime that the policy does not allow; [`Error::Conflict`] if a concurrent
/// request generated a token first.
pub async fn generate<T: TokenHolder>(
    change: &mut Change<'_>,
    holder: &Permit<T>,
    name: &str,
    current: Option<&Token>,
    (renewal, policy): (&Renewal, &Policy),
    delivery: &SecretDelivery,
) -> Result<Issued> {
    if let Some(current) = current {
        // If this request is a repetition, the first execution found no token and generated this one.
        if find_or_record_outcome(change, &issue_purpose(holder.into()), &current.id).await?.is_some() {
            return Ok(Issued { id: current.id, value: None });
        }
        return lifecycle::regenerate(change, holder.into(), current, renewal, policy, delivery).await;
    }
    let kind = super::model::Holder::from(holder).kind();
    let mut errors = ValidationErrors::default();
    let end = check_lifetime(&mut errors, "expires_at", &renewal.lifetime, (policy, kind), change.now);
    errors.into_result()?;
    let token = NewToken { name: name.to_owned(), expires_at: end.flatten(), ..NewToken::default() };
    lifecycle::issue(change, holder.into(), &token, delivery).await
}

/// Revokes the holder's token. Returns the audit event with which the caller commits the change.
///
/// # Errors
/// [`Error::NotFound`] if there is none.
pub async fn delete<T: TokenHolder>(
    change: &mut Change<'_>,
    holder: &Permit<T>,
    current: Option<&Token>,
) -> Result<Event> {
    lifecycle::end(change, holder.into(), current.ok_or(Error::NotFound)?).await
}
