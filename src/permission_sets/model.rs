//! What a permission set of an organization is.

use serde::{Deserialize, Serialize};

use crate::access::{
    Guarded, Level, Permission, PermissionSet, Permissions, Resource, Target, built_in_sets,
};
use crate::platform::id::PermissionSetId;
use crate::platform::text::{check_unprivileged, looks_like, multiline_text, name};
use crate::platform::web::nullable::{cleared, or_empty};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals;

/// A set that the organization made.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OwnSet {
    /// Its id.
    pub id: PermissionSetId,
    /// Its slug; never changes.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it holds.
    pub level: Level,
    /// What it holds, words with spaces between.
    pub permissions: String,
    /// Counts its edits.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The permission sets of the organization.
#[derive(Clone, Copy, Debug)]
pub struct PermissionSets;

impl Guarded for PermissionSets {
    const RESOURCE: Resource = Resource::PermissionSets;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// A permission set as the API shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct SetView {
    /// Its id; a built-in set's is its slug.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it holds.
    pub level: Level,
    /// What it holds; a write stands for its read too.
    pub permissions: Permissions,
    /// Whether it came with Tessera.
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
            permissions: principals::permissions(&set.permissions),
            built_in: false,
        }
    }
}

/// A set to be made, as typed or sent.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSet {
    /// Its slug.
    #[serde(default)]
    #[schemars(!default, length(max = 64), regex(pattern = r"^[a-z0-9]([-_]?[a-z0-9])*$"))]
    pub slug: String,
    /// Its name.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// What it is for.
    #[serde(default, deserialize_with = "or_empty")]
    #[schemars(with = "Option<String>", length(max = 500))]
    pub description: String,
    /// `organization` or `project`.
    #[serde(default)]
    #[schemars(!default, with = "Level")]
    pub level: String,
    /// What it holds: `runs:write` includes reading.
    #[serde(default)]
    #[schemars(!default, with = "Vec<Permission>", length(min = 1))]
    pub permissions: Vec<String>,
}

/// What an edit changes; what is missing stays. Slug and level never change.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetEdit {
    /// A new name.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// A new description.
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// New permissions.
    #[schemars(with = "Option<Vec<Permission>>")]
    pub permissions: Option<Vec<String>>,
}

/// The fields of a set, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it holds.
    pub level: Level,
    /// What it holds.
    pub permissions: Permissions,
}

/// Checks the slug of a set: `[a-z0-9]([-_]?[a-z0-9])*`, at most 64, not
/// reserved, not a built-in set's, and no look-alike of one.
///
/// # Errors
/// A sentence for the person who typed it.
fn set_slug(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    // Underscores are let through by checking the slug with hyphens in their place.
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

/// Checks the name of a set: as any name, and no look-alike of a built-in set's
/// name or of a word for owners.
fn set_name(text: &str) -> std::result::Result<String, String> {
    let text = name(text)?;
    check_unprivileged("name", &text)?;
    match looks_like(&text, built_in_sets().iter().map(|set| set.name.as_ref())) {
        Some(name) => Err(too_similar("name", name)),
        None => Ok(text),
    }
}

fn permissions_of(words: &[String], mistakes: &mut ValidationErrors) -> Permissions {
    let mut all = Permissions::NONE;
    for word in words {
        match word.parse::<Permission>() {
            Ok(permission) if permission.resource == Resource::Credentials => {
                let message = format!("Remove “{word}”. It cannot be part of a permission set.");
                mistakes.add("permissions", message);
            }
            Ok(permission) => all = all.and(Permissions::of(permission)),
            Err(message) => mistakes.add("permissions", message),
        }
    }
    if all.is_empty() && words.is_empty() {
        mistakes.add("permissions", "Choose at least one permission.");
    }
    all
}

impl NewSet {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self) -> Result<Checked> {
        let mut mistakes = ValidationErrors::default();
        let name = mistakes.check("name", set_name(&self.name));
        let slug = mistakes.check("slug", set_slug(&self.slug));
        let description =
            mistakes.check("description", multiline_text("description", &self.description, 500));
        let level: Option<Level> = mistakes.check("level", self.level.parse());
        let permissions = permissions_of(&self.permissions, &mut mistakes);
        match (slug, name, description, level) {
            (Some(slug), Some(name), Some(description), Some(level)) if mistakes.is_empty() => {
                Ok(Checked { slug, name, description, level, permissions })
            }
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl SetEdit {
    /// Checks every field, over what the set has.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, set: &OwnSet) -> Result<Checked> {
        let mut mistakes = ValidationErrors::default();
        let name = mistakes.check(
            "name",
            match &self.name {
                Some(new) if *new != set.name => set_name(new),
                _ => Ok(set.name.clone()),
            },
        );
        let description = self.description.as_deref().unwrap_or(&set.description);
        let description = mistakes.check("description", multiline_text("description", description, 500));
        let permissions = match &self.permissions {
            Some(words) => permissions_of(words, &mut mistakes),
            None => principals::permissions(&set.permissions),
        };
        match (name, description) {
            (Some(name), Some(description)) if mistakes.is_empty() => {
                Ok(Checked { slug: set.slug.clone(), name, description, level: set.level, permissions })
            }
            _ => Err(Error::Invalid(mistakes)),
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
