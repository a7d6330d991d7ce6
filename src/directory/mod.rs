//! Persons, their memberships in organizations and their team memberships.
//!
//! The sections `organizations`, `teams`, `people` and `account` share these types and statements.
//! Permissions are checked by those sections, not here.

pub mod model;
pub mod own_account;
pub mod search;
pub mod store;
