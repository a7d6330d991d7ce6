//! The state of a list in the console: its filter, order and page size. The links of
//! the list change one of them and keep the others, so that every view of a list has
//! a URL of its own.

use super::filters::sentence_case;
use crate::platform::text::{MOST, count};
use crate::platform::web::pagination::{PAGE_SIZES, PageRequest, ROWS_PER_PAGE, Sort};
use crate::platform::web::query_filter::ListFilter;

/// What the list contains, in singular and plural: `("account", "accounts")`.
pub type Noun = (&'static str, &'static str);

/// The state of a list, from which its links are made.
#[derive(Clone, Debug)]
pub struct ListState {
    filter: Vec<(&'static str, String)>,
    sort: Option<Sort>,
    columns: &'static [Sort],
    limit: i64,
    noun: Noun,
    total: Option<i64>,
    /// Filters that readers use often, with the number of rows that each finds.
    pub saved: Vec<SavedFilter>,
    /// Whether rows can be selected, to change several at once.
    pub is_selectable: bool,
}

/// A filter that readers use often.
#[derive(Clone, Debug)]
pub struct SavedFilter {
    /// The name of the filter.
    pub label: &'static str,
    /// The field that it sets, and its value; `None` for the list without a filter.
    pub field: Option<(&'static str, &'static str)>,
    /// The number of rows, at most [`MOST`] and one; `None` if counting them would take too long.
    pub rows: Option<i64>,
    /// Whether the rows need attention.
    pub is_warning: bool,
}

impl SavedFilter {
    /// The list without a filter.
    #[must_use]
    pub const fn all(rows: i64) -> Self {
        Self { label: "All", field: None, rows: Some(rows), is_warning: false }
    }

    /// A filter with one value of one field.
    #[must_use]
    pub const fn of(label: &'static str, name: &'static str, value: &'static str, rows: i64) -> Self {
        Self { label, field: Some((name, value)), rows: Some(rows), is_warning: false }
    }

    /// The same filter without a number of rows, unless `is_known`.
    #[must_use]
    pub fn known_if(self, is_known: bool) -> Self {
        Self { rows: self.rows.filter(|_| is_known), ..self }
    }

    /// The same filter for rows that need attention.
    #[must_use]
    pub const fn warning(self) -> Self {
        Self { is_warning: true, ..self }
    }

    /// The number of rows in words; empty if it is not known.
    #[must_use]
    pub fn count(&self) -> String {
        self.rows.map(count).unwrap_or_default()
    }
}

/// A part of the filter, which a link removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// The name of the field and its value.
    pub text: String,
    /// The query of the list without it.
    pub query: String,
}

impl ListState {
    /// The state of a list with this filter and page, which can be sorted by `columns`.
    #[must_use]
    pub fn new(filter: &impl ListFilter, page: &PageRequest, columns: &'static [Sort], noun: Noun) -> Self {
        let fields = filter.fields().into_iter().filter(|(_, value)| !value.is_empty());
        Self {
            filter: fields.map(|(name, value)| (name, value.to_owned())).collect(),
            sort: page.sort,
            columns,
            limit: page.limit,
            noun,
            total: None,
            saved: Vec::new(),
            is_selectable: false,
        }
    }

    /// Adds the filters that readers use often. One of them tells how many rows the list
    /// has. A filter that finds nothing is left out, unless it is the current one.
    #[must_use]
    pub fn with_saved(mut self, saved: Vec<SavedFilter>) -> Self {
        self.total = saved.iter().find(|one| self.is_current(one)).and_then(|one| one.rows);
        self.saved = saved
            .into_iter()
            .filter(|one| one.rows != Some(0) || one.field.is_none() || self.is_current(one))
            .collect();
        self
    }

    /// The same list, whose rows can be selected.
    #[must_use]
    pub fn selectable(self, is_selectable: bool) -> Self {
        Self { is_selectable, ..self }
    }

    /// Whether the list is filtered by this filter and nothing else.
    #[must_use]
    pub fn is_current(&self, saved: &SavedFilter) -> bool {
        match (self.filter.as_slice(), saved.field) {
            ([], None) => true,
            ([(name, value)], Some((field, wanted))) => *name == field && value == wanted,
            _ => false,
        }
    }

    /// The query of a saved filter, in the current order.
    #[must_use]
    pub fn saved_query(&self, saved: &SavedFilter) -> String {
        self.encode(saved.field.into_iter(), self.sort, self.limit)
    }

    /// The query of the list as it is, for the links to other pages of it. It ends with
    /// `&`, if it is not empty.
    #[must_use]
    pub fn query(&self) -> String {
        let query = self.encode(self.fields(), self.sort, self.limit);
        if query.is_empty() { query } else { format!("{query}&") }
    }

    /// The query of the list sorted by a column: in its usual direction, or reversed if
    /// it is sorted by this column already.
    #[must_use]
    pub fn sorted_by(&self, column: &str) -> String {
        let current = self.sort.filter(|sort| sort.column == column).map(Sort::reversed);
        let usual = || self.columns.iter().find(|sort| sort.column == column).copied();
        self.encode(self.fields(), current.or_else(usual), self.limit)
    }

    /// Whether the list can be sorted by a column.
    #[must_use]
    pub fn can_sort_by(&self, column: &str) -> bool {
        self.columns.iter().any(|sort| sort.column == column)
    }

