//! The paths of the console's pages. Routes, redirects and links are built by
//! the same functions, so that a path is written once and a link to a page that
//! does not exist fails to compile.

use std::fmt::{Display, Formatter, Result};

use crate::callers::ConsoleCaller;

/// The path of a page, and the paths below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsolePath(String);

impl Display for ConsolePath {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for ConsolePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Methods that return a path below, each named after its last segment.
macro_rules! below {
    ($($name:ident => $segment:literal),* $(,)?) => {
        impl ConsolePath {
            $(
                #[doc = concat!("The path below with the segment `", $segment, "`.")]
                #[must_use]
                pub fn $name(&self) -> Self {
                    self.below($segment)
                }
            )*
        }
    };
}

below! {
    access => "access",
    activity => "activity",
    api_token => "api-token",
    creation => "new",
    delete => "delete",
    disable => "disable",
    edit => "edit",
    enable => "enable",
    export => "export",
    members => "members",
    projects => "projects",
    regenerate => "regenerate",
    remove => "remove",
    reveal => "reveal",
    results => "results",
    revoke => "revoke",
    revoke_others => "revoke-others",
    secrets => "secrets",
    selected => "selected",
    service_accounts => "service-accounts",
    settings => "settings",
    stop_old => "stop-old",
    teams => "teams",
    tokens => "tokens",
}

impl ConsolePath {
    fn below(&self, segment: impl Display) -> Self {
        Self(format!("{}/{segment}", self.0))
    }

    /// This path with a query of one parameter, whose value needs no encoding.
    #[must_use]
    pub fn with_query(&self, name: &str, value: impl Display) -> Self {
        Self(format!("{}?{name}={value}", self.0))
    }

    /// One token of a service account.
    #[must_use]
    pub fn token(&self, id: impl Display) -> Self {
        self.tokens().below(id)
    }

    /// One secret of a service.
    #[must_use]
    pub fn secret(&self, id: impl Display) -> Self {
        self.secrets().below(id)
    }
}

/// The paths of the pages of one organization, and of a person's own account.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// The slug of the organization; empty on pages without an organization.
    organization: String,
}

/// The paths of the organization whose pages the caller opened.
#[must_use]
pub fn paths(caller: &ConsoleCaller) -> Paths {
    Paths::of(&caller.member.organization.slug)
}

/// Methods for the pages of an organization: a list, and its items by their slug or id.
macro_rules! sections {
    ($($list:ident $(, $item:ident)? => $segment:literal),* $(,)?) => {
        impl Paths {
            $(
                #[doc = concat!("The page `settings/", $segment, "` of the organization.")]
                #[must_use]
                pub fn $list(&self) -> ConsolePath {
                    self.overview().settings().below($segment)
                }
                $(
                    #[doc = concat!("One item of `settings/", $segment, "`, by its slug or id.")]
                    #[must_use]
                    pub fn $item(&self, id: impl Display) -> ConsolePath {
                        self.$list().below(id)
                    }
                )?
            )*
        }
    };
}

sections! {
    access_explorer => "access-explorer",
    audit_log => "audit-log",
    general => "general",
    identity_providers, identity_provider => "identity-providers",
    invitations, invitation => "people/invitations",
    organization_token => "api-token",
    people, person => "people",
    permission_sets, permission_set => "permission-sets",
    projects, project => "projects",
    service_accounts, service_account => "service-accounts",
    service_tokens, service_token => "service-tokens",
    services, service => "services",
    teams, team => "teams",
    tokens => "tokens",
}

impl Paths {
    /// The paths of the organization with this slug.
    #[must_use]
    pub fn of(organization: impl Display) -> Self {
        Self { organization: organization.to_string() }
    }

    /// The paths with the parameter `{org}` in place of a slug, for the router.
    #[must_use]
    pub fn pattern() -> Self {
        Self::of("{org}")
    }

    /// The first page of the organization.
    #[must_use]
    pub fn overview(&self) -> ConsolePath {
        Self::organizations().below(&self.organization)
    }

    /// The search over everything in the organization.
    #[must_use]
    pub fn search(&self) -> ConsolePath {
        self.overview().below("search")
    }

    fn organizations() -> ConsolePath {
        ConsolePath("/orgs".to_owned())
    }

    /// The form for another organization.
    #[must_use]
    pub fn new_organization() -> ConsolePath {
        Self::organizations().creation()
    }

    /// The account of the signed-in person.
    #[must_use]
    pub fn account() -> ConsolePath {
        ConsolePath("/account".to_owned())
    }

    /// The name and the email address of the signed-in person.
    #[must_use]
    pub fn profile() -> ConsolePath {
        Self::account().below("profile")
    }

    /// The form that changes the password of the signed-in person.
    #[must_use]
    pub fn password() -> ConsolePath {
        Self::account().below("password")
    }

    /// The sessions of the signed-in person.
    #[must_use]
    pub fn sessions() -> ConsolePath {
        Self::account().below("sessions")
    }

    /// The personal tokens of the signed-in person.
    #[must_use]
    pub fn personal_tokens() -> ConsolePath {
        Self::account().tokens()
    }

    /// One personal token.
    #[must_use]
    pub fn personal_token(id: impl Display) -> ConsolePath {
        Self::account().token(id)
    }

    /// The page on which a person accepts an invitation.
    #[must_use]
    pub fn accept_invitation(code: impl Display) -> ConsolePath {
        ConsolePath("/invitations".to_owned()).below(code)
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;

    #[test]
    fn a_link_and_the_route_that_answers_it_have_the_same_segments() {
        let (link, route) = (Paths::of("acme"), Paths::pattern());
        assert_eq!(link.team("ops").members().as_ref(), "/orgs/acme/settings/teams/ops/members");
        assert_eq!(route.team("{team}").members().as_ref(), "/orgs/{org}/settings/teams/{team}/members");
    }
}
