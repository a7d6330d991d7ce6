//! The subject of a decision: a principal in one organization with everything
//! that `decide` needs to know about it. `principals` loads subjects.

use super::permission::Permissions;
use super::permission_set::PermissionSet;
use crate::platform::id::{PersonId, ProjectId, ServiceAccountId, TeamId, TokenId};
use crate::platform::text::string_enum;

string_enum! {
    /// The role of a person in a team.
    TeamRole {
        /// Manages the team's members, projects and service accounts.
        Admin = "admin",
        /// Sees the team and holds its grants.
        Member = "member",
    }
}

string_enum! {
    /// The kinds of token. The prefix of a token's value tells its kind.
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
        /// `tsrr_`: authenticates a registered service at the verification
        /// endpoints, and nowhere else.
        ServiceSecret = "service_secret",
    }
}

impl TokenKind {
    /// The kinds that a service can be configured to accept: all kinds except
    /// service secrets.
    pub const PRESENTED: &'static [Self] = &[
        Self::Organization,
        Self::Team,
        Self::ServiceAccount,
        Self::ServiceToken,
        Self::Personal,
        Self::Access,
    ];

    /// Parses the stored form of a list: words separated by spaces. Unknown
    /// words are ignored.
    #[must_use]
    pub fn parse_list(text: &str) -> Vec<Self> {
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// The name of the kind on pages.
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

/// What a service account belongs to: its scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountScope {
    /// An organization-scoped account.
    Organization,
    /// An account that is scoped to this team.
    Team(TeamId),
}

/// The kind of a principal, with what the rules need to know about each kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A member of the organization.
    Person {
        /// The person's id in the installation.
        id: PersonId,
        /// Whether the person is in the `owners` team.
        owner: bool,
        /// The person's teams in this organization, `owners` included, with
        /// the role in each.
        teams: Vec<(TeamId, TeamRole)>,
    },
    /// The organization itself, represented by its token.
    Organization,
    /// A team, represented by its token.
    Team(TeamId),
    /// A service account.
    ServiceAccount {
        /// The account's UID.
        id: ServiceAccountId,
        /// What the account belongs to.
        scope: AccountScope,
    },
    /// A service token, which acts as itself.
    ServiceToken(TokenId),
}

/// Identifies a principal of any kind within one organization.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PrincipalId {
    /// A person.
    Person(PersonId),
    /// The organization: the principal that its token acts as.
    Organization,
    /// A team: the principal that its token acts as.
    Team(TeamId),
    /// A service account.
    ServiceAccount(ServiceAccountId),
    /// A service token, which acts as itself.
    ServiceToken(TokenId),
}

impl std::str::FromStr for PrincipalId {
    type Err = crate::platform::id::NotAnId;

    /// Parses an id with its prefix, as the table of grants stores it.
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

/// The projects in which a grant applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Projects {
    /// All projects, also those that are created later, and the organization
    /// level.
    All,
    /// One project. Such a grant gives no permission at organization level.
    One(ProjectId),
}

/// How a principal obtained a grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GrantSource {
    /// The grant is the principal's role.
    Role,
    /// The grant names the principal.
    Named,
    /// The grant belongs to the team with this slug, of which the principal is
    /// a member.
    Team(String),
    /// The grant belongs to a team that the caller cannot see.
    SecretTeam,
}

/// A permission set that a principal holds in all projects or in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The permission set that is granted.
    pub set: PermissionSet,
    /// Where the grant applies.
    pub projects: Projects,
    /// How the principal obtained the grant.
    pub source: GrantSource,
}

/// A principal in one organization, with its grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The kind of the principal, with its id.
    pub kind: Kind,
    /// The grants of the principal from every source: its role, its teams, and
    /// the grants that name it.
    pub grants: Vec<Grant>,
    /// The permissions that the presented token is narrowed to. `None` if the
    /// token carries everything that the principal holds, or in a session.
    pub narrowed: Option<Permissions>,
}

impl Subject {
    /// Whether the principal is a person in the `owners` team.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        matches!(self.kind, Kind::Person { owner: true, .. })
    }

    /// Whether the principal is a person, as opposed to a machine principal.
    #[must_use]
    pub fn is_person(&self) -> bool {
        matches!(self.kind, Kind::Person { .. })
    }

    /// The role of the principal in a team; `None` if it does not belong to the
    /// team. The team's own token and service accounts count as members.
    #[must_use]
    pub fn role_in_team(&self, team: TeamId) -> Option<TeamRole> {
        match &self.kind {
            Kind::Person { teams, .. } => teams.iter().find(|(id, _)| *id == team).map(|(_, role)| *role),
            Kind::Team(id) if *id == team => Some(TeamRole::Member),
            Kind::ServiceAccount { scope: AccountScope::Team(id), .. } if *id == team => {
                Some(TeamRole::Member)
            }
            _ => None,
        }
    }

    /// The same principal as if its token were not narrowed.
    #[must_use]
    pub fn unnarrowed(&self) -> Self {
        Self { narrowed: None, ..self.clone() }
    }
}
