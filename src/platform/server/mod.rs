//! The HTTP server below axum. It exists because axum's own server cannot limit
//! connections or close those that send half a request, and because a router
//! with its layers cost more than verifying a token does. Replace it with
//! `axum::serve` when that offers limits on connections and header reading, and
//! the fast path when the router's share of a verification is below a tenth
//! (docs/performance.md has the figures).

mod connections;
mod fast_path;
mod listener;
mod serve;

pub use connections::ConnectionLimits;
pub use fast_path::{AppService, FastPath};
pub use listener::Listener;
pub use serve::serve;
