//! The credential that an access token is exchanged for: whom the token will act as, and what it depends on.
//!
//! The endpoints in `protocols` create an [`AccessTokenGrant`] only from a verified token or a verified
//! external identity. [`super::access_token::issue`] stores it with the access token.

use crate::access::{Kind, Permissions, PrincipalId, TokenKind};
use crate::platform::Timestamp;
use crate::platform::id::{IdentityProviderId, OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::principals::Effect;
use crate::verification::assertion::VerifiedAssertion;
use crate::verification::principal::Principal;
use crate::verification::{TokenHash, VerifiedToken};

/// The basis of an access token: whom it acts as, and when it stops working. It can only be created from a
/// verified token or a verified external identity.
#[derive(Clone, Debug)]
pub struct AccessTokenGrant {
    pub(super) acts_as: TokenKind,
    pub(super) organization: Option<OrganizationId>,
    pub(super) account: Option<ServiceAccountId>,
    pub(super) person: Option<PersonId>,
    pub(super) team: Option<TeamId>,
    /// The exchanged token and the hash of its exact value. The access token stops working with either of
    /// them.
    pub(super) source: Option<(TokenId, TokenHash)>,
    /// The access token that this one was narrowed from. Revoking the parent revokes this token too.
    pub(super) parent: Option<TokenId>,
    /// The account and identity provider of an external identity, with the versions that were read. `None`
    /// for a token.
    pub(super) identity: Option<((ServiceAccountId, i64), (IdentityProviderId, i64))>,
    /// Latest expiry of the access token. `None` if the credential does not expire.
    pub(super) expires_at: Option<Timestamp>,
    /// The permissions that the exchanged credential is narrowed to. `None` if it is not narrowed.
    pub(super) bounds: Option<Permissions>,
}

impl AccessTokenGrant {
    /// Creates the basis from a verified token. The access token will act as the same principal. If the token
    /// is itself an access token, the new one keeps its source and has it as its parent.
    #[must_use]
    pub fn from_token(verified: &VerifiedToken) -> Self {
        let exchanged = verified.kind == TokenKind::Access;
        let mut grant = Self {
            acts_as: verified.facts().acts_as,
            organization: None,
            account: None,
            person: None,
            team: None,
            source: if exchanged {
                verified.facts().source.as_deref().copied()
            } else {
                Some((verified.facts().token, verified.value))
            },
            parent: exchanged.then_some(verified.facts().token),
            identity: None,
            expires_at: verified.facts().expires_at,
            bounds: verified.facts().narrowed,
        };
        match &verified.facts().principal {
            Principal::Person { id, .. } => grant.person = Some(*id),
            Principal::Machine(machine) => {
                grant.organization = Some(machine.organization.id);
                match machine.subject.kind {
                    Kind::ServiceAccount { id, .. } => grant.account = Some(id),
                    Kind::Team(id) => grant.team = Some(id),
                    _ => {}
                }
            }
        }
        grant
    }

    /// Creates the basis from an external identity. `_proof` shows that its JWT was verified for this
    /// account. Account and provider are given with their versions.
    #[must_use]
    pub const fn from_identity(
        _proof: &VerifiedAssertion,
        organization: OrganizationId,
        account: (ServiceAccountId, i64),
        provider: (IdentityProviderId, i64),
        expires_at: Option<Timestamp>,
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
            expires_at,
            bounds: None,
        }
    }

    /// The effect of issuing this access token, limited to `permissions`. `token` is the id of the new token.
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

    /// The most that the access token can be narrowed to. `None` if the exchanged credential is not narrowed.
    #[must_use]
    pub const fn bounds(&self) -> Option<Permissions> {
        self.bounds
    }
}
