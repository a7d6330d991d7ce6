//! A caller: a principal in the organization that the path names. It is the same
//! for pages and API, so that both can call the same actions.

use crate::access::Subject;
use crate::audit::{Actor, Change};
use crate::platform::{Context, Result};
use crate::principals::OrganizationFacts;

/// A principal that makes a request in one organization.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The principal as the audit log records it.
    pub actor: Actor,
    /// The principal as the subject of decisions.
    pub subject: Subject,
    /// The organization that the path names.
    pub organization: OrganizationFacts,
}

impl Caller {
    /// Begins a change. Returns it with the caller as loaded inside the
    /// transaction, so that access that was removed in the meantime does not
    /// count. Decisions of the change must use the returned caller.
    ///
    /// # Errors
    /// `Error::NotFound` or `Error::Unauthenticated` if the caller no longer
    /// exists; when the database cannot.
    pub async fn begin<'a>(&'a self, context: &'a Context) -> Result<(Change<'a>, Self)> {
        let mut change = Change::begin(context, &self.actor, Some(self.organization.id)).await?;
        let (organization, subject) = change.load_caller().await?;
        Ok((change, Self { actor: self.actor.clone(), subject, organization }))
    }
}
