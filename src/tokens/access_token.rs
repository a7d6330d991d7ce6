//! Issues access tokens: short-lived tokens that were exchanged for another credential (RFC 8693) or for an
//! external identity.
//!
//! The endpoints in `protocols` verify the credential and call [`issue`]. An access token never carries more
//! permissions and never lasts longer than the credential that it was exchanged for.

use std::time::Duration;

use serde_json::json;

use super::access_token_grant::AccessTokenGrant;
use super::model::NewToken;
use super::store;
use crate::access::{Permissions, System, SystemReason, TokenKind};
use crate::audit::{Action, Change, Event};
use crate::platform::id::TokenId;
use crate::platform::{Error, Result, Timestamp};
use crate::verification::PlainToken;

/// Write proof for an exchange. The presented credential was verified, and its principal gains no access.
const EXCHANGE: System = System::new(SystemReason::TokenExchange);

/// Default lifetime of an access token: one hour.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);
/// Maximum lifetime of an access token: twelve hours.
pub const MAX_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Issues an access token and commits the change. The token is narrowed to `permissions`, which the caller
/// must have checked against [`AccessTokenGrant::bounds`]. It expires after `lifetime`, but at most after
/// [`MAX_LIFETIME`] and not after the credential that was exchanged.
///
/// # Errors
/// [`Error::Unauthenticated`] if the access token that was exchanged has been revoked, or the account or
/// identity provider has changed in the meantime; otherwise an error of the database.
pub async fn issue(
    mut change: Change<'_>,
    grant: &AccessTokenGrant,
    permissions: Option<Permissions>,
    lifetime: Duration,
) -> Result<(PlainToken, Timestamp)> {
    change.no_invalidation();
    if grant.identity.is_some() {
        change.without_caller();
    }
    let (context, actor, now) = (change.context().clone(), change.actor().clone(), change.now);
    let parent_lives = match grant.parent {
        Some(parent) => store::lock_token(change.tx(), parent).await?,
        None => true,
    };
    let identity_lives = match grant.identity {
        Some((account, provider)) => store::lock_identity(change.tx(), account, provider).await?,
        None => true,
    };
    if !parent_lives || !identity_lives {
        return Err(Error::Unauthenticated { presented: true });
    }
    let end = now.plus(lifetime.min(MAX_LIFETIME));
    let end = grant.expires_at.map_or(end, |ends| ends.min(end));
    let token = NewToken {
        name: "access".to_owned(),
        expires_at: Some(end),
        permissions: permissions.or(grant.bounds),
        ..NewToken::default()
    };
    let id = TokenId::new(now, &context.random);
    let value = PlainToken::generate(TokenKind::Access, &context.random);
    store::insert_access_token(&mut change, EXCHANGE, id, grant, &token).await?;
    store::insert_value(&mut change, EXCHANGE.into(), grant.effect(id, token.permissions), id, &value)
        .await?;
    let after = json!({
        "token": id, "hint": value.hint(), "expires_at": end, "permissions": token.permissions,
        "exchanged_for": grant.parent.or(grant.source.map(|(source, _)| source)),
    });
    let kind = if grant.account.is_some() { "service_account" } else { actor.kind.word() };
    change.commit(Event::new(Action::AccessTokenIssued, kind, &actor.id, &actor.name).after(after)).await?;
    Ok((value, end))
}
