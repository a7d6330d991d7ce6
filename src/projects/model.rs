//! Types of projects and their forms, with the checks of every field. No I/O.
//!
//! [`Project`] guards the record of a project and [`GrantsOf`] its grants, because different permissions
//! protect them.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, ProjectFacts, Resource, Subject, Target, Visibility, can_see_team};
use crate::platform::id::{ProjectId, TeamId};
use crate::platform::text::{UpTo, choose, multiline_text, name, slug};
use crate::platform::web::nullable::cleared;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::teams::model::SECRET_TEAM;

/// A project, as lists, pages and the API show it.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Project {
    /// Unique id, such as `proj_01k…`.
    pub id: ProjectId,
    /// Slug in paths and in the API; it never changes.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters; may be empty.
    pub description: String,
    /// Slug of the team that owns the project. `null` if the reader is not allowed to know that team.
    pub team: Option<String>,
    /// Which principals can read and write in the project.
    pub visibility: Visibility,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Id of the team that owns the project.
    #[serde(skip)]
    pub team_id: TeamId,
    /// Whether that team is secret.
    #[serde(skip)]
    pub team_is_secret: bool,
    /// Display name of that team.
    #[serde(skip)]
    pub team_name: String,
    /// Version for optimistic locking; increases with every edit.
    #[serde(skip)]
    pub version: i64,
    /// Number of grants that name the project. Lists count at most 100.
    #[serde(skip)]
    pub named: UpTo<100>,
}

impl Project {
    /// Removes the slug of the team if this reader is not allowed to know it, and replaces its name.
    #[must_use]
    pub fn seen_by(mut self, reader: &Subject) -> Self {
        if !can_see_team(reader, self.team_id, self.team_is_secret) {
            self.team = None;
            SECRET_TEAM.clone_into(&mut self.team_name);
        }
        self
    }

    /// The owning team in a form that fits into a sentence.
    #[must_use]
    pub fn owner(&self) -> String {
        if self.team.is_some() { format!("the team {}", self.team_name) } else { "a secret team".to_owned() }
    }

    /// What an access decision needs to know about it.
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

/// The grants of a project, as the target of decisions. They are protected by `permissions`, the record by
/// `projects`.
#[derive(Clone, Debug)]
pub struct GrantsOf(pub Project);

impl Guarded for GrantsOf {
    const RESOURCE: Resource = Resource::ProjectPermissions;
    fn target(&self) -> Target {
        Target::Project(self.0.facts())
    }
}

/// Creating a project in a team, or moving one there, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct ProjectsOf(pub TeamId);

impl Guarded for ProjectsOf {
    const RESOURCE: Resource = Resource::ProjectCreate;
    fn target(&self) -> Target {
        Target::NewProject(self.0)
    }
}

/// The visibilities with label and explanation, for the forms in which one is selected.
pub const VISIBILITIES: &[(Visibility, &str, &str)] = &[
    (Visibility::Open, "Open", "everyone in the organization can read and write, as their role allows"),
    (Visibility::Public, "Public", "everyone in the organization can read; only its team can write"),
    (
        Visibility::Team,
        "Team",
        "its team, organization-scoped service accounts, service tokens, owners and anyone added to it have access",
    ),
    (Visibility::Restricted, "Restricted", "only owners and anyone added to the project have access"),
];

/// A project that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
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
    /// Slug of the team that will own the project.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub team: String,
    /// Visibility; `team` by default.
    #[schemars(with = "Option<Visibility>")]
    pub visibility: Option<String>,
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectEdit {
    /// New name; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// New description; `None` keeps the current one.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// Slug of the team that will own the project; `None` keeps the current one.
    pub team: Option<String>,
    /// New visibility; `None` keeps the current one.
    #[schemars(with = "Option<Visibility>")]
    pub visibility: Option<String>,
}

/// The checked fields of a new or edited project.
#[derive(Clone, Debug)]
pub struct ValidProject {
    /// Slug, checked for a new project and unchanged by an edit.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters.
    pub description: String,
    /// Slug or id of the owning team, not yet looked up.
    pub team: String,
    /// Which principals can read and write in the project.
    pub visibility: Visibility,
}

impl NewProject {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self) -> Result<ValidProject> {
        let mut errors = ValidationErrors::default();
        let name = errors.check("name", name(&self.name));
        let slug = errors.check("slug", slug(&self.slug));
        let description = multiline_text("description", self.description.as_deref().unwrap_or_default(), 500);
        let description = errors.check("description", description);
        let visibility = errors.check("visibility", self.visibility.as_deref().unwrap_or("team").parse());
        let team = self.team.trim().to_owned();
        if team.is_empty() {
            errors.add("team", choose("team"));
        }
        match (slug, name, description, visibility) {
            (Some(slug), Some(name), Some(description), Some(visibility)) if errors.is_empty() => {
                Ok(ValidProject { slug, name, description, team, visibility })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

impl ProjectEdit {
    /// Checks every field. Fields that the edit leaves out are taken from the project.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, project: &Project) -> Result<ValidProject> {
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
