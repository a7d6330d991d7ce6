//! The people of an organization, and how they come to it: invitations.

pub mod actions;
pub mod api;
pub mod invitations;
pub mod model;
pub mod pages;
pub mod store;
