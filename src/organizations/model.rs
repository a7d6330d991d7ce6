//! What making an organization takes.

use crate::authn::password;
use crate::platform::secret::Secret;
use crate::platform::text::{casefold, name, slug};

pub use crate::platform::text::email;
use crate::platform::{Result, ValidationErrors};

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

/// A person to be made, as typed.
#[derive(Clone, Debug, Default)]
pub struct NewPerson {
    /// Unique in the installation.
    pub username: String,
    /// Unique in the installation.
    pub email: String,
    /// For people.
    pub name: String,
    /// Never shown again.
    pub password: Secret,
}

/// A person whose fields were checked.
#[derive(Clone, Debug)]
pub struct CheckedPerson {
    /// A slug.
    pub username: String,
    /// As typed.
    pub email: String,
    /// Trimmed.
    pub name: String,
}

impl NewPerson {
    /// Checks every field.
    pub fn check(&self, mistakes: &mut ValidationErrors) -> Option<CheckedPerson> {
        let username = mistakes.check("username", slug(&self.username));
        let person_name = mistakes.check("name", name(&self.name));
        let address = mistakes.check("email", email(&self.email));
        let local = self.email.split('@').next().unwrap_or_default();
        let own = [self.username.as_str(), local, self.name.as_str()];
        mistakes.check("password", password::check(&self.password, &own));
        Some(CheckedPerson { username: username?, email: address?, name: person_name? })
    }
}

impl FirstRun {
    /// Checks every field.
    ///
    /// # Errors
    /// [`crate::platform::Error::Invalid`] with all that is wrong.
    pub fn check(&self) -> Result<(String, String, CheckedPerson)> {
        let mut mistakes = ValidationErrors::default();
        let organization_name = mistakes.check("organization_name", name(&self.organization_name));
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
