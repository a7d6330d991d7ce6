//! Which page of a list a request asks for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::platform::web::form::Form;
use crate::platform::{Error, Result, ValidationErrors};

/// Rows on a page of the console.
pub const ROWS: i64 = 50;

/// A place in a list: the sort key and the id of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by.
    pub key: String,
    /// Tells rows with the same key apart.
    pub id: String,
}

impl Cursor {
    /// Of a list that is sorted by id alone.
    #[must_use]
    pub fn of_id(id: impl std::fmt::Display) -> Self {
        Self { key: String::new(), id: id.to_string() }
    }

    /// The key, where the list is sorted by a moment.
    #[must_use]
    pub fn moment(&self) -> i64 {
        self.key.parse().unwrap_or(0)
    }

    /// As it stands in addresses: opaque.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.id, self.key))
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else.
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

/// Which page is asked for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// How many rows.
    pub limit: i64,
    /// Rows after this one.
    pub after: Option<Cursor>,
    /// Rows before this one (the nearest).
    pub before: Option<Cursor>,
}

impl PageRequest {
    /// Of a console's list.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor that is none.
    pub fn for_console(query: &Form) -> Result<Self> {
        Self::read(query, ROWS)
    }

    /// Of the API: `limit` (50, at most 200) and `after`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn for_api(query: &Form) -> Result<Self> {
        let limit = match query.filled("limit") {
            None => ROWS,
            Some(text) => text.parse().ok().filter(|limit| (1..=200).contains(limit)).ok_or_else(|| {
                Error::Invalid(ValidationErrors::one("limit", "Enter a whole number from 1 to 200."))
            })?,
        };
        Self::read(query, limit)
    }

    fn read(query: &Form, limit: i64) -> Result<Self> {
        let cursor =
            |field: &'static str| query.filled(field).map(|text| Cursor::decode(field, &text)).transpose();
        Ok(Self { limit, after: cursor("after")?, before: cursor("before")? })
    }

    /// The first page of a console's list.
    #[must_use]
    pub const fn first() -> Self {
        Self { limit: ROWS, after: None, before: None }
    }

    /// The first rows, as many as a form offers to choose from.
    #[must_use]
    pub const fn choices() -> Self {
        Self { limit: 500, after: None, before: None }
    }

    /// Whether it is asked for backwards.
    #[must_use]
    pub const fn is_backwards(&self) -> bool {
        self.before.is_some()
    }

    /// From where, and which way.
    #[must_use]
    pub const fn way(&self) -> Direction {
        match (&self.before, &self.after) {
            (Some(_), _) => Direction::Before,
            (None, Some(_)) => Direction::After,
            (None, None) => Direction::Start,
        }
    }

    /// The cursor to start from, for the statement: key and id, empty at the start.
    #[must_use]
    pub fn start(&self) -> (String, String) {
        self.before
            .as_ref()
            .or(self.after.as_ref())
            .map(|at| (at.key.clone(), at.id.clone()))
            .unwrap_or_default()
    }

    /// How many rows a page looks through where no index finds what is looked
    /// for: a page costs no more than that, however few rows match. Who wants
    /// more goes on from there.
    #[must_use]
    pub const fn looks_through(&self) -> i64 {
        self.limit * 200
    }
}

/// From where a page goes, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first row.
    Start,
    /// Onwards from a cursor.
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
