//! How services ask: whose token is this, and may it do that?

pub mod access_evaluation;
pub mod forward_auth;
pub mod introspection;
mod oauth_error;
pub mod oauth_metadata;
pub mod oauth_token;
pub mod revocation;
pub mod verified;
