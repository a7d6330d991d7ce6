//! Types of organizations and their forms, with the checks of the fields. No I/O.
//!
//! The settings, the IP ranges and the deletion of an organization are guarded separately, because different
//! permissions protect them.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Policy, Resource, Target};
use crate::directory::model::{NewPerson, ValidPerson};
use crate::platform::id::OrganizationId;
use crate::platform::text::{casefold, name_of, slug};

pub use crate::platform::text::email;
use crate::platform::{Result, Timestamp, ValidationErrors};

/// The fields of the first set-up: the organization and its first owner.
#[derive(Clone, Debug, Default)]
pub struct FirstRun {
    /// Slug of the organization.
    pub organization: String,
    /// Display name of the organization.
    pub organization_name: String,
    /// The fields of the first owner's account.
    pub person: NewPerson,
}

impl FirstRun {
    /// Checks every field. Returns the slug, the name and the person.
    ///
    /// # Errors
    /// [`crate::platform::Error::Invalid`] with a message for every invalid field.
    pub fn check(&self) -> Result<(String, String, ValidPerson)> {
        let mut errors = ValidationErrors::default();
        let organization_name =
            errors.check("organization_name", name_of("organization name", &self.organization_name));
        let organization = errors.check("organization", slug(&self.organization));
        let person = self.person.check(&mut errors);
        match (organization, organization_name, person) {
            (Some(slug), Some(name), Some(person)) if errors.is_empty() => Ok((slug, name, person)),
            _ => Err(crate::platform::Error::Invalid(errors)),
        }
    }
}

/// Normalizes a code that a person typed or pasted: letters and digits only, in lower case.
#[must_use]
pub fn plain_code(text: &str) -> String {
    casefold(text).chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The name and the policy of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

impl Guarded for Settings {
    const RESOURCE: Resource = Resource::Settings;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// The IP ranges in the organization's policy, which have a permission of their own, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct AddressLimits;

impl Guarded for AddressLimits {
    const RESOURCE: Resource = Resource::IpRestrictions;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// Deleting the organization, as the target of decisions. Only owners can do that.
#[derive(Clone, Copy, Debug)]
pub struct OrganizationDeletion;

impl Guarded for OrganizationDeletion {
    const RESOURCE: Resource = Resource::Settings;
    fn target(&self) -> Target {
        Target::OrganizationDeletion
    }
}

/// An organization, as the API shows it.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Organization {
    /// Unique id.
    pub id: OrganizationId,
    /// Slug in paths and in the API; it never changes.
    pub slug: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Version for optimistic locking; increases with every edit.
    #[serde(skip)]
    pub version: i64,
    /// The policy as a JSON document; see [`Policy`].
    #[serde(skip)]
    #[sqlx(rename = "policy")]
    pub policy_text: String,
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsEdit {
    /// New name; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// The complete new policy; `None` keeps the current one.
    pub policy: Option<Policy>,
}

/// An organization that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// Slug, unique in the installation. It cannot be changed later.
    #[serde(default)]
    #[schemars(!default, length(max = 64), regex(pattern = r"^[a-z0-9](-?[a-z0-9])*$"))]
    pub slug: String,
    /// Display name, 1 to 255 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
}
