//! Grants: a permission set that a principal holds, for all projects or one.

pub mod store;
