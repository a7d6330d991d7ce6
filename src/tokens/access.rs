//! Access tokens: short-lived, exchanged for another credential, and never more
//! than it.

use std::time::Duration;

use serde_json::json;

use super::model::NewToken;
use super::store;
use crate::access::{Kind, Permissions, PrincipalId, TokenKind};
use crate::audit::{Action, Change, Event};
use crate::platform::id::{IdentityProviderId, OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::{Error, Result, Timestamp};
use crate::principals::Effect;
use crate::verification::VerifiedToken;
use crate::verification::assertion::Proven;
use crate::verification::principal::Principal;
use crate::verification::{PlainToken, TokenHash};

/// How long an access token lives unless asked otherwise.
pub const USUAL: Duration = Duration::from_secs(3600);
/// The longest that it may.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// For what an access token is given: whom it acts as, and with what it ends.
/// Made from a token that was verified, or from an external identity that was.
#[derive(Clone, Debug)]
pub struct AccessTokenGrant {
    pub(super) acts_as: TokenKind,
    pub(super) organization: Option<OrganizationId>,
    pub(super) account: Option<ServiceAccountId>,
    pub(super) person: Option<PersonId>,
    pub(super) team: Option<TeamId>,
    /// The token that it was exchanged for, and which value of it: it ends with both.
    pub(super) source: Option<(TokenId, TokenHash)>,
    /// The access token that it was narrowed from: it ends with that one too.
    pub(super) parent: Option<TokenId>,
    /// Account and identity provider with their versions, for an external identity.
    identity: Option<((ServiceAccountId, i64), (IdentityProviderId, i64))>,
    /// It ends by then.
    ends: Option<Timestamp>,
    /// It carries no more than these.
    bounds: Option<Permissions>,
}

impl AccessTokenGrant {
    /// For a token: the access token acts as the same principal.
    #[must_use]
    pub fn token(bearer: &VerifiedToken) -> Self {
        let exchanged = bearer.kind == TokenKind::Access;
        let mut access = Self {
            acts_as: bearer.acts_as,
            organization: None,
            account: None,
            person: None,
            team: None,
            source: if exchanged {
                bearer.source.as_deref().copied()
            } else {
                Some((bearer.token, bearer.value))
            },
            parent: exchanged.then_some(bearer.token),
            identity: None,
            ends: bearer.expires_at,
            bounds: bearer.narrowed,
        };
        match &bearer.principal {
            Principal::Person { id, .. } => access.person = Some(*id),
            Principal::Machine(machine) => {
                access.organization = Some(machine.organization.id);
                match machine.subject.kind {
                    Kind::ServiceAccount { id, .. } => access.account = Some(id),
                    Kind::Team(id) => access.team = Some(id),
                    _ => {}
                }
            }
        }
        access
    }

    /// For an external identity that proved to be this account's.
    #[must_use]
    pub const fn identity(
        _proof: &Proven,
        organization: OrganizationId,
        account: (ServiceAccountId, i64),
        provider: (IdentityProviderId, i64),
        ends: Option<Timestamp>,
    ) -> Self {
        Self {
            acts_as: TokenKind::ServiceAccount,
            organization: Some(organization),
            account: Some(account.0),
            person: None,
            team: None,
            source: None,
            parent: None,
            identity: Some((account, provider)),
            ends,
            bounds: None,
        }
    }

    /// What it means that an access token is issued, limited to `permissions`.
    pub(super) fn effect(&self, token: TokenId, permissions: Option<Permissions>) -> Effect {
        let service_token = self.source.map_or(token, |(source, _)| source);
        let principal = match (self.account, self.person, self.team) {
            (Some(id), ..) => PrincipalId::ServiceAccount(id),
            (_, Some(id), _) => PrincipalId::Person(id),
            (.., Some(id)) => PrincipalId::Team(id),
            _ if self.acts_as == TokenKind::Organization => PrincipalId::Organization,
            _ => PrincipalId::ServiceToken(service_token),
        };
        Effect::Credential(principal, permissions)
    }

    /// What it may be narrowed to at most; anything where that is not bounded.
    #[must_use]
    pub const fn bounds(&self) -> Option<Permissions> {
        self.bounds
    }
}

/// Issues an access token; commits. It is narrowed to `permissions`, which the
/// caller has checked against its bounds, and ends with what it came from at
/// the latest.
///
/// # Errors
/// [`Error::Unauthenticated`] where that ended or changed meanwhile; when the
/// database cannot.
pub async fn issue(
    mut change: Change<'_>,
    access: &AccessTokenGrant,
    permissions: Option<Permissions>,
    lifetime: Duration,
) -> Result<(PlainToken, Timestamp)> {
    change.no_invalidation();
    if access.identity.is_some() {
        change.without_caller();
    }
    let (context, actor, now) = (change.context().clone(), change.actor().clone(), change.now);
    let parent_lives = match access.parent {
        Some(parent) => store::lock_token(change.tx(), parent).await?,
        None => true,
    };
    let identity_lives = match access.identity {
        Some((account, provider)) => store::lock_identity(change.tx(), account, provider).await?,
        None => true,
    };
    if !parent_lives || !identity_lives {
        return Err(Error::Unauthenticated { presented: true });
    }
    let end = now.plus(lifetime.min(LONGEST));
    let end = access.ends.map_or(end, |ends| ends.min(end));
    let token = NewToken {
        name: "access".to_owned(),
        expires_at: Some(end),
        permissions: permissions.or(access.bounds),
        ..NewToken::default()
    };
    let id = TokenId::new(now, &context.random);
    let value = PlainToken::generate(TokenKind::Access, &context.random);
    store::insert_access(&mut change, id, access, &token).await?;
    store::insert_value(&mut change, access.effect(id, token.permissions), id, &value).await?;
    let after = json!({
        "token": id, "hint": value.hint(), "expires_at": end, "permissions": token.permissions,
        "exchanged_for": access.parent.or(access.source.map(|(source, _)| source)),
    });
    let kind = if access.account.is_some() { "service_account" } else { actor.kind.word() };
    change.commit(Event::new(Action::AccessTokenIssued, kind, &actor.id, &actor.name).after(after)).await?;
    Ok((value, end))
}
