//! Services: programs that verify tokens here (OAuth: resource servers).

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
