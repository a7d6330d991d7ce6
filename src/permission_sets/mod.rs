//! Permission sets: the built-in ones, and those that an organization creates.
//!
//! Built-in sets are constants in [`crate::access`] and cannot be changed. This section manages the
//! organization's own sets and shows both.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
