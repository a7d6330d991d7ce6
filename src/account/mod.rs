//! The account of a person: profile, password, sessions and personal tokens.
//!
//! An account belongs to the installation, not to an organization. Sensitive changes require the password
//! again.

pub mod actions;
pub mod api;
pub mod pages;
pub mod store;
pub mod token_pages;
pub mod tokens;
