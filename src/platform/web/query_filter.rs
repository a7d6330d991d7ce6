//! The declarations of list filters. A declaration is used for checking the query
//! and for the API reference.

/// A parameter in the query of a URL that filters a list of the API. The list refuses other parameters and
/// values, and the API reference shows these.
#[derive(Clone, Copy, Debug)]
pub struct QueryFilter {
    /// The name of the field.
    pub name: &'static str,
    /// The description for the API reference.
    pub about: &'static str,
    /// The allowed values; empty if any text is allowed.
    pub words: &'static [&'static str],
}

/// The filter of a list in the console, which links must keep.
pub trait ListFilter {
    /// The names and values of the query's fields; a value is empty if the field
    /// does not filter.
    fn fields(&self) -> Vec<(&'static str, &str)>;
}

/// The filter of a list that can only be searched.
#[derive(Clone, Debug, Default)]
pub struct SearchFilter(pub String);

impl ListFilter for SearchFilter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![("q", self.0.as_str())]
    }
}
