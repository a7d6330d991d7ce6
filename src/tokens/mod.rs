//! Tokens of all kinds: one table, one lifecycle and shared pages.
//!
//! The sections (service accounts, teams, organizations, people, services) decide who can manage a token and
//! call this module to issue, regenerate and revoke it. [`crate::verification`] reads the same tables to
//! verify presented values. Only the SHA-256 hash of a value is stored, and the value itself is shown exactly
//! once.

pub mod access_token;
pub mod access_token_grant;
pub mod api;
pub mod lifecycle;
pub mod model;
pub mod one_time_secret;
pub mod pages;
pub mod selection;
pub mod single;
pub mod single_pages;
pub mod store;
