//! The audit log: read, filtered, exported.

pub mod actions;
pub mod api;
pub mod pages;
pub mod store;
