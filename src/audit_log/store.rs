//! SQL that reads the audit log.
//!
//! Filters without an index scan a limited range of the log per page ([`ScanLimit`]). Ids of events grow with
//! time, so a range of time is a range of ids.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::Value;

use crate::audit::{Action, ActorKind, Channel};
use crate::platform::db::Statement;
use crate::platform::id::{EventId, OrganizationId, TokenId};
use crate::platform::text::contains_pattern;
use crate::platform::web::pagination::{Cursor, PageRequest, ScanLimit, keyset, stop};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Result, Timestamp};

/// Filters of the audit log. An empty filter matches every event.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text to search for in the names of actor and target, or an exact id, IP address or username.
    pub search: String,
    /// Id of the actor, or text to search for in the actor's name.
    pub actor: String,
    /// An action, or a group of actions (the part before the dot).
    pub action: String,
    /// Id of the target, or text to search for in the target's name.
    pub target: String,
    /// Start: the beginning of this day, minute or second.
    pub from: String,
    /// End: the end of this day, minute or second.
    pub until: String,
}

impl Filter {
    /// Whether no filter is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields().iter().all(|(_, value)| value.is_empty())
    }

    /// Whether the action is an option of the select. Otherwise it comes from the URL, such as a group of
    /// actions.
    #[must_use]
    pub fn is_listed_action(&self) -> bool {
        self.action.is_empty() || Action::ALL.iter().any(|action| action.word() == self.action)
    }

    /// The start for the page's form.
    #[must_use]
    pub fn from_field(&self) -> TimeField {
        TimeField::of(&self.from, |(start, _)| start)
    }

    /// The end for the page's form: the last minute or second that it includes.
    #[must_use]
    pub fn until_field(&self) -> TimeField {
        TimeField::of(&self.until, |(_, end)| {
            let is_minute = end.micros() % 60_000_000 == 0;
            end.minus(if is_minute { Duration::from_secs(60) } else { Duration::from_micros(1) })
        })
    }
}

impl ListFilter for Filter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("q", self.search.as_str()),
            ("actor", self.actor.as_str()),
            ("action", self.action.as_str()),
            ("target", self.target.as_str()),
            ("from", self.from.as_str()),
            ("until", self.until.as_str()),
        ]
    }
}

/// A time in a form: a `datetime-local` input, or a text input with the submitted text if that is not a time.
#[derive(Clone, Debug)]
pub struct TimeField {
    /// The `type` attribute of the input.
    pub kind: &'static str,
    /// The `value` attribute of the input.
    pub value: String,
}

impl TimeField {
    fn of(text: &str, choose: impl Fn((Timestamp, Timestamp)) -> Timestamp) -> Self {
        match Timestamp::parse_span(text) {
            _ if text.is_empty() => Self { kind: "datetime-local", value: String::new() },
            Ok(span) => Self { kind: "datetime-local", value: choose(span).datetime_local() },
            Err(_) => Self { kind: "text", value: text.to_owned() },
        }
    }
}

/// An audit event, as it was written.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Entry {
    /// Unique id, which grows with time.
    pub id: EventId,
    /// Time of the event.
    pub at: Timestamp,
    /// Kind of the actor.
    pub actor_kind: ActorKind,
    /// Id of the actor.
    pub actor_id: String,
    /// Name of the actor at the time of the event.
    pub actor_name: String,
    /// Id of the token that the actor used. `None` if no token was used, such as in the console.
    pub token_id: Option<TokenId>,
    /// The action, such as `team.edited`.
    pub action: Action,
    /// Kind of the target.
    pub target_kind: String,
    /// Id of the target.
    pub target_id: String,
    /// Name of the target at the time of the event.
    pub target_name: String,
    /// Interface through which the request came.
    pub via: Channel,
    /// IP address of the request, if it is known.
    pub address: Option<String>,
    /// Id of the request, as in the log of the program.
    pub request_id: String,
    /// Username of the person for whom a service account acted.
    pub on_behalf_of: Option<String>,
    /// Slug of the team that the request named.
    pub for_team: Option<String>,
    /// The target before the change, as JSON. `null` if there is nothing to show.
    #[serde(serialize_with = "json")]
    #[schemars(with = "Option<Value>")]
    pub before: Option<String>,
    /// The target after the change, as JSON. `null` if there is nothing to show.
    #[serde(serialize_with = "json")]
    #[schemars(with = "Option<Value>")]
    pub after: Option<String>,
}

