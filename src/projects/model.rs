//! What a project is.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, ProjectFacts, Resource, Subject, Target, Visibility, knows_team};
use crate::platform::id::{ProjectId, TeamId};
use crate::platform::text::{UpTo, choose, multiline_text, name, slug};
use crate::platform::web::nullable::cleared;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::teams::model::SECRET_TEAM;

/// A project.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The slug of the team that owns it; nothing where the reader may not know
    /// that team.
    pub team: Option<String>,
    /// Whom it lets in.
    pub visibility: Visibility,
    /// When it was made.
    pub created_at: Timestamp,
    /// The team that owns it.
    #[serde(skip)]
    pub team_id: TeamId,
    /// Whether that team is secret.
    #[serde(skip)]
    pub team_is_secret: bool,
    /// That team's name.
    #[serde(skip)]
    pub team_name: String,
    /// Counts its edits.
    #[serde(skip)]
    pub version: i64,
    /// How many grants name it.
    #[serde(skip)]
    pub named: UpTo<100>,
}

impl Project {
    /// As this reader may know it.
    #[must_use]
    pub fn seen_by(mut self, reader: &Subject) -> Self {
        if !knows_team(reader, self.team_id, self.team_is_secret) {
            self.team = None;
            SECRET_TEAM.clone_into(&mut self.team_name);
        }
        self
    }

    /// The team that owns it, as sentences name it.
    #[must_use]
    pub fn owner(&self) -> String {
        if self.team.is_some() { format!("the team {}", self.team_name) } else { "a secret team".to_owned() }
    }

    /// What the rules must know of it.
    #[must_use]
    pub const fn facts(&self) -> ProjectFacts {
        ProjectFacts { id: self.id, team: self.team_id, visibility: self.visibility }
    }
}

impl Guarded for Project {
    const RESOURCE: Resource = Resource::Projects;
    fn target(&self) -> Target {
        Target::Project(self.facts())
    }
}

/// Who may do what in a project: guarded apart from its record.
#[derive(Clone, Debug)]
pub struct GrantsOf(pub Project);

impl Guarded for GrantsOf {
    const RESOURCE: Resource = Resource::ProjectPermissions;
    fn target(&self) -> Target {
        Target::Project(self.0.facts())
    }
}

/// The projects of a team: making one.
#[derive(Clone, Copy, Debug)]
pub struct ProjectsOf(pub TeamId);

impl Guarded for ProjectsOf {
    const RESOURCE: Resource = Resource::ProjectCreate;
    fn target(&self) -> Target {
        Target::NewProject(self.0)
    }
}

/// What the visibilities mean, for the forms that choose one.
pub const VISIBILITIES: &[(Visibility, &str, &str)] = &[
    (Visibility::Open, "Open", "everyone in the organization reads and writes, as their role says"),
    (Visibility::Public, "Public", "everyone in the organization reads; its team writes"),
    (
        Visibility::Team,
        "Team",
        "its team, organization-scoped service accounts, service tokens, owners, and whoever is named",
    ),
    (Visibility::Restricted, "Restricted", "owners and whoever is named, nobody else"),
];

/// A project to be made, as typed or sent.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
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
    /// The slug of the team that owns it.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub team: String,
    /// Whom it lets in; `team` by default.
    #[schemars(with = "Option<Visibility>")]
    pub visibility: Option<String>,
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectEdit {
    /// A new name.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// A new description.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// The slug of a new team.
    pub team: Option<String>,
    /// A new visibility.
    #[schemars(with = "Option<Visibility>")]
    pub visibility: Option<String>,
}

/// The fields of a project, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The slug of its team.
    pub team: String,
    /// Whom it lets in.
    pub visibility: Visibility,
}

impl NewProject {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self) -> Result<Checked> {
        let mut mistakes = ValidationErrors::default();
        let name = mistakes.check("name", name(&self.name));
        let slug = mistakes.check("slug", slug(&self.slug));
        let description = multiline_text("description", self.description.as_deref().unwrap_or_default(), 500);
        let description = mistakes.check("description", description);
        let visibility = mistakes.check("visibility", self.visibility.as_deref().unwrap_or("team").parse());
        let team = self.team.trim().to_owned();
        if team.is_empty() {
            mistakes.add("team", choose("team"));
        }
        match (slug, name, description, visibility) {
            (Some(slug), Some(name), Some(description), Some(visibility)) if mistakes.is_empty() => {
                Ok(Checked { slug, name, description, team, visibility })
            }
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl ProjectEdit {
    /// Checks every field, over what the project has.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, project: &Project) -> Result<Checked> {
        let or = |edit: &Option<String>, was: &str| edit.clone().unwrap_or_else(|| was.to_owned());
        NewProject {
            slug: project.slug.clone(),
            name: or(&self.name, &project.name),
            description: Some(or(&self.description, &project.description)),
            team: self.team.clone().unwrap_or_else(|| project.team_id.to_string()),
            visibility: Some(or(&self.visibility, project.visibility.word())),
        }
        .check()
    }
}
