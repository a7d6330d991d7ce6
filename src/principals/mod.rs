//! Loads principals for `decide`: what they are and which grants they hold in
//! their organization, as [`crate::access::Subject`]. `affected` finds the
//! principals that a write concerns.
//!
//! Everything here only reads, from the pool or inside a transaction, and makes
//! no decision.

mod affected;
mod grants;
mod machines;
mod organization;
mod people;
mod subject;

pub use affected::{Affected, Effect, load_affected, load_probe_scope, load_representatives};
pub use machines::{of_account, of_organization, of_service_token, of_team};
pub use organization::{OrganizationFacts, OrganizationRow, organization, permissions, sets, stored};
pub use people::{Membership, load_person, memberships};
pub use subject::load_subject;
