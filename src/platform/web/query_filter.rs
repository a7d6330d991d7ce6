//! The filters of a list in the API: declared once, for reading them and for
//! the reference.

/// A field after the `?` of an address.
#[derive(Clone, Copy, Debug)]
pub struct QueryFilter {
    /// Its name.
    pub name: &'static str,
    /// What it filters by.
    pub about: &'static str,
    /// The words that it takes; any text where there are none.
    pub words: &'static [&'static str],
}
