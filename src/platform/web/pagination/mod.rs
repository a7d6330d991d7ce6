//! Pages of a list by keyset: a cursor says after (or before) which row to go
//! on, so a page costs the same wherever it lies. A list that no index narrows is
//! read in parts: [`ScanLimit`] bounds how many rows one page looks at.

mod keyset;
mod page;
mod request;
mod scan_limit;

pub(crate) use keyset::{newest, paged, timed};
pub use page::Page;
pub use request::{Cursor, Direction, PageRequest, ROWS};
pub use scan_limit::ScanLimit;
pub(crate) use scan_limit::stop;
