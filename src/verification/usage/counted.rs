//! What is counted for each verification: whose token it was, which value, from where, by which service, for
//! what, and with which outcome.

use std::fmt;
use std::net::IpAddr;

use crate::access::{Decision, Kind, Permission, Target};
use crate::platform::id::{
    OrganizationId, PersonId, ProjectId, ServiceAccountId, ServiceId, TeamId, TokenId,
};
use crate::platform::text::string_enum;
use crate::verification::principal::Principal;

string_enum! {
    /// The result of a verification: allowed, or the reason of the refusal.
    Outcome {
        /// The token is valid, and it has the permission if the service asked for one.
        Allowed = "allowed",
        /// The value belongs to no token of the organization.
        Unknown = "unknown",
        /// The token has expired.
        Expired = "expired",
        /// The token was revoked.
        Revoked = "revoked",
        /// This is an old value whose overlap has ended.
        Replaced = "replaced",
        /// The principal of the token, or the token that it was exchanged for, is disabled or has ended.
        HolderEnded = "holder_ended",
        /// The token cannot be used from this IP address.
        Address = "address",
        /// The service does not accept this kind of token.
        Kind = "kind",
        /// The organization does not accept personal tokens.
        PersonalTokens = "personal_tokens",
        /// The principal does not have the permission.
        Permission = "permission",
        /// The principal has no access to the project, or it does not exist.
        Project = "project",
    }
}

impl Outcome {
    /// Whether the call was allowed.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// The reason on pages: what is wrong, as the end of the sentence “refused because …”.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Allowed => "nothing is wrong",
            Self::Unknown => "the value belongs to no token",
            Self::Expired => "the token has expired",
            Self::Revoked => "the token was revoked",
            Self::Replaced => "the old value has stopped",
            Self::HolderEnded => "the account is disabled or has ended",
            Self::Address => "the IP address is not allowed",
            Self::Kind => "the service does not accept this kind of token",
            Self::PersonalTokens => "personal tokens are not accepted",
            Self::Permission => "the permission is missing",
            Self::Project => "there is no access to the project",
        }
    }
}

/// What was asked about a token, and the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Check {
    /// The permission that the service asked for, if it asked for one.
    pub permission: Option<Permission>,
    /// The project that the service asked about.
    pub project: Option<ProjectId>,
    /// The answer.
    pub outcome: Outcome,
}

impl Check {
    /// A valid token, of which no permission was asked.
    pub const VALID: Self = Self { permission: None, project: None, outcome: Outcome::Allowed };

    /// A permission that `decide` allowed or refused.
    #[must_use]
    pub fn decided(permission: Permission, target: &Target, decision: &Decision<'_>) -> Self {
        let project = if let Target::Project(project) = target { Some(project.id) } else { None };
        let outcome = match decision {
            Decision::Allowed(_) => Outcome::Allowed,
            Decision::Refused(_) => Outcome::Permission,
            Decision::Hidden => Outcome::Project,
        };
        Self { permission: Some(permission), project, outcome }
    }

    /// A permission in a project that does not exist.
    #[must_use]
    pub const fn unknown_project(permission: Permission) -> Self {
        Self { permission: Some(permission), project: None, outcome: Outcome::Project }
    }

    /// A refusal without a decision.
    #[must_use]
    pub const fn refused(outcome: Outcome) -> Self {
        Self { permission: None, project: None, outcome }
    }
}

/// A principal whose calls are counted, with its own id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CountedPrincipal {
    /// The organization, with its token.
    Organization(OrganizationId),
    /// A team, with its token.
    Team(TeamId),
    /// A service account, with its keys and external identities.
    ServiceAccount(ServiceAccountId),
    /// A service token, which acts as itself.
    ServiceToken(TokenId),
    /// A person, with personal tokens.
    Person(PersonId),
    /// A service, with its secrets.
    Service(ServiceId),
}

impl From<&Principal> for CountedPrincipal {
    fn from(principal: &Principal) -> Self {
        match principal {
            Principal::Person { id, .. } => Self::Person(*id),
            Principal::Machine(machine) => match machine.subject.kind {
                Kind::Organization => Self::Organization(machine.organization.id),
                Kind::Team(id) => Self::Team(id),
                Kind::ServiceAccount { id, .. } => Self::ServiceAccount(id),
                Kind::ServiceToken(id) => Self::ServiceToken(id),
                Kind::Person { id, .. } => Self::Person(id),
            },
        }
    }
}

/// The id with its prefix.
impl fmt::Display for CountedPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(id) => id.fmt(f),
            Self::Team(id) => id.fmt(f),
            Self::ServiceAccount(id) => id.fmt(f),
            Self::ServiceToken(id) => id.fmt(f),
            Self::Person(id) => id.fmt(f),
            Self::Service(id) => id.fmt(f),
        }
    }
}

/// What is the same for all calls with one value of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CountedValue {
    /// The principal of the token.
    pub principal: CountedPrincipal,
    /// The token; for an access token the one that it was exchanged for. `None` for access tokens of external
    /// identities.
    pub token: Option<TokenId>,
    /// Whether it is the old value during an overlap.
    pub is_old: bool,
}

/// What differs between calls with one value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CountedCall {
    /// The organization in which the token was used. `None` for a personal token at Tessera itself.
    pub organization: Option<OrganizationId>,
    /// The IP address of the caller, if it is known.
    pub address: Option<IpAddr>,
    /// The service that verified the token. `None` for Tessera itself.
    pub service: Option<ServiceId>,
    /// The question and its answer.
    pub check: Check,
}

/// A row of the counts. Values that belong to no token have no value.
pub type CountedRow = (Option<CountedValue>, CountedCall);
