//! Service accounts: machine users with API keys.

pub mod actions;
pub mod api;
pub mod form;
pub mod keys;
pub mod model;
pub mod pages;
pub mod store;
pub mod token_pages;
