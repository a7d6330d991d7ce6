//! Organizations: the tenant, its first owner, its overview.

pub mod actions;
pub mod model;
pub mod pages;
pub mod search;
pub mod settings;
pub mod settings_api;
pub mod settings_pages;
pub mod store;
pub mod token;
pub mod token_api;
pub mod token_pages;
