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
pub use machines::{
    load_account_subject, load_service_token_subject, load_team_subject, organization_subject,
};
pub use organization::{
    OrganizationFacts, OrganizationRow, format_permissions, load_organization, load_permission_sets,
    parse_permissions,
};
pub use people::{Membership, load_member_subject, load_memberships};
pub use subject::load_subject;
