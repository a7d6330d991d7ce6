//! The audit log of an organization: pages, API and export.
//!
//! This section only reads. Events are written by [`crate::audit`] in the transaction of the change that they
//! describe, and are never changed.

pub mod actions;
pub mod api;
pub mod pages;
pub mod store;
