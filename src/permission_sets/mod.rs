//! Permission sets: the built-in ones, and those that owners make.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
