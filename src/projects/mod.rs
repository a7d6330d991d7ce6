//! Projects: what services act on, and who works in them.

pub mod actions;
pub mod api;
pub mod grants;
pub mod model;
pub mod pages;
pub mod store;
