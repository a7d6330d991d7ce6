//! The search over everything that the reader can see: pages, service accounts, tokens by their last characters,
//! teams, people and projects.
//!
//! It asks the lists of the sections, which show nobody what they cannot see.

pub mod actions;
pub mod pages;
