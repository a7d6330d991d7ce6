//! Handing over what a principal holds: nobody gives what they do not have.

use super::store;
use crate::access::{Gift, Projects, Subject, require_gift};
use crate::platform::{Result, Tx};

/// Checks that the caller holds everything that a principal holds, where a
/// change hands it out (a new token, a new value, switching on again).
///
/// # Errors
/// [`crate::platform::Error::Forbidden`] with what it would give too much.
pub async fn hand_over(tx: &mut Tx, caller: &Subject, principal: &Subject) -> Result<()> {
    for grant in &principal.grants {
        match grant.projects {
            Projects::All => require_gift(caller, &Gift::of(&principal.kind, &grant.set))?,
            Projects::One(project) => {
                // A project that is gone gives nothing.
                if let Some(facts) = store::project_facts(&mut *tx, project).await? {
                    require_gift(caller, &Gift::in_project(&grant.set, facts))?;
                }
            }
        }
    }
    Ok(())
}
