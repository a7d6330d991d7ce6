//! Access of persons to their own account, which belongs to no organization.
//!
//! Only the person has access. A narrowed personal token needs the permission `credentials` to manage tokens.

use crate::access::{
    Guarded, Kind, Permissions, Permit, Resource, Subject, Target, authorize_read, authorize_write,
};
use crate::platform::Result;
use crate::platform::id::PersonId;
use crate::tokens::model::{TokenHolder, TokenOwner};

/// The account of a person, as the target of decisions: profile, password, sessions and personal tokens.
#[derive(Clone, Copy, Debug)]
pub struct OwnAccount(pub PersonId);

impl Guarded for OwnAccount {
    const RESOURCE: Resource = Resource::Credentials;
    fn target(&self) -> Target {
        Target::Credentials(self.0)
    }
}

impl TokenHolder for OwnAccount {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Person(self.0)
    }
}

impl OwnAccount {
    /// The person as a subject without grants. `narrowed` are the permissions of a narrowed personal token;
    /// `None` for a session or a token that is not narrowed.
    fn subject(self, narrowed: Option<Permissions>) -> Subject {
        let kind = Kind::Person { id: self.0, owner: false, teams: Vec::new() };
        Subject { kind, grants: Vec::new(), narrowed }
    }

    /// Checks that the caller is allowed to list the person's tokens.
    ///
    /// # Errors
    /// [`crate::platform::Error::Forbidden`] for a narrowed token without this permission.
    pub fn ensure_can_read(self, narrowed: Option<Permissions>) -> Result<()> {
        authorize_read(&self.subject(narrowed), self).map(drop)
    }

    /// Returns the permit to change the person's account and tokens.
    ///
    /// # Errors
    /// [`crate::platform::Error::Forbidden`] for a narrowed token without this permission.
    pub fn authorize(self, narrowed: Option<Permissions>) -> Result<Permit<Self>> {
        authorize_write(&self.subject(narrowed), self)
    }
}
