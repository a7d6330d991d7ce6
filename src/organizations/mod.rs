//! Organizations: the tenants of an installation.
//!
//! This section creates the first organization with its owner (`bootstrap`), further organizations, and edits
//! their name and policy. It also manages the organization token, which only owners can do. Everything else
//! in an organization belongs to the other sections.

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
