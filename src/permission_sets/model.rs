//! Types of permission sets and their forms, with the checks of every field. No I/O.
//!
//! The slug and the name of a set must not be confusable with those of a built-in set or with the word
//! “owner”.

use serde::{Deserialize, Serialize};

use crate::access::{
    Guarded, Level, Permission, PermissionSet, Permissions, Resource, Target, built_in_sets,
};
use crate::platform::id::PermissionSetId;
use crate::platform::text::{check_unprivileged, looks_like, multiline_text, name};
use crate::platform::web::nullable::{cleared, null_as_default};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals;

/// A permission set that the organization created.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OwnSet {
    /// Unique id.
    pub id: PermissionSetId,
    /// Slug, unique in the organization. It never changes.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters; may be empty.
    pub description: String,
    /// Whether the set has organization permissions or only project permissions.
    pub level: Level,
    /// The permissions as stored text, separated by spaces.
    pub permissions: String,
    /// Version for optimistic locking; increases with every edit.
    pub version: i64,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// The permission sets of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct PermissionSets;

impl Guarded for PermissionSets {
    const RESOURCE: Resource = Resource::PermissionSets;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// A permission set in API responses and audit events.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct SetView {
    /// Unique id. For a built-in set, its slug.
    pub id: String,
    /// Slug in paths and in the API; it never changes.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Description; may be empty.
    pub description: String,
    /// `organization` sets can be granted for all projects only; `project` sets also for one project.
    pub level: Level,
    /// The permissions of the set. Write includes read.
    pub permissions: Permissions,
    /// Whether the set is built in and cannot be changed.
    pub built_in: bool,
}

impl From<&PermissionSet> for SetView {
    fn from(set: &PermissionSet) -> Self {
        Self {
            id: set.slug.to_string(),
            slug: set.slug.to_string(),
            name: set.name.to_string(),
            description: set.description.to_string(),
            level: set.level,
            permissions: set.permissions,
            built_in: true,
        }
    }
}

impl From<&OwnSet> for SetView {
    fn from(set: &OwnSet) -> Self {
        Self {
            id: set.id.to_string(),
            slug: set.slug.clone(),
            name: set.name.clone(),
            description: set.description.clone(),
            level: set.level,
            permissions: principals::parse_permissions(&set.permissions),
            built_in: false,
        }
    }
}

/// A permission set that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSet {
    /// Slug, unique in the organization. It cannot be changed later.
    #[serde(default)]
    #[schemars(!default, length(max = 64), regex(pattern = r"^[a-z0-9]([-_]?[a-z0-9])*$"))]
    pub slug: String,
    /// Display name, 1 to 255 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// Description, at most 500 characters.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<String>", length(max = 500))]
    pub description: String,
    /// `organization` or `project`. It cannot be changed later.
    #[serde(default)]
    #[schemars(!default, with = "Level")]
    pub level: String,
    /// The permissions of the set, at least one. `runs:write` includes `runs:read`.
    #[serde(default)]
    #[schemars(!default, with = "Vec<Permission>", length(min = 1))]
    pub permissions: Vec<String>,
}

/// Fields of an edit. `None` keeps the current value. The slug and the level never change.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetEdit {
    /// New name; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// New description; `None` keeps the current one.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// New permissions, which replace the current ones; `None` keeps those.
    #[schemars(with = "Option<Vec<Permission>>")]
    pub permissions: Option<Vec<String>>,
}

/// The checked fields of a new or edited permission set.
#[derive(Clone, Debug)]
pub struct ValidSet {
    /// Slug, checked for a new set and unchanged by an edit.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters.
    pub description: String,
    /// Whether the set has organization permissions or only project permissions.
    pub level: Level,
    /// The permissions of the set.
    pub permissions: Permissions,
}

/// Checks the slug of a set: `[a-z0-9]([-_]?[a-z0-9])*`, at most 64 characters, not reserved, and not
/// confusable with a built-in slug.
///
/// # Errors
/// The message to show beside the field.
fn set_slug(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    // Underscores are allowed by checking the slug with hyphens in their place.
    let hyphened = text.replace('_', "-");
    crate::platform::text::slug(&hyphened).map_err(|message| {
        message
            .replace("single hyphens", "single hyphens or underscores")
            .replace(&format!("“{hyphened}”"), &format!("“{text}”"))
    })?;
    let plain = |slug: &str| slug.replace(['-', '_'], "");
    if matches!(plain(text).as_str(), "owner" | "owners") {
        return Err("Choose another slug. This one is reserved for the owners of an organization.".to_owned());
    }
    if let Some(slug) = looks_like(text, built_in_sets().iter().map(|set| set.slug.as_ref())) {
        return Err(too_similar("slug", slug));
    }
    Ok(text.to_owned())
}

