//! How services ask: whose token is this, and may it do that?

pub mod access_evaluation;
pub mod attribution;
pub mod forward_auth;
pub mod introspection;
pub mod verified;
