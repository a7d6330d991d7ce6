//! Teams, their members, and the API token of a team.
//!
//! A team's role and grants apply to its people and to its token. Team admins manage the members, and the
//! setting of the team decides whether every member manages the token. The `owners` team is created with its
//! organization (`organizations::bootstrap`), cannot be deleted and always keeps a member.

pub mod actions;
pub mod api;
pub mod model;
pub mod pages;
pub mod store;
pub mod token;
pub mod token_api;
pub mod token_pages;
