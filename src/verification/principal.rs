//! What verification knows of a token and its owner: the facts that are cached,
//! and the token of one request. Types only; nothing here reads or decides.

use std::borrow::Cow;
use std::sync::Arc;

use std::ops::Deref;

use super::token_format::{Hint, TokenHash};
use crate::access::{IpAllowList, Permissions, Subject, TokenKind};
use crate::audit::{Actor, ActorKind};
use crate::platform::Timestamp;
use crate::platform::id::{PersonId, ServiceId, TokenId};
use crate::platform::text::string_enum;
use crate::platform::web::RequestContext;
use crate::principals::OrganizationFacts;

/// A token that is good at this moment: what is known of its value, and how it
/// came.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    pub(super) facts: Arc<TokenFacts>,
    /// The value that was presented (one of two while an overlap lasts).
    pub value: TokenHash,
    /// When it was looked at.
    pub at: Timestamp,
    /// Its kind.
    pub kind: TokenKind,
    /// How it is shown.
    pub hint: Hint,
    /// Where the request came from.
    pub request: RequestContext,
}

impl Deref for VerifiedToken {
    type Target = TokenFacts;
    fn deref(&self) -> &TokenFacts {
        &self.facts
    }
}

impl VerifiedToken {
    /// As the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let principal = &self.principal;
        let (kind, id, name) =
            (principal.kind().into(), principal.id().into_owned(), principal.name().to_owned());
        Actor { token: Some(self.token), ..Actor::program(&self.request, kind, id, name) }
    }
}

/// What is known of a value, whoever asks and from wherever: what is remembered.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// The token's id.
    pub token: TokenId,
    /// The kind of token that it stands for: its own, or that of an access
    /// token's origin.
    pub acts_as: TokenKind,
    /// What an access token was exchanged for: the token, and which value of it.
    pub source: Option<Box<(TokenId, TokenHash)>>,
    /// When this value stops, whichever of its ends comes first.
    pub expires_at: Option<Timestamp>,
    /// When this value was made.
    pub issued_at: Timestamp,
    /// What it is narrowed to, if it is.
    pub narrowed: Option<Permissions>,
    /// Whether the value has a successor, and lives on beside it for a while.
    pub is_old: bool,
    /// From where it may be used: each list must let a request in. Those that
    /// let everybody in are left out.
    pub addresses: Box<[IpAllowList]>,
    /// Whom it acts as.
    pub principal: Principal,
}

// A hundred thousand and more are remembered.
const _: () = assert!(size_of::<TokenFacts>() <= 144);

/// Whom a token acts as.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A person, in every organization that they belong to.
    Person {
        /// Their id.
        id: PersonId,
        /// Their display name and their username.
        names: Arc<PersonNames>,
    },
    /// Anything else, in its one organization.
    Machine(Arc<MachinePrincipal>),
}

/// What a person is called.
#[derive(Clone, Debug)]
pub struct PersonNames {
    /// Their display name.
    pub name: String,
    /// Their username.
    pub username: String,
}

/// A principal that is no person.
#[derive(Clone, Debug)]
pub struct MachinePrincipal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its organization.
    pub organization: Arc<OrganizationFacts>,
    /// Its own team's slug, where it has one.
    pub team: Option<Arc<str>>,
    /// Its default team's slug, where it has one.
    pub default_team: Option<Arc<str>>,
    /// What it is and holds.
    pub subject: Arc<Subject>,
    /// Whether it is disabled or deleted.
    pub(super) is_over: bool,
    /// When it ends.
    pub(super) expires_at: Option<Timestamp>,
    /// From where it may be used; nothing where from everywhere.
    pub(super) addresses: Option<IpAllowList>,
}

string_enum! {
    /// The kinds of principal.
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
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        match self {
            Self::Person { .. } => PrincipalKind::Person,
            Self::Machine(machine) => machine.kind,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Cow<'_, str> {
        match self {
            Self::Person { id, .. } => Cow::Owned(id.to_string()),
            Self::Machine(machine) => Cow::Borrowed(&machine.id),
        }
    }

    /// What it is called by a machine: a person's username, else its name.
    #[must_use]
    pub fn username(&self) -> &str {
        match self {
            Self::Person { names, .. } => &names.username,
            Self::Machine(machine) => &machine.name,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person { names, .. } => &names.name,
            Self::Machine(machine) => &machine.name,
        }
    }
}

/// A service that proved who it is.
#[derive(Clone, Debug)]
pub struct ServiceCaller {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: Arc<str>,
    /// The kinds of token that it accepts.
    pub kinds: Vec<TokenKind>,
    /// Its organization: it learns of no other.
    pub organization: Arc<OrganizationFacts>,
}

/// What is remembered of a secret.
#[derive(Clone, Debug)]
pub struct SecretFacts {
    pub(super) token: TokenId,
    /// The first of its ends.
    pub(super) expires_at: Option<Timestamp>,
    pub(super) service: Arc<ServiceCaller>,
}

/// Whether a moment has come: at `exp` itself a token is over.
pub(super) fn passed(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| now >= end)
}
