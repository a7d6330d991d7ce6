//! Principals as `decide` must know them: what they are, and what they hold in
//! their organization. Everything here only reads, from the pool or inside a
//! transaction, and decides nothing.

mod affected;
mod grants;
mod machines;
mod organization;
mod people;
mod subject;

pub use affected::{Affected, Effect, load_affected, load_places, load_representatives};
pub use machines::{of_account, of_organization, of_service_token, of_team};
pub use organization::{OrganizationFacts, OrganizationRow, organization, permissions, sets, stored};
pub use people::{Membership, load_person, memberships};
pub use subject::load_subject;