fn too_similar(noun: &str, to: &str) -> String {
    format!("Choose another {noun}. This one is too similar to the built-in permission set “{to}”.")
}

/// Checks the name of a set: 1 to 255 characters, not confusable with a built-in name or with a word for
/// owners.
fn set_name(text: &str) -> std::result::Result<String, String> {
    let text = name(text)?;
    check_unprivileged("name", &text)?;
    match looks_like(&text, built_in_sets().iter().map(|set| set.name.as_ref())) {
        Some(name) => Err(too_similar("name", name)),
        None => Ok(text),
    }
}

fn permissions_of(words: &[String], errors: &mut ValidationErrors) -> Permissions {
    let mut all = Permissions::NONE;
    for word in words {
        match word.parse::<Permission>() {
            Ok(permission) if permission.resource == Resource::Credentials => {
                let message = format!("Remove “{word}”. It cannot be part of a permission set.");
                errors.add("permissions", message);
            }
            Ok(permission) => all = all.union(Permissions::from_permission(permission)),
            Err(message) => errors.add("permissions", message),
        }
    }
    if all.is_empty() && words.is_empty() {
        errors.add("permissions", "Choose at least one permission.");
    }
    all
}

impl NewSet {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self) -> Result<ValidSet> {
        let mut errors = ValidationErrors::default();
        let name = errors.check("name", set_name(&self.name));
        let slug = errors.check("slug", set_slug(&self.slug));
        let description = errors.check("description", multiline_text("description", &self.description, 500));
        let level: Option<Level> = errors.check("level", self.level.parse());
        let permissions = permissions_of(&self.permissions, &mut errors);
        match (slug, name, description, level) {
            (Some(slug), Some(name), Some(description), Some(level)) if errors.is_empty() => {
                Ok(ValidSet { slug, name, description, level, permissions })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

impl SetEdit {
    /// Checks every field. Fields that the edit leaves out are taken from the set.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, set: &OwnSet) -> Result<ValidSet> {
        let mut errors = ValidationErrors::default();
        let name = errors.check(
            "name",
            match &self.name {
                Some(new) if *new != set.name => set_name(new),
                _ => Ok(set.name.clone()),
            },
        );
        let description = self.description.as_deref().unwrap_or(&set.description);
        let description = errors.check("description", multiline_text("description", description, 500));
        let permissions = match &self.permissions {
            Some(words) => permissions_of(words, &mut errors),
            None => principals::parse_permissions(&set.permissions),
        };
        match (name, description) {
            (Some(name), Some(description)) if errors.is_empty() => {
                Ok(ValidSet { slug: set.slug.clone(), name, description, level: set.level, permissions })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_not_called_like_a_built_in_one_or_like_the_owners() {
        for good in ["runner", "job-runner-2", "my_set", "a"] {
            assert_eq!(set_slug(good), Ok(good.to_owned()), "{good}");
        }
        for bad in [
            "member",
            "job-runner",
            "job_runner",
            "jobrunner",
            "owner",
            "Owners",
            "own-er",
            "",
            "_a",
            "a__b",
            "new",
            "é",
        ] {
            assert!(set_slug(bad).is_err(), "{bad}");
        }
        for bad in ["0wner", "rnember", "job_runn3r", "mem-ber", "acc0unt_admin", "acc0untadmin"] {
            assert_eq!(set_slug(bad).is_err(), bad != "job_runn3r", "{bad}");
        }
    }

    #[test]
    fn a_sets_name_is_not_taken_for_a_built_in_ones_or_for_the_owners() {
        for good in ["Runner", "Job runner of payments", "Proprietário"] {
            assert_eq!(set_name(good), Ok(good.to_owned()), "{good}");
        }
        for set in built_in_sets() {
            assert!(
                set_name(&set.name).is_err() && set_name(&set.name.to_uppercase()).is_err(),
                "{}",
                set.name
            );
        }
        for bad in ["Owner", "owners", "\u{41e}wner", "0wner", "Mеmber", "MEMBER", "Mem\u{200d}ber"] {
            assert!(set_name(bad).is_err(), "{bad}");
        }
    }
}
