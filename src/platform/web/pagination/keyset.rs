//! The macro that builds the statements of keyset lists. From the text of a list it
//! makes the statements for the first page, the next page and the previous page. It
//! expands to literals, so that a test can prepare them.

/// The statement for a page of a list. `$select` is a literal or a macro that expands
/// to one, and ends with a condition. The first placeholders are for the cursor and
/// the limit; those of `$select` follow them.
///
/// - `ascending "key", "id"` sorts by a text, then by an id. The cursor is `$1` and
///   `$2`, the limit is `$3`.
/// - `ascending number "key", "id"` does the same for a key that is a number.
/// - `descending "key", "id"` and `descending number "key", "id"` begin with the largest
///   key.
/// - `sorted "key", "id"` and `sorted number "key", "id"` begin with the end that the
///   page asks for.
/// - `descending "id"` sorts by an id that grows with time, newest first. The cursor
///   is `$1`, the limit is `$2`.
macro_rules! keyset {
    (@pages $page:ident, $select:expr, $first:expr, $after:expr, $before:expr, $order:expr, $reversed:expr) => {
        match $page.direction() {
            $crate::platform::web::pagination::Direction::Start => {
                $crate::platform::sql(concat!($select, " AND ", $first, " ORDER BY ", $order))
            }
            $crate::platform::web::pagination::Direction::After => {
                $crate::platform::sql(concat!($select, " AND ", $after, " ORDER BY ", $order))
            }
            $crate::platform::web::pagination::Direction::Before => {
                $crate::platform::sql(concat!($select, " AND ", $before, " ORDER BY ", $reversed))
            }
        }
        .planned_each_time()
    };
    (@upwards $page:ident, $select:expr, $first:literal, $key:literal, $id:literal) => {
        $crate::platform::web::pagination::keyset!(
            @pages
            $page,
            $select,
            $first,
            concat!("(", $key, ", ", $id, ") > ($1, $2)"),
            concat!("(", $key, ", ", $id, ") < ($1, $2)"),
            concat!($key, ", ", $id, " LIMIT $3"),
            concat!($key, " DESC, ", $id, " DESC LIMIT $3")
        )
    };
    (@downwards $page:ident, $select:expr, $first:literal, $key:literal, $id:literal) => {
        $crate::platform::web::pagination::keyset!(
            @pages
            $page,
            $select,
            $first,
            concat!("(", $key, ", ", $id, ") < ($1, $2)"),
            concat!("(", $key, ", ", $id, ") > ($1, $2)"),
            concat!($key, " DESC, ", $id, " DESC LIMIT $3"),
            concat!($key, ", ", $id, " LIMIT $3")
        )
    };
    ($page:expr, $select:expr, ascending $key:literal, $id:literal) => {{
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.start();
        $crate::platform::web::pagination::keyset!(
            @upwards page, $select, "($1 = '' OR $2 = '')", $key, $id
        )
        .bind(key)
        .bind(id)
        .bind(page.limit + 1)
    }};
    ($page:expr, $select:expr, ascending number $key:literal, $id:literal) => {{
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.numeric_start();
        // PostgreSQL takes the type of the first page's `$1` from the cast.
        $crate::platform::web::pagination::keyset!(
            @upwards page, $select, "(CAST($1 AS BIGINT) = 0 OR $2 = '')", $key, $id
        )
        .bind(key)
        .bind(id)
        .bind(page.limit + 1)
    }};
    ($page:expr, $select:expr, descending $key:literal, $id:literal) => {{
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.start();
        $crate::platform::web::pagination::keyset!(
            @downwards page, $select, "($1 = '' OR $2 = '')", $key, $id
        )
        .bind(key)
        .bind(id)
        .bind(page.limit + 1)
    }};
    ($page:expr, $select:expr, descending number $key:literal, $id:literal) => {{
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (key, id) = page.numeric_start();
        $crate::platform::web::pagination::keyset!(
            @downwards page, $select, "(CAST($1 AS BIGINT) = 0 OR $2 = '')", $key, $id
        )
        .bind(key)
        .bind(id)
        .bind(page.limit + 1)
    }};
    ($page:expr, $select:expr, sorted $key:literal, $id:literal) => {
        if $page.order().1 {
            $crate::platform::web::pagination::keyset!($page, $select, descending $key, $id)
        } else {
            $crate::platform::web::pagination::keyset!($page, $select, ascending $key, $id)
        }
    };
    ($page:expr, $select:expr, sorted number $key:literal, $id:literal) => {
        if $page.order().1 {
            $crate::platform::web::pagination::keyset!($page, $select, descending number $key, $id)
        } else {
            $crate::platform::web::pagination::keyset!($page, $select, ascending number $key, $id)
        }
    };
    ($page:expr, $select:expr, descending $id:literal) => {{
        let page: &$crate::platform::web::pagination::PageRequest = $page;
        let (_, id) = page.start();
        $crate::platform::web::pagination::keyset!(
            @pages
            page,
            $select,
            "$1 = ''",
            concat!($id, " < $1"),
            concat!($id, " > $1"),
            concat!($id, " DESC LIMIT $2"),
            concat!($id, " LIMIT $2")
        )
        .bind(id)
        .bind(page.limit + 1)
    }};
}
pub(crate) use keyset;
