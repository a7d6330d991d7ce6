//! How programs prove who they are: the format of tokens, the credentials that
//! a request presents, the lookup of their owner behind a cache, and what is
//! recorded of their use. The API, the verification protocols and the OAuth
//! endpoints all use [`verify()`].
//!
//! The cache contains loaded data, never decisions: expiry, IP allow-lists and
//! permissions are checked for every request.

pub mod assertion;
pub mod attribution;
pub mod batch_loader;
pub mod cache;
pub mod credentials;
pub mod issuers;
pub mod loader;
pub mod principal;
pub mod refused_tokens;
pub mod service;
pub mod signature;
pub mod token_format;
pub mod usage;
mod verifier;
mod verify;

pub use principal::VerifiedToken;
pub use token_format::{PlainToken, TokenHash};
pub use verifier::Verifier;
pub use verify::{
    Refusal, ensure_ip_allowed, ip_refused, load_facts, look_up, verify, verify_rate_limited, verify_request,
};
