//! Identity providers: issuers that an organization trusts for its federated
//! service accounts.

pub mod model;
pub mod store;
