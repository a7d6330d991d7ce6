//! The people of an organization: members, their roles, and invitations.
//!
//! A person's account belongs to the installation and is managed in `account`; this section manages the
//! membership in one organization. An invitation gives access when it is accepted, and only what its inviter
//! holds at that moment.

pub mod actions;
pub mod api;
pub mod invitations;
pub mod model;
pub mod pages;
pub mod store;
