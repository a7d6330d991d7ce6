//! Operations on the keys of a service account, called by `token_pages` and `api`.
//!
//! Whoever is allowed to manage the account can manage its keys. Giving out a new value gives somebody the
//! access of the account, so the caller must hold that access. Federated accounts have no keys.

use serde_json::json;

use super::actions::{get, managed};
use super::model::{Authentication, ServiceAccount};
use crate::access::{TokenKind, authorize_write};
use crate::audit::{Action, Event};
use crate::callers::Caller;
use crate::platform::db::Source;
use crate::platform::id::TokenId;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Context, Error, Result, ValidationErrors};
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{Lifetime, Renewal, Token, TokenInput};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::store as tokens;

/// Returns an account that the caller is allowed to see, with a page of its keys, newest first. `revoked`
/// includes revoked keys.
///
/// # Errors
/// The same as for [`get`].
pub async fn with_keys(
    context: &Context,
    caller: &Caller,
    named: &str,
    revoked: bool,
    page: &PageRequest,
) -> Result<(ServiceAccount, Page<Token>)> {
    let account = get(context, caller, named).await?;
    let keys = tokens::of_account(&context.db, account.id, revoked, page).await?;
    Ok((account, page.into_page(keys, |key| Cursor::from_id(key.id))))
}

/// Returns an account that the caller is allowed to see, with one of its keys.
///
/// # Errors
/// The same as for [`get`].
pub async fn with_key(
    context: &Context,
    caller: &Caller,
    named: &str,
    key: &str,
) -> Result<(ServiceAccount, Token)> {
    let account = get(context, caller, named).await?;
    let key = key_of(&context.db, &account, key).await?;
    Ok((account, key))
}

/// Creates another key.
///
/// # Errors
/// [`Error::Conflict`] for a federated account; [`Error::Forbidden`] if the account holds more access than
/// the caller; [`Error::Invalid`] for invalid fields.
pub async fn add_key(
    context: &Context,
    caller: &Caller,
    named: &str,
    input: &TokenInput,
    delivery: &SecretDelivery,
) -> Result<(ServiceAccount, Issued)> {
    let (mut change, caller, account) = managed(context, caller, named).await?;
    if account.authentication == Authentication::Federated {
        return Err(Error::conflict(
            "A federated account cannot have API keys. It signs in through its identity provider.",
        ));
    }
    let mut errors = ValidationErrors::default();
    let of = (&caller.organization.policy, TokenKind::ServiceAccount);
    let Some(key) = input.check(&mut errors, of, change.now).filter(|_| errors.is_empty()) else {
        return Err(Error::Invalid(errors));
    };
    let issued = lifecycle::issue(&mut change, (&account).into(), &key, delivery).await?;
    let account = account.into_inner();
    if issued.is_repeat() {
        return Ok((account, issued));
    }
    let event = Event::new(Action::ServiceAccountEdited, "service_account", account.id, &account.name);
    change.no_invalidation();
    change.commit(event.after(json!({ "key_added": issued.id }))).await?;
    Ok((account, issued))
}

/// Regenerates a key.
///
/// # Errors
/// [`Error::Forbidden`] if the account holds more access than the caller; [`Error::Conflict`] for a revoked
/// key.
pub async fn regenerate(
    context: &Context,
    caller: &Caller,
    named: &str,
    key: &str,
    renewal: &Renewal,
    delivery: &SecretDelivery,
) -> Result<(ServiceAccount, Issued)> {
    let (mut change, caller, account) = managed(context, caller, named).await?;
    let token = key_of(change.tx(), &account, key).await?;
    let policy = &caller.organization.policy;
    let issued =
        lifecycle::regenerate(&mut change, (&account).into(), &token, renewal, policy, delivery).await?;
    let account = account.into_inner();
    if issued.is_repeat() {
        return Ok((account, issued));
    }
    let event = Event::new(Action::ServiceAccountEdited, "service_account", account.id, &account.name);
    change.invalidates_token(token.id);
    change.commit(event.after(json!({ "key_regenerated": token.id }))).await?;
    Ok((account, issued))
}

