//! Reading the audit log.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::Value;

use crate::audit::{Action, ActorKind, Channel};
use crate::platform::db::Statement;
use crate::platform::id::{EventId, OrganizationId, TokenId};
use crate::platform::text::contains_pattern;
use crate::platform::web::pagination::{Cursor, PageRequest, ScanLimit, newest, stop};
use crate::platform::{Db, Result, Timestamp};

/// What the log is filtered by; empty means any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In the actor's name, or their id.
    pub actor: String,
    /// An action's word, or the part of it before the dot.
    pub action: String,
    /// In the target's name, or its id.
    pub target: String,
    /// From the start of this day, minute or second on.
    pub from: String,
    /// Until the end of this one.
    pub until: String,
}

impl Filter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.actor, &self.action, &self.target, &self.from, &self.until].into_iter().all(String::is_empty)
    }

    /// Whether the action is one of those that can be chosen from; otherwise it
    /// was written into the address.
    #[must_use]
    pub fn is_listed_action(&self) -> bool {
        self.action.is_empty() || Action::ALL.iter().any(|action| action.word() == self.action)
    }

    /// The start, for the page's form.
    #[must_use]
    pub fn from_field(&self) -> TimeField {
        TimeField::of(&self.from, |(start, _)| start)
    }

    /// The end, for the page's form: the last minute or second that it includes.
    #[must_use]
    pub fn until_field(&self) -> TimeField {
        TimeField::of(&self.until, |(_, end)| {
            let is_minute = end.micros() % 60_000_000 == 0;
            end.minus(if is_minute { Duration::from_secs(60) } else { Duration::from_micros(1) })
        })
    }

    /// The filter as a query, for links.
    #[must_use]
    pub fn query(&self) -> String {
        let all = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
            ("from", &self.from),
            ("until", &self.until),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(all.into_iter().filter(|(_, value)| !value.is_empty()));
        let text = query.finish();
        if text.is_empty() { text } else { format!("{text}&") }
    }
}

/// A time in a form: as the browser's own field, or as it was typed where that
/// is no time.
#[derive(Clone, Debug)]
pub struct TimeField {
    /// The `type` of the input.
    pub kind: &'static str,
    /// Its value.
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

/// An event as it was written.
#[derive(Clone, Debug, sqlx::FromRow, Serialize, schemars::JsonSchema)]
pub struct Entry {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The kind of principal.
    pub actor_kind: ActorKind,
    /// Its id.
    pub actor_id: String,
    /// Its name then.
    pub actor_name: String,
    /// The token that it came with.
    pub token_id: Option<TokenId>,
    /// What was done.
    pub action: Action,
    /// The kind of thing.
    pub target_kind: String,
    /// Its id.
    pub target_id: String,
    /// Its name then.
    pub target_name: String,
    /// Through which door.
    pub via: Channel,
    /// From where.
    pub address: Option<String>,
    /// The request, as in the log.
    pub request_id: String,
    /// For whom a service account acted: a username.
    pub on_behalf_of: Option<String>,
    /// The team that the request named: a slug.
    pub for_team: Option<String>,
    /// What it was before.
    #[serde(serialize_with = "json")]
    #[schemars(with = "Option<Value>")]
    pub before: Option<String>,
    /// What it is after.
    #[serde(serialize_with = "json")]
    #[schemars(with = "Option<Value>")]
    pub after: Option<String>,
}

fn json<S: serde::Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let value: Option<Value> = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
    value.serialize(serializer)
}

impl Entry {
    /// Before and after for people: one line a field that differs.
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

/// The text of a statement about the events of an organization that one index
/// finds, by `$6`, in the part of the log that a page looks through.
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

/// The text of the list: what that index finds, as the filter has it.
macro_rules! filtered {
    ($by:literal) => {
        concat!(
            events!("e.*", $by),
            " AND e.at >= $7 AND e.at < $8 \
             AND ($9 = '' OR e.actor_id = $9 OR LOWER(e.actor_name COLLATE \"default\") LIKE $10 ESCAPE '\\') \
             AND ($11 = '' OR e.action = $11 OR e.action LIKE $11 || '.%') \
             AND ($12 = '' OR e.target_id = $12 OR LOWER(e.target_name COLLATE \"default\") LIKE $13 ESCAPE '\\')"
        )
    };
}

/// So many actions of a group are read at once: as many as SQLite has readers on
/// a small machine.
const AT_ONCE: usize = 3;

/// What finds events without reading others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Target,
    Actor,
    Action,
    Nothing,
}

impl Filter {
    /// What narrows it most, and whether there is more to it than that.
    fn by(&self) -> (By, &str, bool) {
        let others = |texts: [&String; 2]| texts.into_iter().any(|text| !text.is_empty());
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

/// Whether a text is an id, and so no part of a name.
fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(_, rest)| rest.len() == 26)
}

/// A page of events, the newest first, and what was looked through for them.
/// `span`: from and until, the latter exclusive.
///
/// # Errors
/// When the database cannot.
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
    // A group's events stand apart in the index, an action each: as many pages,
    // put together as far as all of them were looked through.
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

/// The part of the log that a page can hold. Ids grow with time, so a span of
/// time is a part of the list.
fn span_of(page: &PageRequest, (from, until): (Timestamp, Timestamp)) -> ScanLimit {
    ScanLimit::newest(page, (EventId::first_of(from).to_string(), EventId::last_of(until).to_string()))
}

/// The same by the one index that narrows it most.
async fn one(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    (from, until): (Timestamp, Timestamp),
    page: &PageRequest,
) -> Result<(Vec<Entry>, ScanLimit)> {
    let (by, value, more) = filter.by();
    let mut window = span_of(page, (from, until));
    let narrowed = |statement: Statement, window: &ScanLimit| {
        statement.bind(organization).bind(&window.low.id).bind(&window.high.id).bind(value)
    };
    if more {
        let statement = match by {
            By::Target => stop!(page, events!("e.id", "e.target_id = $6"), "e.id DESC", "e.id"),
            By::Actor => stop!(page, events!("e.id", "e.actor_id = $6"), "e.id DESC", "e.id"),
            By::Action => stop!(page, events!("e.id", "e.action = $6"), "e.id DESC", "e.id"),
            By::Nothing => stop!(page, events!("e.id", "$6 = ''"), "e.id DESC", "e.id"),
        };
        let stop: Option<(EventId,)> = narrowed(statement, &window).optional(db).await?;
        window = window.up_to(stop.map(|(id,)| Cursor::from_id(id)));
    }
    let statement = match by {
        By::Target => newest!(page, filtered!("e.target_id = $6"), "e.id"),
        By::Actor => newest!(page, filtered!("e.actor_id = $6"), "e.id"),
        By::Action => newest!(page, filtered!("e.action = $6"), "e.id"),
        By::Nothing => newest!(page, filtered!("$6 = ''"), "e.id"),
    };
    let events = narrowed(statement, &window)
        .bind(from)
        .bind(until)
        .bind(&filter.actor)
        .bind(contains_pattern(&filter.actor))
        .bind(&filter.action)
        .bind(&filter.target)
        .bind(contains_pattern(&filter.target))
        .all(db)
        .await?;
    Ok((events, window))
}
