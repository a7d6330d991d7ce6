//! Organizations: the tenant, its first owner, its overview.

pub mod actions;
pub mod api;
pub mod bootstrap;
pub mod model;
pub mod pages;
pub mod setup_pages;
pub mod store;
pub mod token;
pub mod token_api;
pub mod token_pages;
