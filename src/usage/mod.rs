//! What was counted of verifications, as pages and API show it. [`crate::verification::usage`] collects it.

pub mod api;
pub mod model;
pub mod store;
