//! What the pages of all sections share: the layout around a page, and the
//! filters of the templates.

pub mod filters;
mod layout;

pub use layout::{Layout, NavLink, page, refused};
