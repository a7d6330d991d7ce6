//! What the pages of all sections share: the data of the layout around a page,
//! the paths of the console, the conversion of errors to form errors, and the
//! filters of the templates.

pub mod charts;
mod dialog;
pub mod filters;
mod layout;
mod levels;
mod lists;
mod paths;
mod selection;

pub use dialog::Dialog;
pub use layout::{Layout, NavGroup, NavLink, refused, render};
pub use levels::{LevelGroup, LevelRow, Reach, group_labels, level_counts, level_rows};
pub use lists::{ListState, SavedFilter};
pub use paths::{ConsolePath, Paths, paths};
pub use selection::{Results, RowResult, ShownResult, selected, show_results};
