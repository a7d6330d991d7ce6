//! Pages of a list by keyset: a cursor says after (or before) which row to go
//! on, so a page costs the same wherever it lies.

mod scan_limit;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::form::Form;
use crate::platform::{Error, Result, ValidationErrors};

pub use scan_limit::ScanLimit;
pub(crate) use scan_limit::stop;

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
        .ok_or_else(|| Error::Invalid(ValidationErrors::one(field, "is not a cursor that this list gave")))
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
                Error::Invalid(ValidationErrors::one("limit", "must be a number from 1 to 200"))
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

    /// Makes a page of the rows that the statement gave: it was asked for one
    /// more than `limit`, in the direction of the page.
    #[must_use]
    pub fn into_page<T>(&self, rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
        self.page_of(rows, None, cursor)
    }

    /// The same of a list that was looked through: if the page is not full, the
    /// next one goes on where looking stopped.
    #[must_use]
    pub fn into_scanned_page<T>(
        &self,
        rows: Vec<T>,
        window: &ScanLimit,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Page<T> {
        self.page_of(rows, Some(window), cursor)
    }

    fn page_of<T>(
        &self,
        mut rows: Vec<T>,
        window: Option<&ScanLimit>,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Page<T> {
        let full = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > full;
        rows.truncate(full);
        if self.is_backwards() {
            rows.reverse();
        }
        let stop = window.filter(|_| !more).and_then(|window| window.stop.clone());
        let (first, last) = (rows.first().map(&cursor), rows.last().map(&cursor));
        let ahead = |row: Option<Cursor>| stop.clone().or(row.filter(|_| more));
        let back = |row: Option<Cursor>| {
            let start = self.before.as_ref().or(self.after.as_ref())?;
            row.or_else(|| window.map(|window| window.back_to(start)))
        };
        let (previous, next) =
            if self.is_backwards() { (ahead(first), back(last)) } else { (back(first), ahead(last)) };
        Page {
            rows,
            previous: previous.map(|at| at.encode()),
            next: next.map(|at| at.encode()),
            stopped: stop.map(|_| self.way()),
        }
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

/// A page of a list that is sorted by `$key`, then `$id`. `$select` ends with
/// a condition; in it `$1` to `$3` are the cursor's and the limit's, its own
/// placeholders begin with `$4`.
macro_rules! paged {
    ($page:expr, $select:expr, $key:literal, $id:literal) => {{
        use $crate::platform::web::pagination::Direction;
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.start();
        match page.way() {
            Direction::Start => $crate::platform::sql(concat!(
                $select,
                " AND ($1 = '' OR $2 = '') ORDER BY ",
                $key,
                ", ",
                $id,
                " LIMIT $3"
            )),
            Direction::After => $crate::platform::sql(concat!(
                $select,
                " AND (",
                $key,
                ", ",
                $id,
                ") > ($1, $2) ORDER BY ",
                $key,
                ", ",
                $id,
                " LIMIT $3"
            )),
            Direction::Before => $crate::platform::sql(concat!(
                $select,
                " AND (",
                $key,
                ", ",
                $id,
                ") < ($1, $2) ORDER BY ",
                $key,
                " DESC, ",
                $id,
                " DESC LIMIT $3"
            )),
        }
        .planned_each_time()
        .bind(key)
        .bind(id)
        .bind(page.limit + 1)
    }};
}
pub(crate) use paged;

/// A page of a list that is sorted by a moment, then an id. As [`paged`], with
/// a number for the cursor's key.
macro_rules! timed {
    ($page:expr, $select:expr, $key:literal, $id:literal) => {{
        use $crate::platform::web::pagination::Direction;
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.start();
        match page.way() {
            Direction::Start => $crate::platform::sql(concat!(
                $select,
                " AND (CAST($1 AS BIGINT) = 0 OR $2 = '') ORDER BY ",
                $key,
                ", ",
                $id,
                " LIMIT $3"
            )),
            Direction::After => $crate::platform::sql(concat!(
                $select,
                " AND (",
                $key,
                ", ",
                $id,
                ") > ($1, $2) ORDER BY ",
                $key,
                ", ",
                $id,
                " LIMIT $3"
            )),
            Direction::Before => $crate::platform::sql(concat!(
                $select,
                " AND (",
                $key,
                ", ",
                $id,
                ") < ($1, $2) ORDER BY ",
                $key,
                " DESC, ",
                $id,
                " DESC LIMIT $3"
            )),
        }
        .planned_each_time()
        .bind(key.parse::<i64>().unwrap_or(0))
        .bind(id)
        .bind(page.limit + 1)
    }};
}
pub(crate) use timed;

/// A page of a list with the newest first, sorted by `$id` alone, which grows
/// with time. `$1` is the cursor's, `$2` the limit's. The statement is a literal,
/// or a macro that makes one.
macro_rules! newest {
    ($page:expr, $select:expr, $id:literal) => {{
        use $crate::platform::web::pagination::Direction;
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (_, id) = page.start();
        match page.way() {
            Direction::Start => {
                $crate::platform::sql(concat!($select, " AND $1 = '' ORDER BY ", $id, " DESC LIMIT $2"))
            }
            Direction::After => $crate::platform::sql(concat!(
                $select,
                " AND ",
                $id,
                " < $1 ORDER BY ",
                $id,
                " DESC LIMIT $2"
            )),
            Direction::Before => {
                $crate::platform::sql(concat!($select, " AND ", $id, " > $1 ORDER BY ", $id, " LIMIT $2"))
            }
        }
        .planned_each_time()
        .bind(id)
        .bind(page.limit + 1)
    }};
}
pub(crate) use newest;

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The cursor of the page before, if there is one.
    pub previous: Option<String>,
    /// The cursor of the page after, if there is one.
    pub next: Option<String>,
    /// The way in which looking stopped before the page was full: what lies
    /// beyond was not looked at.
    pub stopped: Option<Direction>,
}

impl<T> Page<T> {
    /// Nothing, and no other page.
    #[must_use]
    pub const fn empty() -> Self {
        Self { rows: Vec::new(), previous: None, next: None, stopped: None }
    }

    /// The same page, with other rows.
    #[must_use]
    pub fn map<U>(self, row: impl FnMut(T) -> U) -> Page<U> {
        let Self { rows, previous, next, stopped } = self;
        Page { rows: rows.into_iter().map(row).collect(), previous, next, stopped }
    }

    /// Whether looking stopped on the way back to the list's start.
    #[must_use]
    pub fn stopped_before(&self) -> bool {
        self.stopped == Some(Direction::Before)
    }

    /// Whether looking stopped on the way to the list's end.
    #[must_use]
    pub fn stopped_after(&self) -> bool {
        self.stopped.is_some() && !self.stopped_before()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(number: &i64) -> Cursor {
        Cursor { key: number.to_string(), id: "x".to_owned() }
    }

    #[test]
    fn a_page_knows_what_lies_before_and_after_it() {
        let first = PageRequest { limit: 2, after: None, before: None }.into_page(vec![1, 2, 3], cursor);
        assert_eq!(
            (first.rows.as_slice(), first.previous.is_some(), first.next.is_some()),
            (&[1, 2][..], false, true)
        );
        let last = PageRequest { limit: 2, after: Some(cursor(&2)), before: None }.into_page(vec![3], cursor);
        assert_eq!(
            (last.rows.as_slice(), last.previous.is_some(), last.next.is_some()),
            (&[3][..], true, false)
        );
        let back =
            PageRequest { limit: 2, after: None, before: Some(cursor(&4)) }.into_page(vec![3, 2, 1], cursor);
        assert_eq!(
            (back.rows.as_slice(), back.previous.is_some(), back.next.is_some()),
            (&[2, 3][..], true, true)
        );
    }

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