fn json<S: serde::Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let value: Option<Value> = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
    value.serialize(serializer)
}

impl Entry {
    /// The fields that differ: name, value before and value after.
    #[must_use]
    pub fn differences(&self) -> Vec<(String, String, String)> {
        let read = |text: &Option<String>| -> Value {
            text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
        };
        let (before, after) = (read(&self.before), read(&self.after));
        let mut names: Vec<&String> =
            [&before, &after].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys()).collect();
        names.sort();
        names.dedup();
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        names
            .into_iter()
            .map(|name| (name.clone(), text(before.get(name)), text(after.get(name))))
            .filter(|(_, before, after)| before != after)
            .collect()
    }
}

/// Text of a statement about the events of an organization in the range of ids that one page may scan. `$by`
/// is a condition on `$6` with an index.
macro_rules! events {
    ($what:literal, $by:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM audit_events e WHERE e.organization_id = $3 AND e.id >= $4 AND e.id <= $5 AND ",
            $by
        )
    };
}

/// Text of the list's SELECT: the events of `events!` that match the filter.
macro_rules! filtered {
    ($by:literal) => {
        concat!(
            events!("e.*", $by),
            " AND e.at >= $7 AND e.at < $8 \
             AND ($9 = '' OR e.actor_id = $9 OR LOWER(e.actor_name COLLATE \"default\") LIKE $10 ESCAPE '\\') \
             AND ($11 = '' OR e.action = $11 OR e.action LIKE $11 || '.%') \
             AND ($12 = '' OR e.target_id = $12 OR LOWER(e.target_name COLLATE \"default\") LIKE $13 ESCAPE '\\') \
             AND ($14 = '' OR e.actor_id = $14 OR e.target_id = $14 OR e.token_id = $14 OR e.request_id = $14 \
                OR e.address = $14 OR e.on_behalf_of = $14 OR e.for_team = $14 OR e.action = $14 \
                OR LOWER(e.actor_name COLLATE \"default\") LIKE $15 ESCAPE '\\' \
                OR LOWER(e.target_name COLLATE \"default\") LIKE $15 ESCAPE '\\')"
        )
    };
}

/// Number of actions of a group that are read concurrently. SQLite has this many reading connections on a
/// small machine.
const AT_ONCE: usize = 3;

/// The index that finds the events of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Target,
    Actor,
    Action,
    Nothing,
}

impl Filter {
    /// The index that narrows the filter most, the value for it, and whether the filter has further
    /// conditions.
    fn by(&self) -> (By, &str, bool) {
        let others =
            |texts: [&String; 2]| !self.search.is_empty() || texts.into_iter().any(|text| !text.is_empty());
        if is_id(&self.target) {
            (By::Target, &self.target, others([&self.actor, &self.action]))
        } else if is_id(&self.actor) {
            (By::Actor, &self.actor, others([&self.target, &self.action]))
        } else if self.action.contains('.') {
            (By::Action, &self.action, others([&self.actor, &self.target]))
        } else {
            (By::Nothing, "", others([&self.actor, &self.target]) || !self.action.is_empty())
        }
    }
}

/// Whether a text is an id, and therefore not part of a name.
fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(_, rest)| rest.len() == 26)
}

/// A page of events, newest first, and the range that was scanned for it. The end of `span` is exclusive.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    span: (Timestamp, Timestamp),
    page: &PageRequest,
) -> Result<(Vec<Entry>, ScanLimit)> {
    if filter.action.is_empty() || filter.by().0 != By::Nothing {
        return one(db, organization, filter, span, page).await;
    }
    // The index has one range per action. The events of a group are read as one page per action and merged up
    // to the point that all of them have reached.
    let words = Action::ALL.iter().map(|action| action.word());
    let of_group = words.filter(|word| word.split('.').next() == Some(&filter.action));
    let filters: Vec<Filter> =
        of_group.map(|word| Filter { action: word.to_owned(), ..filter.clone() }).collect();
    let (mut all, mut window) = (Vec::new(), span_of(page, span));
    for some in filters.chunks(AT_ONCE) {
        let mut pages = Vec::new();
        for filter in some {
            pages.push(one(db, organization, filter, span, page));
        }
        for (events, of_action) in try_join_all(pages).await? {
            all.extend(events);
            window = window.limited_to(of_action.stop);
        }
    }
    all.retain(|entry: &Entry| window.holds(&entry.id.to_string()));
    all.sort_unstable_by_key(|entry| entry.id);
    if !page.is_backwards() {
        all.reverse();
    }
    all.truncate(usize::try_from(page.limit + 1).unwrap_or(usize::MAX));
    Ok((all, window))
}

