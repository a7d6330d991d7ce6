//! The order of a list: a column that the list can be sorted by, and a direction.

use crate::platform::text::one_of;
use crate::platform::web::form::Form;
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::{Error, Result, ValidationErrors};

/// A column by which a list is sorted. As text it is the name of the column, with a
/// hyphen before it if the list begins with the largest value: `-last_used`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The name of the column in queries.
    pub column: &'static str,
    /// Whether the list begins with the largest or newest value.
    pub descending: bool,
}

impl Sort {
    /// The smallest value first.
    #[must_use]
    pub const fn ascending(column: &'static str) -> Self {
        Self { column, descending: false }
    }

    /// The largest value first.
    #[must_use]
    pub const fn descending(column: &'static str) -> Self {
        Self { column, descending: true }
    }

    /// The same column in the other direction.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { descending: !self.descending, ..self }
    }

    /// Reads the field `sort` of a query. `columns` are the columns of the list, each in
    /// the direction that it is usually read in; without the field, the first one is
    /// used.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other column.
    pub fn read(query: &Form, columns: &[Self]) -> Result<Option<Self>> {
        let Some(text) = query.filled("sort") else { return Ok(columns.first().copied()) };
        let both = columns.iter().flat_map(|column| [*column, column.reversed()]);
        let found = both.into_iter().find(|sort| sort.to_string() == text);
        found.map(Some).ok_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|sort| sort.column).collect();
            let message = match names.as_slice() {
                [] => "This list cannot be sorted.".to_owned(),
                names => one_of(names),
            };
            Error::Invalid(ValidationErrors::one("sort", message))
        })
    }
}

/// The declaration of the field `sort` for a list of the API, whose words are those of
/// its columns.
#[must_use]
pub const fn sort_filter(words: &'static [&'static str]) -> QueryFilter {
    QueryFilter { name: "sort", about: "The order; a hyphen begins with the largest value.", words }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::web::Query;

    const COLUMNS: &[Sort] = &[Sort::ascending("name"), Sort::descending("last_used")];

    #[test]
    fn a_list_is_sorted_by_its_columns_in_both_directions_and_by_nothing_else() {
        let read = |query: &str| Sort::read(&Query::parse(query).0, COLUMNS);
        for (query, sort) in [
            ("", Sort::ascending("name")),
            ("sort=", Sort::ascending("name")),
            ("sort=-name", Sort::descending("name")),
            ("sort=last_used", Sort::ascending("last_used")),
            ("sort=-last_used", Sort::descending("last_used")),
        ] {
            assert_eq!(read(query).expect("a column"), Some(sort), "{query}");
        }
        for query in ["sort=color", "sort=--name", "sort=-", "sort=NAME"] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
