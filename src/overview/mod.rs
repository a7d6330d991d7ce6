//! The overview of an organization, and the one list of all its tokens.

pub mod pages;
pub mod store;
