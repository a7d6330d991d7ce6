//! Organizations: the tenant, its first owner, its overview.

pub mod actions;
pub mod model;
pub mod pages;
pub mod store;
