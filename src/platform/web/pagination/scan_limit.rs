//! Scan limits for filters that no index supports. A page then reads a limited part
//! of the list, whether it finds enough rows or not, and its cursor lets the next
//! page continue from there.

use super::request::{Cursor, PageRequest};

/// The part of a list that a page reads, from `low` to `high`, both included.
#[derive(Clone, Debug)]
pub struct ScanLimit {
    /// The lowest row, in ascending order of the sort key.
    pub low: Cursor,
    /// The highest row, in ascending order of the sort key.
    pub high: Cursor,
    /// The row where reading stops, if there are more rows beyond it.
    pub stop: Option<Cursor>,
    /// Whether the page reads from `low` to `high`.
    upwards: bool,
}

impl ScanLimit {
    /// The part for a page of a list with the newest row first, sorted by id.
    /// `lowest` and `highest` are the ends of the list.
    #[must_use]
    pub fn newest(page: &PageRequest, (lowest, highest): (String, String)) -> Self {
        let mut window = Self::new(page, page.is_backwards(), (lowest.clone(), highest.clone()));
        // A cursor may lie beyond the ends of the list.
        window.low.id = window.low.id.max(lowest);
        window.high.id = window.high.id.min(highest);
        window
    }

    /// The part for a page of a list that is sorted by a time, then an id.
    #[must_use]
    pub fn timed(page: &PageRequest, (lowest, highest): (String, String)) -> Self {
        Self::new(page, !page.is_backwards(), (lowest, highest))
    }

    fn new(page: &PageRequest, upwards: bool, (lowest, highest): (String, String)) -> Self {
        let mut low = Cursor { key: i64::MIN.to_string(), id: lowest };
        let mut high = Cursor { key: i64::MAX.to_string(), id: highest };
        if let Some(start) = page.before.as_ref().or(page.after.as_ref()) {
            if upwards { low = start.clone() } else { high = start.clone() }
        }
        Self { low, high, stop: None, upwards }
    }

    /// Limits the part to another stop, if that is nearer. For a list that is sorted
    /// by id.
    #[must_use]
    pub fn limited_to(self, stop: Option<Cursor>) -> Self {
        match (&self.stop, &stop) {
            (_, None) => self,
            (Some(known), Some(other)) if (other.id < known.id) != self.upwards => self,
            _ => self.end_at(stop),
        }
    }

    /// Whether the part contains the row with this id. For a list that is sorted by
    /// id.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.low.id.as_str() <= id && id <= self.high.id.as_str()
    }

    /// A cursor for the way back that includes the row of `start`, which this page
    /// excludes.
    pub(super) fn cursor_back_to(&self, start: &Cursor) -> Cursor {
        let mut id = start.id.clone();
        if self.upwards {
            id.push('0');
        } else {
            id.pop();
        }
        Cursor { key: start.key.clone(), id }
    }

    /// Limits the part to the rows up to and including `stop`.
    #[must_use]
    pub fn end_at(mut self, stop: Option<Cursor>) -> Self {
        if let Some(stop) = &stop {
            if self.upwards { self.high = stop.clone() } else { self.low = stop.clone() }
        }
        self.stop = stop;
        self
    }
}

/// The statement that finds where a page with a scan limit stops: the last row that
/// it reads, if there are more. `$select` is the list without the filter; its own
/// placeholders begin with `$3`.
macro_rules! stop {
    ($page:expr, $select:expr, $onwards:literal, $backwards:literal) => {{
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        if page.is_backwards() {
            $crate::platform::sql(concat!($select, " ORDER BY ", $backwards, " LIMIT $1 OFFSET $2"))
        } else {
            $crate::platform::sql(concat!($select, " ORDER BY ", $onwards, " LIMIT $1 OFFSET $2"))
        }
        .planned_each_time()
        .bind(1_i64)
        .bind(page.max_scanned_rows())
    }};
}
pub(crate) use stop;
