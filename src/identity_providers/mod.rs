//! Identity providers: issuers of JWTs that an organization trusts for its federated service accounts.
//!
//! `service_accounts` binds accounts to a provider, and the OAuth token endpoint in `protocols` looks
//! providers up by issuer and audience.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
