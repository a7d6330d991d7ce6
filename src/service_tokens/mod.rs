//! Service tokens: tokens that belong to the organization, act as themselves, and have grants of their own.
//!
//! Their lifecycle is in [`crate::tokens`] and their grants are rows of [`crate::grants`]; this section
//! combines both.

pub mod actions;
pub mod api;
pub mod form;
pub mod model;
pub mod pages;
pub mod store;