/// Gives a key a later expiry.
///
/// # Errors
/// [`Error::Forbidden`] if the account holds more access than the caller; [`Error::Invalid`] for the lifetime;
/// [`Error::Conflict`] if the key cannot be extended.
pub async fn extend(
    context: &Context,
    caller: &Caller,
    named: &str,
    key: &str,
    lifetime: &Lifetime,
) -> Result<Token> {
    let (mut change, caller, account) = managed(context, caller, named).await?;
    let token = key_of(change.tx(), &account, key).await?;
    let policy = &caller.organization.policy;
    lifecycle::extend(change, (&account).into(), &token, lifetime, policy).await?;
    Ok(token)
}

/// Edits the name, description and allowed IP ranges of a key. If `version` is given, the key must still have
/// it.
///
/// # Errors
/// [`Error::Invalid`] for invalid fields; [`Error::Forbidden`] if other IP ranges would give access that the
/// caller does not hold; [`Error::Stale`] if somebody else edited the key in the meantime.
pub async fn edit_key(
    context: &Context,
    caller: &Caller,
    named: &str,
    key: &str,
    input: &TokenInput,
    version: Option<i64>,
) -> Result<Token> {
    let (mut change, caller, account) = managed(context, caller, named).await?;
    let token = key_of(change.tx(), &account, key).await?;
    let mut errors = ValidationErrors::default();
    let of = (&caller.organization.policy, TokenKind::ServiceAccount);
    let checked = input.check(&mut errors, of, change.now).filter(|_| errors.is_empty());
    let Some(checked) = checked else { return Err(Error::Invalid(errors)) };
    lifecycle::update_details(&mut change, (&account).into(), &token, &checked, version).await?;
    let before = json!({ "name": token.name, "allowed_addresses": token.allowed_addresses });
    let after = json!({ "name": checked.name, "allowed_addresses": checked.allowed_addresses });
    let event = Event::new(Action::TokenEdited, "token", token.id, &checked.name);
    change.invalidates_token(token.id);
    let id = token.id;
    let fresh = tokens::find(change.tx(), id).await?.ok_or(Error::NotFound)?;
    change.commit(event.before(before).after(after)).await?;
    Ok(fresh)
}

/// Ends the overlap: the old value stops working at once.
///
/// # Errors
/// [`Error::Conflict`] if no old value works any more.
pub async fn end_overlap(context: &Context, caller: &Caller, named: &str, key: &str) -> Result<Token> {
    let (mut change, _, account) = managed(context, caller, named).await?;
    let token = key_of(change.tx(), &account, key).await?;
    lifecycle::end_overlap(change, (&account).into(), &token).await?;
    Ok(token)
}

/// Revokes a key, or an access token that acts as the account.
///
/// # Errors
/// [`Error::Conflict`] if the token is already revoked.
pub async fn revoke(context: &Context, caller: &Caller, named: &str, key: &str) -> Result<Token> {
    let (mut change, _, account) = managed(context, caller, named).await?;
    let token = token_of(change.tx(), &account, key).await?;
    lifecycle::revoke(change, (&account).into(), &token).await?;
    Ok(token)
}

/// Returns a key or an access token of an account, if the caller is allowed to revoke it.
///
/// # Errors
/// [`Error::NotFound`] if the caller cannot see the object, [`Error::Forbidden`] if they lack the permission.
pub async fn revocable(
    context: &Context,
    caller: &Caller,
    named: &str,
    token: &str,
) -> Result<(ServiceAccount, Token)> {
    let account = authorize_write(&caller.subject, get(context, caller, named).await?)?.into_inner();
    let token = token_of(&context.db, &account, token).await?;
    Ok((account, token))
}

/// Finds a key of the account. [`Error::NotFound`] for any other token.
async fn key_of(source: impl Into<Source<'_>>, account: &ServiceAccount, key: &str) -> Result<Token> {
    let token = token_of(source, account, key).await?;
    if token.kind == TokenKind::ServiceAccount { Ok(token) } else { Err(Error::NotFound) }
}

/// Finds a key of the account or an access token that acts as it.
async fn token_of(source: impl Into<Source<'_>>, account: &ServiceAccount, token: &str) -> Result<Token> {
    let id: TokenId = token.parse().map_err(|_| Error::NotFound)?;
    let token = tokens::find(source, id).await?;
    token.filter(|token| token.service_account_id == Some(account.id)).ok_or(Error::NotFound)
}
