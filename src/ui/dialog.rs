//! A dialog over a page, such as the one that shows a new value over the list that it came from.
//!
//! The page behind the dialog is rendered as usual, by its own section, with the dialog in its [`Layout`]. It is
//! inert: neither a person nor a program that reads the page aloud can use it before the dialog is closed.
//!
//! [`Layout`]: super::Layout

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use zeroize::Zeroizing;

use crate::platform::{Error, Result};

/// A rendered dialog. `Debug` does not show its content, which can contain a secret.
#[derive(Clone)]
pub struct Dialog {
    /// The title of the document while the dialog is open.
    pub title: String,
    html: Zeroizing<String>,
}

impl Dialog {
    /// Renders the template of a dialog.
    ///
    /// # Errors
    /// An internal error if the template fails.
    pub fn new(title: impl Into<String>, template: &impl Template) -> Result<Self> {
        let html = Zeroizing::new(template.render().map_err(Error::internal)?);
        Ok(Self { title: title.into(), html })
    }
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog").field("title", &self.title).finish_non_exhaustive()
    }
}

/// Writes the HTML of the dialog.
impl fmt::Display for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

/// The HTML comes from a template, which escaped what it contains.
impl HtmlSafe for Dialog {}
