//! Projects: the objects that services act on, and the grants that name principals in them.
//!
//! A project belongs to one team. Its visibility and its grants decide who can read and write in it;
//! [`crate::access`] evaluates them. This section manages the project's record and its grants. The content of
//! a project is in the services, not in Tessera.

pub mod actions;
pub mod api;
pub mod grants;
pub mod model;
pub mod pages;
pub mod store;
