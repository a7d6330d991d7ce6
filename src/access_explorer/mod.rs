//! The access explorer: a page that shows what a principal can do in the organization or a project, and why.
//!
//! It calls the same function `decide` as all other access checks, and changes nothing.

pub mod actions;
pub mod pages;
