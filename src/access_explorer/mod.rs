//! The access explorer: who may do what where, and why.

pub mod actions;
pub mod pages;
