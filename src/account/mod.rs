//! A person's own account: profile, password, sessions, personal tokens.

pub mod actions;
pub mod api;
pub mod pages;
pub mod store;
pub mod token_pages;
pub mod tokens;
