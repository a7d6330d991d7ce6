//! The statements of lists: one macro for each kind of order, from one text of
//! the list.

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
