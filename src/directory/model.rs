//! Persons and what they belong to.

use crate::access::TeamRole;
use crate::authn::password;
use crate::platform::ValidationErrors;
use crate::platform::id::TeamId;
use crate::platform::secret::Secret;
use crate::platform::text::{email, name, slug_of};

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
        let username = mistakes.check("username", slug_of("username", &self.username));
        let person_name = mistakes.check("name", name(&self.name));
        let address = mistakes.check("email", email(&self.email));
        let local = self.email.split('@').next().unwrap_or_default();
        let own = [self.username.as_str(), local, self.name.as_str()];
        mistakes.check("password", password::check(&self.password, &own));
        Some(CheckedPerson { username: username?, email: address?, name: person_name? })
    }
}

/// A person's membership of a team.
#[derive(Clone, Debug, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct TeamMembership {
    /// The team's slug.
    pub slug: String,
    /// What they are there.
    pub role: TeamRole,
    /// The team's name.
    #[serde(skip)]
    pub name: String,
    /// Whether it is secret.
    #[serde(skip)]
    pub secret: bool,
    /// The team.
    #[serde(skip)]
    pub id: TeamId,
}
