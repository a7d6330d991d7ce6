//! The overview of an organization, and the list of all its tokens.
//!
//! This section only reads. Its links lead to the sections in which the objects are managed.

pub mod api;
pub mod attention;
pub mod attention_store;
pub mod lookup;
pub mod pages;
pub mod store;
