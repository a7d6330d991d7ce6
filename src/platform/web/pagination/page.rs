//! A page of a list, built from the rows of a statement, with the cursors of the
//! pages before and after it.

use super::request::{Cursor, Direction, PageRequest};
use super::scan_limit::ScanLimit;

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub rows: Vec<T>,
    /// The cursor of the previous page, if there is one.
    pub previous: Option<String>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// Set if the scan limit was reached before the page was full: the direction in
    /// which there are rows that were not read.
    pub stopped: Option<Direction>,
}

impl<T> Page<T> {
    /// The only page of an empty list.
    #[must_use]
    pub const fn empty() -> Self {
        Self { rows: Vec::new(), previous: None, next: None, stopped: None }
    }

    /// Converts the rows of the page.
    #[must_use]
    pub fn map<U>(self, row: impl FnMut(T) -> U) -> Page<U> {
        let Self { rows, previous, next, stopped } = self;
        Page { rows: rows.into_iter().map(row).collect(), previous, next, stopped }
    }

    /// Whether the list has other pages.
    #[must_use]
    pub const fn has_others(&self) -> bool {
        self.previous.is_some() || self.next.is_some()
    }

    /// Whether the scan limit was reached on the way to the start of the list.
    #[must_use]
    pub fn stopped_before(&self) -> bool {
        self.stopped == Some(Direction::Before)
    }

    /// Whether the scan limit was reached on the way to the end of the list.
    #[must_use]
    pub fn stopped_after(&self) -> bool {
        self.stopped.is_some() && !self.stopped_before()
    }
}

impl PageRequest {
    /// Builds a page from the rows of a statement that reads one row more than
    /// `limit`, in the direction of the page.
    #[must_use]
    pub fn into_page<T>(&self, rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
        self.page_of(rows, None, cursor)
    }

    /// As [`PageRequest::into_page`], for a list with a scan limit. If the page is
    /// not full, the next page continues where the scan stopped.
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
            row.or_else(|| window.map(|window| window.cursor_back_to(start)))
        };
        let (previous, next) =
            if self.is_backwards() { (ahead(first), back(last)) } else { (back(first), ahead(last)) };
        Page {
            rows,
            previous: previous.map(|at| at.encode()),
            next: next.map(|at| at.encode()),
            stopped: stop.map(|_| self.direction()),
        }
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
        let first = PageRequest::of(2).into_page(vec![1, 2, 3], cursor);
        assert_eq!(
            (first.rows.as_slice(), first.previous.is_some(), first.next.is_some()),
            (&[1, 2][..], false, true)
        );
        let last = PageRequest { after: Some(cursor(&2)), ..PageRequest::of(2) }.into_page(vec![3], cursor);
        assert_eq!(
            (last.rows.as_slice(), last.previous.is_some(), last.next.is_some()),
            (&[3][..], true, false)
        );
        let back =
            PageRequest { before: Some(cursor(&4)), ..PageRequest::of(2) }.into_page(vec![3, 2, 1], cursor);
        assert_eq!(
            (back.rows.as_slice(), back.previous.is_some(), back.next.is_some()),
            (&[2, 3][..], true, true)
        );
    }
}