/// The range of ids that belongs to a range of time.
fn span_of(page: &PageRequest, (from, until): (Timestamp, Timestamp)) -> ScanLimit {
    ScanLimit::newest(page, (EventId::first_of(from).to_string(), EventId::last_of(until).to_string()))
}

/// A page is looked for in this part of the rows that it may scan, before all of them are scanned. Most filters
/// find enough there.
const FIRST_PART: i64 = 10;

/// As [`list`], through the index that narrows the filter most.
async fn one(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    span: (Timestamp, Timestamp),
    page: &PageRequest,
) -> Result<(Vec<Entry>, ScanLimit)> {
    let is_scanned = filter.by().2;
    if is_scanned && page.limit >= FIRST_PART {
        let part = PageRequest { limit: page.limit / FIRST_PART, ..page.clone() };
        let window = scan_limit(db, organization, filter, span, &part).await?;
        let events = within(db, organization, filter, span, page, &window).await?;
        let is_full = i64::try_from(events.len()).is_ok_and(|rows| rows > page.limit);
        if is_full || window.stop.is_none() {
            return Ok((events, window));
        }
    }
    let window = if is_scanned {
        scan_limit(db, organization, filter, span, page).await?
    } else {
        span_of(page, span)
    };
    let events = within(db, organization, filter, span, page, &window).await?;
    Ok((events, window))
}

/// Binds what the statements of `events!` have in common.
fn bind_range(
    statement: Statement,
    organization: OrganizationId,
    filter: &Filter,
    window: &ScanLimit,
) -> Statement {
    statement.bind(organization).bind(&window.low.id).bind(&window.high.id).bind(filter.by().1)
}

/// The range of ids that one page scans.
async fn scan_limit(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    span: (Timestamp, Timestamp),
    page: &PageRequest,
) -> Result<ScanLimit> {
    let window = span_of(page, span);
    let statement = match filter.by().0 {
        By::Target => stop!(page, events!("e.id", "e.target_id = $6"), "e.id DESC", "e.id"),
        By::Actor => stop!(page, events!("e.id", "e.actor_id = $6"), "e.id DESC", "e.id"),
        By::Action => stop!(page, events!("e.id", "e.action = $6"), "e.id DESC", "e.id"),
        By::Nothing => stop!(page, events!("e.id", "$6 = ''"), "e.id DESC", "e.id"),
    };
    let stop: Option<(EventId,)> = bind_range(statement, organization, filter, &window).optional(db).await?;
    Ok(window.end_at(stop.map(|(id,)| Cursor::from_id(id))))
}

/// The events of a range of ids that match the filter.
async fn within(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    (from, until): (Timestamp, Timestamp),
    page: &PageRequest,
    window: &ScanLimit,
) -> Result<Vec<Entry>> {
    let statement = match filter.by().0 {
        By::Target => keyset!(page, filtered!("e.target_id = $6"), descending "e.id"),
        By::Actor => keyset!(page, filtered!("e.actor_id = $6"), descending "e.id"),
        By::Action => keyset!(page, filtered!("e.action = $6"), descending "e.id"),
        By::Nothing => keyset!(page, filtered!("$6 = ''"), descending "e.id"),
    };
    let search = filter.search.trim();
    Ok(bind_range(statement, organization, filter, window)
        .bind(from)
        .bind(until)
        .bind(&filter.actor)
        .bind(contains_pattern(&filter.actor))
        .bind(&filter.action)
        .bind(&filter.target)
        .bind(contains_pattern(&filter.target))
        .bind(search)
        .bind(contains_pattern(search))
        .all(db)
        .await?)
}
