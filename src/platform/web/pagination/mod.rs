//! Keyset pagination: a cursor contains the sort key of the row after (or before)
//! which the page begins, so that a page costs the same wherever it is in the list.
//! If no index supports a filter, [`ScanLimit`] limits the number of rows that one
//! page reads.

mod keyset;
mod page;
mod request;
mod scan_limit;
mod sort;

pub(crate) use keyset::keyset;
pub use page::Page;
pub use request::{Cursor, Direction, PAGE_SIZES, PageRequest, ROWS_PER_PAGE};
pub use scan_limit::ScanLimit;
pub(crate) use scan_limit::stop;
pub use sort::{Sort, sort_filter};
