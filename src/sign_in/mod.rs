//! Sign-in and sign-out of people, the choice of a theme, and the API that every token can use for itself.
//!
//! People sign in with email and password and get a session. Programs present a token with every request and
//! can look up, revoke or rotate it.

pub mod actions;
pub mod api;
pub mod pages;
