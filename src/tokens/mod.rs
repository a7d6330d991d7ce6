//! Tokens: one table, one lifecycle, one reveal, whatever the kind.

pub mod access;
pub mod access_grant;
pub mod api;
pub mod lifecycle;
pub mod model;
pub mod one_time_secret;
pub mod pages;
pub mod single;
pub mod store;
