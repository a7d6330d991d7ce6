//! Signing in and out, the theme, and what a token may ask of itself.

pub mod actions;
pub mod api;
pub mod pages;
