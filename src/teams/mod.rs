//! Teams and who is in them.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
pub mod token;
pub mod token_api;
pub mod token_pages;
