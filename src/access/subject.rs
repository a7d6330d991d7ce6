//! Who asks: a principal with everything that `decide` must know of it.

use super::permission::Permissions;
use super::permission_set::PermissionSet;
use crate::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId, TokenId};
use crate::platform::text::string_enum;

string_enum! {
    /// What a person is in a team.
    TeamRole {
        /// Manages its members, projects and service accounts.
        Admin = "admin",
        /// Works in it.
        Member = "member",
    }
}

string_enum! {
    /// The kinds of token.
    TokenKind {
        /// `tsro_`: acts as the organization.
        Organization = "organization",
        /// `tsrt_`: acts as a team.
        Team = "team",
        /// `tsra_`: an API key of a service account.
        ServiceAccount = "service_account",
        /// `tsrs_`: acts as itself.
        ServiceToken = "service_token",
        /// `tsrp_`: acts as a person.
        Personal = "personal",
        /// `tsrx_`: short-lived, exchanged for another credential.
        Access = "access",
        /// `tsrr_`: a registered service, to verify tokens and for nothing else.
        ServiceSecret = "service_secret",
    }
}

impl TokenKind {
    /// The kinds that a service can accept: all but its own secret.
    pub const PRESENTED: &'static [Self] = &[
        Self::Organization,
        Self::Team,
        Self::ServiceAccount,
        Self::ServiceToken,
        Self::Personal,
        Self::Access,
    ];

    /// Reads kinds as they are stored: words with spaces between.
    #[must_use]
    pub fn list(text: &str) -> Vec<Self> {
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// As pages say it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Organization => "Organization token",
            Self::Team => "Team token",
            Self::ServiceAccount => "Service account key",
            Self::ServiceToken => "Service token",
            Self::Personal => "Personal token",
            Self::Access => "Access token",
            Self::ServiceSecret => "Service secret",
        }
    }
}

/// Where a service account belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountOwner {
    /// To the organization.
    Organization,
    /// To one team.
    Team(TeamId),
}

/// What kind of principal it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A member of the organization.
    Person {
        /// Which.
        id: PersonId,
        /// Whether they are in the `owners` team.
        owner: bool,
        /// Their teams and what they are there.
        teams: Vec<(TeamId, TeamRole)>,
    },
    /// The organization itself, by its token.
    Organization,
    /// A team, by its token.
    Team(TeamId),
    /// A service account.
    ServiceAccount {
        /// Its UID.
        id: ServiceAccountId,
        /// Where it belongs.
        home: AccountOwner,
    },
    /// A service token, which acts as itself.
    ServiceToken(TokenId),
}

/// Which principal something is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PrincipalId {
    /// A person.
    Person(PersonId),
    /// The organization, which its token acts as.
    Organization,
    /// A team.
    Team(TeamId),
    /// A service account.
    ServiceAccount(ServiceAccountId),
    /// A service token.
    ServiceToken(TokenId),
}

impl std::str::FromStr for PrincipalId {
    type Err = crate::platform::id::NotAnId;

    /// Reads an id with its prefix, as grants store it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('_').map(|(prefix, _)| prefix) {
            Some("person") => text.parse().map(Self::Person),
            Some("team") => text.parse().map(Self::Team),
            Some("sa") => text.parse().map(Self::ServiceAccount),
            Some("org") => Ok(Self::Organization),
            _ => text.parse().map(Self::ServiceToken),
        }
    }
}

/// Where a grant holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Projects {
    /// In all projects, those made later too, and in the organization.
    All,
    /// In this one.
    One(ProjectId),
}

/// How a grant came to the principal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GrantSource {
    /// It is the principal's role.
    Role,
    /// It names the principal.
    Named,
    /// It came with a team (its slug).
    Team(String),
    /// It came with a team that the reader may not know.
    SecretTeam,
}

/// A permission set that a principal holds, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Which set.
    pub set: PermissionSet,
    /// Where.
    pub projects: Projects,
    /// Through what.
    pub source: GrantSource,
}

/// A principal in one organization, with its grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// What it holds, from every source.
    pub grants: Vec<Grant>,
    /// What the token that it came with is narrowed to, if it is.
    pub narrowed: Option<Permissions>,
}

impl Subject {
    /// Whether it is an owner.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        matches!(self.kind, Kind::Person { owner: true, .. })
    }

    /// Whether it is a person.
    #[must_use]
    pub fn is_person(&self) -> bool {
        matches!(self.kind, Kind::Person { .. })
    }

    /// What it is in a team: a person's team role; a team's own token and
    /// accounts are in it too, but manage nothing.
    #[must_use]
    pub fn in_team(&self, team: TeamId) -> Option<TeamRole> {
        match &self.kind {
            Kind::Person { teams, .. } => teams.iter().find(|(id, _)| *id == team).map(|(_, role)| *role),
            Kind::Team(id) if *id == team => Some(TeamRole::Member),
            Kind::ServiceAccount { home: AccountOwner::Team(id), .. } if *id == team => {
                Some(TeamRole::Member)
            }
            _ => None,
        }
    }

    /// The token without its narrowing: what the principal could do at most.
    #[must_use]
    pub fn unnarrowed(&self) -> Self {
        Self { narrowed: None, ..self.clone() }
    }
}
