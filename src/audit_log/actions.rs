//! Operations on the audit log: read a page, and format events for the CSV export. Called by `pages` and
//! `api`.
//!
//! Reading requires `audit_logs:read`. Invalid filters are reported instead of returning an empty list.

use super::store::{self, Entry, Filter};
use crate::access::{Guarded, Resource, Target, authorize_read};
use crate::audit::Action;
use crate::callers::Caller;
use crate::platform::web::Form;
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Context, Error, Result, Timestamp, ValidationErrors};

/// The audit log of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct AuditLog;

impl Guarded for AuditLog {
    const RESOURCE: Resource = Resource::AuditLogs;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// Reads the filter from the query of a request.
#[must_use]
pub fn filter(query: &Form) -> Filter {
    Filter {
        search: query.filled("q").unwrap_or_default(),
        actor: query.filled("actor").unwrap_or_default(),
        action: query.filled("action").unwrap_or_default(),
        target: query.filled("target").unwrap_or_default(),
        from: query.filled("from").unwrap_or_default(),
        until: query.filled("until").unwrap_or_default(),
    }
}

/// Converts the filter's times into a range. The end is exclusive.
///
/// # Errors
/// [`Error::Invalid`] for an invalid time, an end before the start, or an unknown action. Such filters would
/// match nothing, and the reader would not know why.
fn check(filter: &Filter) -> Result<(Timestamp, Timestamp)> {
    let mut errors = ValidationErrors::default();
    let mut span = |field: &str, text: &str| match text {
        "" => None,
        text => errors.check(field, Timestamp::parse_span(text)),
    };
    let (from, until) = (span("from", &filter.from), span("until", &filter.until));
    let from = from.map_or(Timestamp::from_micros(0), |(start, _)| start);
    let until = until.map_or(Timestamp::from_micros(i64::MAX), |(_, end)| end);
    if until <= from {
        errors.add("until", "Enter an end that is not before the start.");
    }
    let is_action = |action: &Action| {
        let word = action.word();
        word == filter.action || word.split('.').next() == Some(&filter.action)
    };
    if !filter.action.is_empty() && !Action::ALL.iter().any(is_action) {
        errors.add("action", "Choose an action like team.created, or the part before the dot, like team.");
    }
    errors.into_result()?;
    Ok((from, until))
}

/// A page of events, newest first.
///
/// # Errors
/// [`Error::Forbidden`] without `audit_logs:read`; [`Error::Invalid`] for an invalid filter.
pub async fn list(
    context: &Context,
    caller: &Caller,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Entry>> {
    authorize_read(&caller.subject, AuditLog)?;
    let (rows, window) =
        store::list(&context.db, caller.organization.id, filter, check(filter)?, page).await?;
    Ok(page.into_scanned_page(rows, &window, |entry| Cursor::from_id(entry.id)))
}

/// Formats a line of CSV. A cell that a spreadsheet would interpret as a formula is prefixed with an
/// apostrophe.
///
/// # Errors
/// [`Error::Internal`] if the line cannot be written.
pub fn csv_line(cells: &[String]) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let safe = cells.iter().map(|cell| {
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.clone() }
    });
    writer.write_record(safe).map_err(Error::internal)?;
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

/// The columns of the CSV export.
pub const COLUMNS: [&str; 15] = [
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "target_kind",
    "target_id",
    "target_name",
    "via",
    "address",
    "on_behalf_of",
    "for_team",
    "before",
    "after",
];

/// The values of an event, in the order of [`COLUMNS`].
#[must_use]
pub fn cells(entry: &Entry) -> Vec<String> {
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        entry.id.to_string(),
        entry.at.rfc3339(),
        entry.actor_kind.to_string(),
        entry.actor_id.clone(),
        entry.actor_name.clone(),
        entry.action.to_string(),
        entry.target_kind.clone(),
        entry.target_id.clone(),
        entry.target_name.clone(),
        entry.via.to_string(),
        or(&entry.address),
        or(&entry.on_behalf_of),
        or(&entry.for_team),
        or(&entry.before),
        or(&entry.after),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_forges_neither_a_line_nor_a_formula() {
        let line = csv_line(&["=1+1".to_owned(), "a\r\nb\",c".to_owned()]).expect("a line");
        assert_eq!(String::from_utf8(line).expect("text"), "'=1+1,\"a\r\nb\"\",c\"\r\n");
    }

    #[test]
    fn a_filter_names_whole_days_or_parts_of_them() {
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        for (from, until, start, end) in [
            ("2027-01-02", "2027-01-02", "2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"),
            ("2027-01-02T09:30", "2027-01-02T10:00", "2027-01-02T09:30:00Z", "2027-01-02T10:01:00Z"),
            ("2027-01-02T09:30:00+01:00", "2027-01-02", "2027-01-02T08:30:00Z", "2027-01-03T00:00:00Z"),
        ] {
            let filter = Filter { from: from.into(), until: until.into(), ..Filter::default() };
            assert_eq!(check(&filter).expect("a span"), (at(start), at(end)), "{from} {until}");
        }
    }

    #[test]
    fn a_filter_that_can_match_nothing_is_refused() {
        let filter = |action: &str, from: &str, until: &str| Filter {
            action: action.into(),
            from: from.into(),
            until: until.into(),
            ..Filter::default()
        };
        for good in [filter("team", "", ""), filter("team.created", "2027-01-02T10:00", "2027-01-02T10:00")] {
            assert!(check(&good).is_ok(), "{good:?}");
        }
        for (bad, field) in [
            (filter("", "soon", ""), "from"),
            (filter("", "", "2027-13-01"), "until"),
            (filter("", "2027-01-02", "2027-01-01"), "until"),
            (filter("", "2027-01-02T10:01", "2027-01-02T10:00"), "until"),
            (filter("teams", "", ""), "action"),
            (filter("team.made", "", ""), "action"),
            (filter("team.", "", ""), "action"),
        ] {
            let Err(Error::Invalid(errors)) = check(&bad) else { panic!("{bad:?}") };
            assert_eq!(errors.all()[0].field, field, "{bad:?}");
        }
    }
}
