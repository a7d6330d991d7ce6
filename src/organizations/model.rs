//! What making an organization takes.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Policy, Resource, Target};
use crate::directory::model::{CheckedPerson, NewPerson};
use crate::platform::id::OrganizationId;
use crate::platform::text::{casefold, name_of, slug};

pub use crate::platform::text::email;
use crate::platform::{Result, Timestamp, ValidationErrors};

/// The first owner and their organization, as typed.
#[derive(Clone, Debug, Default)]
pub struct FirstRun {
    /// The organization's slug.
    pub organization: String,
    /// Its name.
    pub organization_name: String,
    /// Who the first owner is.
    pub person: NewPerson,
}

impl FirstRun {
    /// Checks every field.
    ///
    /// # Errors
    /// [`crate::platform::Error::Invalid`] with all that is wrong.
    pub fn check(&self) -> Result<(String, String, CheckedPerson)> {
        let mut mistakes = ValidationErrors::default();
        let organization_name =
            mistakes.check("organization_name", name_of("organization name", &self.organization_name));
        let organization = mistakes.check("organization", slug(&self.organization));
        let person = self.person.check(&mut mistakes);
        match (organization, organization_name, person) {
            (Some(slug), Some(name), Some(person)) if mistakes.is_empty() => Ok((slug, name, person)),
            _ => Err(crate::platform::Error::Invalid(mistakes)),
        }
    }
}

/// A code that a person typed or pasted, compared without its case and dashes.
#[must_use]
pub fn plain_code(text: &str) -> String {
    casefold(text).chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The organization's name and policies.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

impl Guarded for Settings {
    const RESOURCE: Resource = Resource::Settings;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// The organization's address limits.
#[derive(Clone, Copy, Debug)]
pub struct AddressLimits;

impl Guarded for AddressLimits {
    const RESOURCE: Resource = Resource::IpRestrictions;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// The organization as a whole: ending it.
#[derive(Clone, Copy, Debug)]
pub struct Itself;

impl Guarded for Itself {
    const RESOURCE: Resource = Resource::Settings;
    fn target(&self) -> Target {
        Target::OrganizationItself
    }
}

/// An organization as the API shows it.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its edits.
    #[serde(skip)]
    pub version: i64,
    /// Its policies, as JSON.
    #[serde(skip)]
    #[sqlx(rename = "policy")]
    pub policy_text: String,
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsEdit {
    /// A new name.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// New policies, whole.
    pub policy: Option<Policy>,
}

/// An organization to be made, as typed or sent.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// Its slug.
    #[serde(default)]
    #[schemars(!default, length(max = 64), regex(pattern = r"^[a-z0-9](-?[a-z0-9])*$"))]
    pub slug: String,
    /// Its name.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
}
