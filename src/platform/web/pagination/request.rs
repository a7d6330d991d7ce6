//! The page of a list that a request asks for: cursor, direction and number of
//! rows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::sort::Sort;
use crate::platform::web::form::Form;
use crate::platform::{Error, Result, ValidationErrors};

/// The number of rows on a page of the console, and the default of the API.
pub const ROWS_PER_PAGE: i64 = 50;

/// The number of rows of a list that shares its page with another list.
const ROWS_OF_PART: i64 = 25;

/// The numbers of rows that a reader of the console can choose for a page.
pub const PAGE_SIZES: [i64; 4] = [25, 50, 100, 200];

/// A position in a list: the sort key and the id of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The value by which the list is sorted; empty if it is sorted by id alone.
    pub key: String,
    /// The id of the row, which orders rows with the same key.
    pub id: String,
}

impl Cursor {
    /// The cursor of a row in a list that is sorted by id alone.
    #[must_use]
    pub fn from_id(id: impl std::fmt::Display) -> Self {
        Self { key: String::new(), id: id.to_string() }
    }

    /// The key of a list that is sorted by a time, in microseconds.
    #[must_use]
    pub fn moment(&self) -> i64 {
        self.key.parse().unwrap_or(0)
    }

    /// The cursor for URLs, which is opaque to clients.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.id, self.key))
    }

    /// Decodes the result of [`Cursor::encode`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for `field`, if the cursor is malformed.
    pub fn decode(field: &str, text: &str) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| {
            let (id, key) = text.split_once('\n')?;
            Some(Self { key: key.to_owned(), id: id.to_owned() })
        })
        .ok_or_else(|| Error::Invalid(ValidationErrors::one(field, "Use a cursor that this list returned.")))
    }
}

/// The page that a request asks for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// The largest number of rows on the page.
    pub limit: i64,
    /// The page contains the rows after this one.
    pub after: Option<Cursor>,
    /// The page contains the rows directly before this one. Takes precedence.
    pub before: Option<Cursor>,
    /// The order of the list; `None` for the order that the list has by default.
    pub sort: Option<Sort>,
}

impl PageRequest {
    /// Reads the page of a list in the console: `limit` (one of [`PAGE_SIZES`], by
    /// default 50), `after` and `before`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another number of rows, or a malformed cursor.
    pub fn for_console(query: &Form) -> Result<Self> {
        let Some(text) = query.filled("limit") else { return Self::read(query, ROWS_PER_PAGE) };
        let limit = PAGE_SIZES.into_iter().find(|size| size.to_string() == text);
        let limit = limit
            .ok_or_else(|| Error::Invalid(ValidationErrors::one("limit", "Choose 25, 50, 100 or 200.")))?;
        Self::read(query, limit)
    }

    /// Reads the page of a list that shares its page of the console with another list. The
    /// names of its cursors begin with `prefix`: `accounts_after`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a malformed cursor.
    pub fn for_part(query: &Form, prefix: &str) -> Result<Self> {
        let cursor = |name: &str| {
            let field = format!("{prefix}{name}");
            query.filled(&field).map(|text| Cursor::decode(&field, &text)).transpose()
        };
        let (after, before) = (cursor("after")?, cursor("before")?);
        Ok(Self { after, before, limit: ROWS_OF_PART, ..Self::first() })
    }

    /// Reads the page of a list in the API: `limit` (1 to 200, by default 50),
    /// `after` and `before`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn for_api(query: &Form) -> Result<Self> {
        let limit = match query.filled("limit") {
            None => ROWS_PER_PAGE,
            Some(text) => text.parse().ok().filter(|limit| (1..=200).contains(limit)).ok_or_else(|| {
                Error::Invalid(ValidationErrors::one("limit", "Enter a whole number from 1 to 200."))
            })?,
        };
        Self::read(query, limit)
    }

    fn read(query: &Form, limit: i64) -> Result<Self> {
        let cursor =
            |field: &'static str| query.filled(field).map(|text| Cursor::decode(field, &text)).transpose();
        Ok(Self { limit, after: cursor("after")?, before: cursor("before")?, sort: None })
    }

    /// The same page of a list that can be sorted by `columns`, in the order that the
    /// query asks for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column that is not one of them.
    pub fn sorted(self, query: &Form, columns: &[Sort]) -> Result<Self> {
        Ok(Self { sort: Sort::read(query, columns)?, ..self })
    }

    /// The column that the list is sorted by, and whether it begins with the largest
    /// value. The column is empty for the order that the list has by default.
    #[must_use]
    pub const fn order(&self) -> (&'static str, bool) {
        match self.sort {
            Some(sort) => (sort.column, sort.descending),
            None => ("", false),
        }
    }

    /// The first page of a list in the console.
    #[must_use]
    pub const fn first() -> Self {
        Self::of(ROWS_PER_PAGE)
    }

    /// The first 500 rows: the options of a select field.
    #[must_use]
    pub const fn choices() -> Self {
        Self::of(500)
    }

    /// The first rows of a list, at most `limit`.
    #[must_use]
    pub const fn of(limit: i64) -> Self {
        Self { limit, after: None, before: None, sort: None }
    }

    /// Whether the page is read backwards, from its last row.
    #[must_use]
    pub const fn is_backwards(&self) -> bool {
        self.before.is_some()
    }

    /// The direction in which the page is read.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        match (&self.before, &self.after) {
            (Some(_), _) => Direction::Before,
            (None, Some(_)) => Direction::After,
            (None, None) => Direction::Start,
        }
    }

    /// The cursor for the statement: key and id, both empty for the first page.
    #[must_use]
    pub fn start(&self) -> (String, String) {
        self.before
            .as_ref()
            .or(self.after.as_ref())
            .map(|at| (at.key.clone(), at.id.clone()))
            .unwrap_or_default()
    }

    /// The cursor for the statement of a list that is sorted by a number.
    #[must_use]
    pub fn numeric_start(&self) -> (i64, String) {
        let (key, id) = self.start();
        (key.parse().unwrap_or(0), id)
    }

    /// Whether the list is sorted by name, which is the order of the search index.
    #[must_use]
    pub fn is_by_name(&self) -> bool {
        matches!(self.order(), ("" | "name", false))
    }

    /// The largest number of rows that one page reads if no index supports the
    /// filter. It limits the cost of a page, however few rows match.
    #[must_use]
    pub fn max_scanned_rows(&self) -> i64 {
        (self.limit * 200).min(10_000)
    }
}

/// Where a page begins, and in which direction it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Forwards from the first row.
    Start,
    /// Forwards from a cursor.
    After,
    /// Backwards from a cursor.
    Before,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let at = Cursor { key: "ü\n%".to_owned(), id: "sa_1".to_owned() };
        assert_eq!(Cursor::decode("after", &at.encode()).expect("read"), at);
        for bad in ["", "!", "YQ", "__8"] {
            assert!(Cursor::decode("after", bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_cursor_panic(text in ".{0,40}") {
            let _ = Cursor::decode("after", &text);
        }
    }
}
