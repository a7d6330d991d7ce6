//! Persons, their memberships of organizations and of teams. Organizations,
//! teams and people are built on it; what each section shows and allows, the
//! section says.

pub mod model;
pub mod own_account;
pub mod search;
pub mod store;
