//! What an access token is given for: whom it acts as, and with what it ends.

use crate::access::{Kind, Permissions, PrincipalId, TokenKind};
use crate::platform::Timestamp;
use crate::platform::id::{IdentityProviderId, OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::principals::Effect;
use crate::verification::assertion::VerifiedAssertion;
use crate::verification::principal::Principal;
use crate::verification::{TokenHash, VerifiedToken};

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
    pub(super) identity: Option<((ServiceAccountId, i64), (IdentityProviderId, i64))>,
    /// It ends by then.
    pub(super) ends: Option<Timestamp>,
    /// It carries no more than these.
    pub(super) bounds: Option<Permissions>,
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
        _proof: &VerifiedAssertion,
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
