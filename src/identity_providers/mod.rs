//! Identity providers: issuers that an organization trusts for its federated
//! service accounts.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
