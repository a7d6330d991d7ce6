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

/// The filter of a list in the console, as the fields of its address.
pub trait ListFilter {
    /// Each field with its value; empty where it does not filter.
    fn fields(&self) -> Vec<(&'static str, &str)>;
}

impl<T: ListFilter> ListFilter for &T {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        (**self).fields()
    }
}
