//! Service tokens: they belong to the organization, act as themselves, and
//! carry grants of their own.

pub mod actions;
pub mod api;
pub mod form;
pub mod model;
pub mod pages;
pub mod store;
