//! The declarations of list filters. A declaration is used for checking the query
//! and for the API reference.

/// A field of the query that filters a list of the API.
#[derive(Clone, Copy, Debug)]
pub struct QueryFilter {
    /// The name of the field.
    pub name: &'static str,
    /// The description for the API reference.
    pub about: &'static str,
    /// The allowed words; empty for any text.
    pub words: &'static [&'static str],
}

/// The filter of a list in the console, which links must keep.
pub trait ListFilter {
    /// The names and values of the query's fields; a value is empty if the field
    /// does not filter.
    fn fields(&self) -> Vec<(&'static str, &str)>;
}

impl<T: ListFilter> ListFilter for &T {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        (**self).fields()
    }
}
