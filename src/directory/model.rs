//! Types of persons and team memberships, with the checks of a new person's fields. No I/O.
//!
//! A person belongs to the installation and has one username and email in all organizations.

use crate::access::TeamRole;
use crate::authn::password;
use crate::platform::ValidationErrors;
use crate::platform::id::TeamId;
use crate::platform::secret::Secret;
use crate::platform::text::{email, name, slug_of};

/// A person that will be created, as submitted by a form.
#[derive(Clone, Debug, Default)]
pub struct NewPerson {
    /// Username, a slug that is unique in the installation and never changes.
    pub username: String,
    /// Email address, unique in the installation (compared with case folding).
    pub email: String,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Password in plain text; only its hash is stored.
    pub password: Secret,
}

/// The checked fields of a new person.
#[derive(Clone, Debug)]
pub struct ValidPerson {
    /// Username, a valid slug. Uniqueness is checked when the row is inserted.
    pub username: String,
    /// Email address as it was typed.
    pub email: String,
    /// Display name, trimmed and normalized.
    pub name: String,
}

impl NewPerson {
    /// Checks every field. `None` if the username, name or email is invalid. A weak password only adds an
    /// error to `errors`.
    pub fn check(&self, errors: &mut ValidationErrors) -> Option<ValidPerson> {
        let username = errors.check("username", slug_of("username", &self.username));
        let person_name = errors.check("name", name(&self.name));
        let address = errors.check("email", email(&self.email));
        let local = self.email.split('@').next().unwrap_or_default();
        let own = [self.username.as_str(), local, self.name.as_str()];
        errors.check("password", password::check_new(&self.password, &own));
        Some(ValidPerson { username: username?, email: address?, name: person_name? })
    }
}

/// A person's membership in a team.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct TeamMembership {
    /// Slug of the team.
    pub slug: String,
    /// Team role of the person.
    pub role: TeamRole,
    /// Display name of the team.
    #[serde(skip)]
    pub name: String,
    /// Whether the team is secret.
    #[serde(skip)]
    pub secret: bool,
    /// Id of the team.
    #[serde(skip)]
    pub id: TeamId,
}
