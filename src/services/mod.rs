//! Services: programs that verify tokens with Tessera (OAuth: resource servers).
//!
//! A service authenticates with a secret, which is a token of its own kind. This section registers services
//! and manages their secrets; `protocols` answers their requests.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