    /// The value of `aria-sort` in the head of a column; empty if the list is sorted by
    /// another one.
    #[must_use]
    pub fn direction(&self, column: &str) -> &'static str {
        match self.sort.filter(|sort| sort.column == column) {
            Some(sort) if sort.descending => "descending",
            Some(_) => "ascending",
            None => "",
        }
    }

    /// The parts of the filter.
    #[must_use]
    pub fn chips(&self) -> Vec<Chip> {
        let chip = |(name, value): &(&'static str, String)| {
            let others = self.fields().filter(|(other, _)| other != name);
            let words = value.replace('_', " ");
            let text = match *name {
                "q" => format!("Search: {value}"),
                name => format!("{}: {words}", sentence_case(name)),
            };
            Chip { text, query: self.encode(others, self.sort, self.limit) }
        };
        self.filter.iter().map(chip).collect()
    }

    /// Whether a filter is set.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// The fields that a form with the filter has to keep.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, String)> {
        let sort = self.unusual_sort().map(|sort| ("sort", sort.to_string()));
        let limit = (self.limit != ROWS_PER_PAGE).then(|| ("limit", self.limit.to_string()));
        sort.into_iter().chain(limit).collect()
    }

    /// The numbers of rows that a page can have: the number, whether it is the current
    /// one, and the query.
    #[must_use]
    pub fn sizes(&self) -> Vec<(i64, bool, String)> {
        let size = |size| (size, size == self.limit, self.encode(self.fields(), self.sort, size));
        PAGE_SIZES.into_iter().map(size).collect()
    }

    /// Whether readers have a reason to choose another number of rows: the list has
    /// other pages, or they chose already.
    #[must_use]
    pub const fn has_sizes(&self, has_other_pages: bool) -> bool {
        has_other_pages || self.limit != ROWS_PER_PAGE
    }

    /// How many rows the list has, as far as it is known: `36 accounts`. `rows` is the
    /// number of rows on the page.
    #[must_use]
    pub fn total(&self, rows: usize, has_other_pages: bool) -> String {
        let shown = i64::try_from(rows).unwrap_or(MOST);
        let (number, more) = match (self.total, has_other_pages) {
            (Some(total), _) => (total, ""),
            (None, false) => (shown, ""),
            (None, true) => (shown, " on this page"),
        };
        let noun = if number == 1 { self.noun.0 } else { self.noun.1 };
        format!("{} {noun}{more}", count(number))
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.filter.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The order, unless it is the one that the list has without being told.
    fn unusual_sort(&self) -> Option<Sort> {
        self.sort.filter(|sort| self.columns.first() != Some(sort))
    }

    fn encode<'a>(
        &self,
        fields: impl Iterator<Item = (&'static str, &'a str)>,
        sort: Option<Sort>,
        limit: i64,
    ) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields);
        if let Some(sort) = sort.filter(|sort| self.columns.first() != Some(sort)) {
            query.append_pair("sort", &sort.to_string());
        }
        if limit != ROWS_PER_PAGE {
            query.append_pair("limit", &limit.to_string());
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::web::Query;

    const COLUMNS: &[Sort] = &[Sort::ascending("name"), Sort::descending("last_used")];

    struct Fields(Vec<(&'static str, &'static str)>);

    impl ListFilter for Fields {
        fn fields(&self) -> Vec<(&'static str, &str)> {
            self.0.clone()
        }
    }

    fn state(fields: &[(&'static str, &'static str)], query: &str) -> ListState {
        let query = Query::parse(query).0;
        let page = PageRequest::for_console(&query).and_then(|page| page.sorted(&query, COLUMNS));
        ListState::new(&Fields(fields.to_vec()), &page.expect("a page"), COLUMNS, ("account", "accounts"))
    }

    #[test]
    fn each_link_of_a_list_changes_one_thing_and_keeps_the_rest() {
        let usual = state(&[("q", ""), ("status", "")], "");
        assert_eq!((usual.query(), usual.sorted_by("name")), (String::new(), "sort=-name".to_owned()));
        assert_eq!((usual.direction("name"), usual.direction("last_used")), ("ascending", ""));
        let list = state(&[("q", "a b"), ("status", "disabled")], "sort=-last_used&limit=25");
        assert_eq!(list.query(), "q=a+b&status=disabled&sort=-last_used&limit=25&");
        assert_eq!(list.sorted_by("last_used"), "q=a+b&status=disabled&sort=last_used&limit=25");
        assert_eq!(list.sorted_by("name"), "q=a+b&status=disabled&limit=25");
        assert_eq!(list.direction("last_used"), "descending");
        let chips: Vec<(String, String)> =
            list.chips().into_iter().map(|chip| (chip.text, chip.query)).collect();
        assert_eq!(
            chips,
            [
                ("Search: a b".to_owned(), "status=disabled&sort=-last_used&limit=25".to_owned()),
                ("Status: disabled".to_owned(), "q=a+b&sort=-last_used&limit=25".to_owned()),
            ]
        );
        assert_eq!(list.kept(), [("sort", "-last_used".to_owned()), ("limit", "25".to_owned())]);
        assert!(list.sizes().contains(&(50, false, "q=a+b&status=disabled&sort=-last_used".to_owned())));
    }

    #[test]
    fn a_saved_filter_is_current_if_the_list_has_no_other_filter() {
        let saved = || vec![SavedFilter::all(1_001), SavedFilter::of("Disabled", "status", "disabled", 0)];
        let disabled = state(&[("status", "disabled")], "").with_saved(saved());
        assert_eq!(disabled.total(0, false), "0 accounts");
        assert!(disabled.is_current(&disabled.saved[1]) && !disabled.is_current(&disabled.saved[0]));
        let all = state(&[], "sort=-name").with_saved(saved());
        assert_eq!((all.saved.len(), all.total(50, true)), (1, "1,000+ accounts".to_owned()));
        assert_eq!(all.saved_query(&saved()[1]), "status=disabled&sort=-name");
        let searched = state(&[("q", "x"), ("status", "disabled")], "").with_saved(saved());
        assert_eq!(searched.total(1, false), "1 account");
        assert_eq!(searched.total(50, true), "50 accounts on this page");
    }
}
