//! What a team is.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Resource, Sets, Target, TeamFacts, TeamRole};
use crate::platform::id::{PersonId, TeamId};
use crate::platform::text::{UpTo, check_unprivileged, multiline_text, name, slug, string_enum};
use crate::platform::web::nullable::cleared;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};

/// What stands for a team that a reader may not know.
pub const SECRET_TEAM: &str = "A secret team";

string_enum! {
    /// Who sees a team.
    TeamVisibility {
        /// Everyone of the organization.
        Visible = "visible",
        /// Its people, and who manages teams.
        Secret = "secret",
    }
}

/// A team.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who sees it.
    pub visibility: TeamVisibility,
    /// The permission set that its people and its token hold through it.
    pub role: String,
    /// Whether its members may manage its API token.
    pub members_manage_token: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is the owners team.
    #[serde(skip)]
    pub is_owners: bool,
    /// Counts its edits.
    #[serde(skip)]
    pub version: i64,
    /// How many people are in it.
    #[serde(skip)]
    pub members: UpTo<100>,
    /// How many service accounts it has.
    #[serde(skip)]
    pub accounts: UpTo<100>,
    /// How many projects it has.
    #[serde(skip)]
    pub projects: UpTo<100>,
    /// Whether it has a token.
    #[serde(skip)]
    pub has_token: bool,
    /// When that token ends.
    #[serde(skip)]
    pub token_ends: Option<Timestamp>,
}

impl Team {
    /// What lists are sorted by: the owners team comes first.
    #[must_use]
    pub fn key(&self) -> String {
        if self.is_owners { String::new() } else { self.slug.clone() }
    }

    /// What the rules must know of it.
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

/// Who is in a team: guarded apart from its record, because its admins manage it.
#[derive(Clone, Debug)]
pub struct MembersOf(pub Team);

impl Guarded for MembersOf {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::TeamMembers(self.0.facts())
    }
}

/// The teams of the organization as a whole: making one.
#[derive(Clone, Copy, Debug)]
pub struct Teams;

impl Guarded for Teams {
    const RESOURCE: Resource = Resource::Groups;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// Somebody in a team.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Member {
    /// Their id.
    pub id: PersonId,
    /// Their username.
    pub username: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they are in the team.
    pub role: TeamRole,
}

/// A team to be made, as typed or sent.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Its slug.
    #[serde(default)]
    #[schemars(!default, length(max = 64), regex(pattern = r"^[a-z0-9](-?[a-z0-9])*$"))]
    pub slug: String,
    /// Its name.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// What it is for.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// `visible` (the default) or `secret`.
    #[schemars(with = "Option<TeamVisibility>")]
    pub visibility: Option<String>,
    /// A permission set's slug; `member` by default.
    pub role: Option<String>,
    /// Whether its members may manage its API token; `true` by default.
    pub members_manage_token: Option<bool>,
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamEdit {
    /// A new name.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// A new description.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// A new visibility.
    #[schemars(with = "Option<TeamVisibility>")]
    pub visibility: Option<String>,
    /// A new role.
    pub role: Option<String>,
    /// Whether members may manage the API token.
    pub members_manage_token: Option<bool>,
}

/// The fields of a team, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who sees it.
    pub visibility: TeamVisibility,
    /// Its role.
    pub role: String,
    /// Whether members may manage the API token.
    pub members_manage_token: bool,
}

/// Checks the slug of a permission set that is to be a role.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn role(sets: &Sets, text: &str) -> std::result::Result<String, String> {
    sets.check(text).map(|set| set.slug.into_owned())
}

impl NewTeam {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, sets: &Sets) -> Result<Checked> {
        self.check_over(None, sets)
    }

    /// The same, over a team that there is: what stays as it was is not looked at
    /// again, and the owners team may be called what others may not.
    fn check_over(&self, team: Option<&Team>, sets: &Sets) -> Result<Checked> {
        let mut mistakes = ValidationErrors::default();
        let unprivileged =
            |noun: &'static str| move |text: String| check_unprivileged(noun, &text).map(|()| text);
        let name = match team {
            Some(team) if team.name == self.name => Ok(team.name.clone()),
            Some(team) if team.is_owners => name(&self.name),
            _ => name(&self.name).and_then(unprivileged("name")),
        };
        let name = mistakes.check("name", name);
        let slug = match team {
            Some(team) => Some(team.slug.clone()),
            None => mistakes.check("slug", slug(&self.slug).and_then(unprivileged("slug"))),
        };
        let description = mistakes.check(
            "description",
            multiline_text("description", self.description.as_deref().unwrap_or_default(), 500),
        );
        let visibility =
            mistakes.check("visibility", self.visibility.as_deref().unwrap_or("visible").parse());
        let role = mistakes.check("role", role(sets, self.role.as_deref().unwrap_or("member")));
        match (slug, name, description, visibility, role) {
            (Some(slug), Some(name), Some(description), Some(visibility), Some(role)) => {
                let members_manage_token = self.members_manage_token.unwrap_or(true);
                Ok(Checked { slug, name, description, visibility, role, members_manage_token })
            }
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl TeamEdit {
    /// Checks every field, over what the team has.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, team: &Team, sets: &Sets) -> Result<Checked> {
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
