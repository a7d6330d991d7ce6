//! A principal in the organization that the path names.

use crate::access::Subject;
use crate::audit::{Actor, Change};
use crate::platform::{Context, Result};
use crate::principals::OrganizationFacts;

/// A principal in one organization.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For the audit log.
    pub actor: Actor,
    /// For `decide`.
    pub subject: Subject,
    /// Where.
    pub organization: OrganizationFacts,
}

impl Caller {
    /// Begins a change, with the caller as it is inside the transaction: what
    /// was taken away meanwhile does not count.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::Unauthenticated`] where the caller is
    /// gone; when the database cannot.
    pub async fn begin<'a>(&'a self, context: &'a Context) -> Result<(Change<'a>, Self)> {
        let mut change = Change::begin(context, &self.actor, Some(self.organization.id)).await?;
        let (organization, subject) = change.load_caller().await?;
        Ok((change, Self { actor: self.actor.clone(), subject, organization }))
    }
}
