//! Protocols for services and OAuth clients.
//!
//! Services verify tokens through introspection (RFC 7662), access evaluation (OpenID AuthZEN) and forward
//! auth. Clients get and revoke access tokens through the OAuth endpoints (RFC 6749, RFC 8693, RFC 7523, RFC
//! 7009). All verification goes through `verified`, and all access decisions through
//! [`crate::access::decide`].

pub mod access_evaluation;
pub mod forward_auth;
pub mod introspection;
mod oauth_error;
pub mod oauth_metadata;
pub mod oauth_token;
pub mod revocation;
pub mod verified;
