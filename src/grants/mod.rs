//! Grants: a principal, a permission set, and all projects or one project.
//!
//! Roles are not in this table: they are columns of memberships, teams and service accounts. The sections
//! authorize a change and call `store`; `principals` loads grants for access decisions.

pub mod store;
