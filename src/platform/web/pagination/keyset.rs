//! Macros that build the statements of lists, one for each kind of order. From the
//! text of the list they make the statements for the first page, the next page and
//! the previous page. They expand to literals, so that a test can prepare them.

/// The statement for a page of a list that is sorted by a text `$key`, then `$id`.
/// `$select` must end with a condition. The placeholders `$1` and `$2` are for the
/// cursor and `$3` is for the limit; those of `$select` begin with `$4`.
macro_rules! paged {
    ($page:expr, $select:expr, $key:literal, $id:literal) => {{
        use $crate::platform::web::pagination::Direction;
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.start();
        match page.direction() {
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

/// As [`paged`], for a list that is sorted by a time (a number), then `$id`.
macro_rules! timed {
    ($page:expr, $select:expr, $key:literal, $id:literal) => {{
        use $crate::platform::web::pagination::Direction;
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.start();
        match page.direction() {
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

/// The statement for a page of a list with the newest row first, sorted by `$id`
/// alone, which grows with time. The placeholder `$1` is for the cursor and `$2` for
/// the limit. `$select` is a literal or a macro that expands to one.
macro_rules! newest {
    ($page:expr, $select:expr, $id:literal) => {{
        use $crate::platform::web::pagination::Direction;
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (_, id) = page.start();
        match page.direction() {
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
