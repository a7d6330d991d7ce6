//! Lists that no index narrows: a page looks through a part of them, and the next
//! one goes on from there.

use super::request::{Cursor, PageRequest};

/// The part of a list that a page looks through; both ends belong to it.
#[derive(Clone, Debug)]
pub struct ScanLimit {
    /// Its lowest row.
    pub low: Cursor,
    /// Its highest row.
    pub high: Cursor,
    /// Where looking stops, if the list goes on beyond it.
    pub stop: Option<Cursor>,
    upwards: bool,
}

impl ScanLimit {
    /// What a page can hold of a list with the newest first, sorted by id, of
    /// which these are the lowest and the highest.
    #[must_use]
    pub fn newest(page: &PageRequest, (lowest, highest): (String, String)) -> Self {
        let mut window = Self::of(page, page.is_backwards(), (lowest.clone(), highest.clone()));
        // A cursor from outside of it is where it ends.
        window.low.id = window.low.id.max(lowest);
        window.high.id = window.high.id.min(highest);
        window
    }

    /// What a page can hold of a list that is sorted by a moment, then an id.
    #[must_use]
    pub fn timed(page: &PageRequest, (lowest, highest): (String, String)) -> Self {
        Self::of(page, !page.is_backwards(), (lowest, highest))
    }

    fn of(page: &PageRequest, upwards: bool, (lowest, highest): (String, String)) -> Self {
        let mut low = Cursor { key: i64::MIN.to_string(), id: lowest };
        let mut high = Cursor { key: i64::MAX.to_string(), id: highest };
        if let Some(start) = page.before.as_ref().or(page.after.as_ref()) {
            if upwards { low = start.clone() } else { high = start.clone() }
        }
        Self { low, high, stop: None, upwards }
    }

    /// The same, or up to another row where looking stops, whichever is nearer:
    /// in a list that is sorted by id.
    #[must_use]
    pub fn limited_to(self, stop: Option<Cursor>) -> Self {
        match (&self.stop, &stop) {
            (_, None) => self,
            (Some(known), Some(other)) if (other.id < known.id) != self.upwards => self,
            _ => self.up_to(stop),
        }
    }

    /// Whether a row of this id belongs to it: in a list that is sorted by id.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.low.id.as_str() <= id && id <= self.high.id.as_str()
    }

    /// A cursor from which the way back begins with the row of `start`, on which
    /// the page itself did not.
    pub(super) fn back_to(&self, start: &Cursor) -> Cursor {
        let mut id = start.id.clone();
        if self.upwards {
            id.push('0');
        } else {
            id.pop();
        }
        Cursor { key: start.key.clone(), id }
    }

    /// What of it lies before the row where looking stops, and that row.
    #[must_use]
    pub fn up_to(mut self, stop: Option<Cursor>) -> Self {
        if let Some(stop) = &stop {
            if self.upwards { self.high = stop.clone() } else { self.low = stop.clone() }
        }
        self.stop = stop;
        self
    }
}

/// Where a page that reads through a list stops: the place of the last row that
/// it looks at, if there are more. The statement is that of the list, without
/// what is looked for; `$1` and `$2` are taken.
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
        .bind(page.looks_through())
    }};
}
pub(crate) use stop;
