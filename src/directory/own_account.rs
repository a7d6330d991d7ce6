//! A person's own account, as the rules know it.

use crate::access::{
    Guarded, Kind, Permissions, Permit, Resource, Subject, Target, authorize_read, authorize_write,
};
use crate::platform::Result;
use crate::platform::id::PersonId;
use crate::tokens::model::{HoldsTokens, TokenOwner};

/// The account of a person: profile, password, sessions and personal tokens.
#[derive(Clone, Copy, Debug)]
pub struct OwnAccount(pub PersonId);

impl Guarded for OwnAccount {
    const RESOURCE: Resource = Resource::Credentials;
    fn target(&self) -> Target {
        Target::Credentials(self.0)
    }
}

impl HoldsTokens for OwnAccount {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Person(self.0)
    }
}

impl OwnAccount {
    /// The person as the only principal that has to do with their account.
    /// `narrowed`: what the token is limited to that they came with; `None` for
    /// a session or an unlimited token.
    fn subject(self, narrowed: Option<Permissions>) -> Subject {
        let kind = Kind::Person { id: self.0, owner: false, teams: Vec::new() };
        Subject { kind, grants: Vec::new(), narrowed }
    }

    /// Checks that the person's credentials may be listed.
    ///
    /// # Errors
    /// [`crate::platform::Error::Forbidden`] for a token that is limited to less.
    pub fn ensure_can_read(self, narrowed: Option<Permissions>) -> Result<()> {
        authorize_read(&self.subject(narrowed), self).map(drop)
    }

    /// The proof that the person may change their account.
    ///
    /// # Errors
    /// [`crate::platform::Error::Forbidden`] for a token that is limited to less.
    pub fn authorize(self, narrowed: Option<Permissions>) -> Result<Permit<Self>> {
        authorize_write(&self.subject(narrowed), self)
    }
}
