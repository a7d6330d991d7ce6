//! What the pages of all sections share: the data of the layout around a page,
//! the conversion of errors to form errors, and the filters of the templates.

pub mod filters;
mod layout;

pub use layout::{Layout, NavLink, refused, render};
