//! The types of verification: the cached data about a token ([`TokenFacts`]) and
//! its principal, and the verified token of one request ([`VerifiedToken`]).
//! Nothing here loads data or makes decisions.

use std::borrow::Cow;
use std::sync::Arc;

use super::token_format::{Hint, TokenHash};
use crate::access::{IpAllowList, Permissions, Subject, TokenKind};
use crate::audit::{Actor, ActorKind};
use crate::platform::Timestamp;
use crate::platform::id::{OrganizationId, PersonId, ServiceId, TokenId};
use crate::platform::text::string_enum;
use crate::platform::web::RequestContext;
use crate::principals::OrganizationFacts;

/// The valid token of a request. Only `verify` creates one.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    pub(super) facts: Arc<TokenFacts>,
    /// The hash of the presented value (one of two during an overlap).
    pub value: TokenHash,
    /// When the token was verified.
    pub at: Timestamp,
    /// The token's own kind, from its prefix.
    pub kind: TokenKind,
    /// The prefix and the last four characters, for display.
    pub hint: Hint,
    /// The request that presented the token.
    pub request: RequestContext,
}

impl VerifiedToken {
    /// What was loaded about the token and its principal.
    #[must_use]
    pub fn facts(&self) -> &TokenFacts {
        &self.facts
    }

    /// The actor for the audit log: the principal of the token.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let principal = &self.facts.principal;
        let (kind, id, name) =
            (principal.kind().into(), principal.id().into_owned(), principal.name().to_owned());
        Actor { token: Some(self.facts.token), ..Actor::program(&self.request, kind, id, name) }
    }
}

/// The data about a token value that is the same for every request, and is
/// therefore cached.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// The token's id.
    pub token: TokenId,
    /// The kind of credential that the token stands for: its own kind, or for an
    /// access token the kind of what it was exchanged for.
    pub acts_as: TokenKind,
    /// The token for which an access token was exchanged, and the hash of the
    /// exchanged value. `None` for other tokens and for external identities.
    pub source: Option<Box<(TokenId, TokenHash)>>,
    /// When this value stops working: the earliest of the ends of the value, the
    /// token, its source and its account. `None` if there is no end.
    pub expires_at: Option<Timestamp>,
    /// When this value was generated.
    pub issued_at: Timestamp,
    /// The permissions that the token is narrowed to; `None` if it is not.
    pub narrowed: Option<Permissions>,
    /// Whether the token was regenerated and this is the old value, during the
    /// overlap.
    pub is_old: bool,
    /// The IP allow-lists of the token, its source and its account. All of them
    /// must allow a request. Empty lists are left out.
    pub addresses: Box<[IpAllowList]>,
    /// The principal that the token acts as.
    pub principal: Principal,
}

// The cache contains a hundred thousand of these.
const _: () = assert!(size_of::<TokenFacts>() <= 144);

/// The principal that a token acts as.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A person, in every organization that they belong to.
    Person {
        /// The person's id.
        id: PersonId,
        /// Display name and username.
        names: Arc<PersonNames>,
    },
    /// A machine principal, in its only organization.
    Machine(Arc<MachinePrincipal>),
}

/// The names of a person.
#[derive(Clone, Debug)]
pub struct PersonNames {
    /// The display name.
    pub name: String,
    /// Unique in the installation.
    pub username: String,
}

/// A service account, service token, team or organization as the owner of a
/// token.
#[derive(Clone, Debug)]
pub struct MachinePrincipal {
    /// The kind of the principal.
    pub kind: PrincipalKind,
    /// The principal's id, with its prefix.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The principal's organization.
    pub organization: Arc<OrganizationFacts>,
    /// The slug of the team that the principal is or is scoped to.
    pub team: Option<Arc<str>>,
    /// The slug of the default team, for an organization-scoped account.
    pub default_team: Option<Arc<str>>,
    /// The principal as the subject of decisions.
    pub subject: Arc<Subject>,
    /// Whether the account is disabled or deleted.
    pub(super) is_inactive: bool,
    /// When the account's lifetime ends.
    pub(super) expires_at: Option<Timestamp>,
    /// The account's IP allow-list; `None` if it allows every address.
    pub(super) addresses: Option<IpAllowList>,
}

string_enum! {
    /// The kinds of principal, as responses name them.
    PrincipalKind {
        /// A person.
        Person = "person",
        /// A service account.
        ServiceAccount = "service_account",
        /// A service token.
        ServiceToken = "service_token",
        /// A team.
        Team = "team",
        /// The organization.
        Organization = "organization",
    }
}

impl From<PrincipalKind> for ActorKind {
    fn from(kind: PrincipalKind) -> Self {
        match kind {
            PrincipalKind::Person => Self::Person,
            PrincipalKind::ServiceAccount => Self::ServiceAccount,
            PrincipalKind::ServiceToken => Self::ServiceToken,
            PrincipalKind::Team => Self::Team,
            PrincipalKind::Organization => Self::Organization,
        }
    }
}

impl Principal {
    /// The kind of the principal.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        match self {
            Self::Person { .. } => PrincipalKind::Person,
            Self::Machine(machine) => machine.kind,
        }
    }

    /// The principal's id, with its prefix.
    #[must_use]
    pub fn id(&self) -> Cow<'_, str> {
        match self {
            Self::Person { id, .. } => Cow::Owned(id.to_string()),
            Self::Machine(machine) => Cow::Borrowed(&machine.id),
        }
    }

    /// The only organization of a machine principal; `None` for a person.
    #[must_use]
    pub fn organization(&self) -> Option<OrganizationId> {
        match self {
            Self::Person { .. } => None,
            Self::Machine(machine) => Some(machine.organization.id),
        }
    }

    /// A person's username; the name of a machine principal.
    #[must_use]
    pub fn username(&self) -> &str {
        match self {
            Self::Person { names, .. } => &names.username,
            Self::Machine(machine) => &machine.name,
        }
    }

    /// The display name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person { names, .. } => &names.name,
            Self::Machine(machine) => &machine.name,
        }
    }
}

/// A registered service that authenticated with its secret.
#[derive(Clone, Debug)]
pub struct ServiceCaller {
    /// The service's id.
    pub id: ServiceId,
    /// The display name.
    pub name: Arc<str>,
    /// The kinds of token that the service accepts.
    pub kinds: Vec<TokenKind>,
    /// The service's organization. It can verify tokens of this one only.
    pub organization: Arc<OrganizationFacts>,
}

/// The cached data about a service secret.
#[derive(Clone, Debug)]
pub struct SecretFacts {
    pub(super) token: TokenId,
    /// The earlier one of the ends of the value and of the secret.
    pub(super) expires_at: Option<Timestamp>,
    pub(super) service: Arc<ServiceCaller>,
}

/// Whether an end has been reached. A token is no longer valid at its end itself.
pub(super) fn has_ended(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| now >= end)
}
