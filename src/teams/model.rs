//! Types of teams and their forms, with the checks of every field. No I/O.
//!
//! The record of a team ([`Team`]), its members ([`MembersOf`]) and the teams of the organization ([`Teams`])
//! are guarded separately, because different people can change them.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Resource, Sets, Target, TeamFacts, TeamRole};
use crate::platform::id::{PersonId, TeamId};
use crate::platform::text::{UpTo, check_unprivileged, multiline_text, name, slug, string_enum};
use crate::platform::web::nullable::cleared;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};

/// Replaces the name of a team that a reader is not allowed to know.
pub const SECRET_TEAM: &str = "A secret team";

string_enum! {
    /// Who can see a team.
    TeamVisibility {
        /// Everybody in the organization.
        Visible = "visible",
        /// Only the team's members and those who manage teams.
        Secret = "secret",
    }
}

/// A team, as lists, pages and the API show it.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Team {
    /// Unique id, such as `team_01k…`.
    pub id: TeamId,
    /// Slug in paths and in the API; it never changes.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters; may be empty.
    pub description: String,
    /// Who can see the team.
    pub visibility: TeamVisibility,
    /// Slug of the permission set that the team's people and its token hold for all projects.
    pub role: String,
    /// Whether every member of the team is allowed to manage its API token.
    pub members_manage_token: bool,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Whether this is the `owners` team.
    #[serde(skip)]
    pub is_owners: bool,
    /// Version for optimistic locking; increases with every edit.
    #[serde(skip)]
    pub version: i64,
    /// Number of people in the team. Lists count at most 100.
    #[serde(skip)]
    pub members: UpTo<100>,
    /// Number of service accounts that belong to the team. Lists count at most 100.
    #[serde(skip)]
    pub accounts: UpTo<100>,
    /// Number of projects that belong to the team. Lists count at most 100.
    #[serde(skip)]
    pub projects: UpTo<100>,
    /// Whether the team has an unrevoked token.
    #[serde(skip)]
    pub has_token: bool,
    /// Expiry of that token. `None` if there is no token or it does not expire.
    #[serde(skip)]
    pub token_ends: Option<Timestamp>,
}

impl Team {
    /// What an access decision needs to know about it.
    #[must_use]
    pub fn facts(&self) -> TeamFacts {
        TeamFacts {
            id: self.id,
            owners: self.is_owners,
            secret: self.visibility == TeamVisibility::Secret,
            members_manage_token: self.members_manage_token,
        }
    }
}

impl Guarded for Team {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::Team(self.facts())
    }
}

/// The members of a team, as the target of decisions. Team admins can manage them, but not the team's record.
#[derive(Clone, Debug)]
pub struct MembersOf(pub Team);

impl Guarded for MembersOf {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::TeamMembers(self.0.facts())
    }
}

/// The teams of the organization as a whole, as the target of decisions: listing and creating them.
#[derive(Clone, Copy, Debug)]
pub struct Teams;

impl Guarded for Teams {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// A person in a team.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Member {
    /// Unique id of the person.
    pub id: PersonId,
    /// Username, unique in the installation.
    pub username: String,
    /// Email address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Team role.
    pub role: TeamRole,
}

/// A team that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Slug, unique in the organization. It cannot be changed later.
    #[serde(default)]
    #[schemars(!default, length(max = 64), regex(pattern = r"^[a-z0-9](-?[a-z0-9])*$"))]
    pub slug: String,
    /// Display name, 1 to 255 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// Description, at most 500 characters.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// `visible` (the default) or `secret`.
    #[schemars(with = "Option<TeamVisibility>")]
    pub visibility: Option<String>,
    /// Slug of a permission set; `member` by default.
    pub role: Option<String>,
    /// Whether every member is allowed to manage the team's API token; `true` by default.
    pub members_manage_token: Option<bool>,
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamEdit {
    /// New name; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// New description; `None` keeps the current one.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// New visibility; `None` keeps the current one.
    #[schemars(with = "Option<TeamVisibility>")]
    pub visibility: Option<String>,
    /// Slug of the new role; `None` keeps the current one.
    pub role: Option<String>,
    /// Whether every member is allowed to manage the API token; `None` keeps the current setting.
    pub members_manage_token: Option<bool>,
}

/// The checked fields of a new or edited team.
#[derive(Clone, Debug)]
pub struct ValidTeam {
    /// Slug, checked for a new team and unchanged by an edit.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters.
    pub description: String,
    /// Who can see the team.
    pub visibility: TeamVisibility,
    /// Slug of an existing permission set.
    pub role: String,
    /// Whether every member is allowed to manage the API token.
    pub members_manage_token: bool,
}

/// Checks that `text` is the slug of a permission set of the organization, and returns it. Also used for the
/// roles of members and accounts.
///
/// # Errors
/// The message to show beside the field.
pub fn role(sets: &Sets, text: &str) -> std::result::Result<String, String> {
    sets.check(text).map(|set| set.slug.into_owned())
}

impl NewTeam {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, sets: &Sets) -> Result<ValidTeam> {
        self.check_over(None, sets)
    }

    /// Checks every field. For an existing `team`, an unchanged name is not checked again, and the `owners`
    /// team may keep a name that is reserved for it.
    fn check_over(&self, team: Option<&Team>, sets: &Sets) -> Result<ValidTeam> {
        let mut errors = ValidationErrors::default();
        let unprivileged =
            |noun: &'static str| move |text: String| check_unprivileged(noun, &text).map(|()| text);
        let name = match team {
            Some(team) if team.name == self.name => Ok(team.name.clone()),
            Some(team) if team.is_owners => name(&self.name),
            _ => name(&self.name).and_then(unprivileged("name")),
        };
        let name = errors.check("name", name);
        let slug = match team {
            Some(team) => Some(team.slug.clone()),
            None => errors.check("slug", slug(&self.slug).and_then(unprivileged("slug"))),
        };
        let description = errors.check(
            "description",
            multiline_text("description", self.description.as_deref().unwrap_or_default(), 500),
        );
        let visibility = errors.check("visibility", self.visibility.as_deref().unwrap_or("visible").parse());
        let role = errors.check("role", role(sets, self.role.as_deref().unwrap_or("member")));
        match (slug, name, description, visibility, role) {
            (Some(slug), Some(name), Some(description), Some(visibility), Some(role)) => {
                let members_manage_token = self.members_manage_token.unwrap_or(true);
                Ok(ValidTeam { slug, name, description, visibility, role, members_manage_token })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

impl TeamEdit {
    /// Checks every field. Fields that the edit leaves out are taken from the team.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, team: &Team, sets: &Sets) -> Result<ValidTeam> {
        let mut checked = NewTeam {
            slug: team.slug.clone(),
            name: self.name.clone().unwrap_or_else(|| team.name.clone()),
            description: Some(self.description.clone().unwrap_or_else(|| team.description.clone())),
            visibility: Some(self.visibility.clone().unwrap_or_else(|| team.visibility.word().to_owned())),
            members_manage_token: self.members_manage_token,
            role: Some(self.role.clone().unwrap_or_else(|| team.role.clone())),
        }
        .check_over(Some(team), sets)?;
        checked.members_manage_token = self.members_manage_token.unwrap_or(team.members_manage_token);
        Ok(checked)
    }
}
