//! Reading the audit log.

use serde::Serialize;
use serde_json::Value;

use crate::audit::{Action, ActorKind, Through};
use crate::platform::id::{EventId, OrganizationId, TokenId};
use crate::platform::text::like;
use crate::platform::web::paging::{Page, newest};
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
    /// From this day on, like `2027-01-31`.
    pub from: String,
    /// Until this day, inclusive.
    pub until: String,
}

impl Filter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.actor, &self.action, &self.target, &self.from, &self.until].into_iter().all(String::is_empty)
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
    pub via: Through,
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

/// A page of events, the newest first. `span`: from and until, exclusive.
///
/// # Errors
/// When the database cannot.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    span: (Timestamp, Timestamp),
    page: &Page,
) -> Result<Vec<Entry>> {
    let is_group = !filter.action.is_empty() && !filter.action.contains('.');
    if !is_group || is_id(&filter.actor) || is_id(&filter.target) {
        return one(db, organization, filter, span, page).await;
    }
    // A group's events stand apart in the index, an action each: as many pages, put together.
    let mut all = Vec::new();
    for action in Action::ALL.iter().filter(|action| action.word().split('.').next() == Some(&filter.action))
    {
        let filter = Filter { action: action.word().to_owned(), ..filter.clone() };
        all.extend(one(db, organization, &filter, span, page).await?);
    }
    all.sort_unstable_by_key(|entry| entry.id);
    if !page.is_backwards() {
        all.reverse();
    }
    all.truncate(usize::try_from(page.limit + 1).unwrap_or(usize::MAX));
    Ok(all)
}

/// Whether a text is an id, and so no part of a name.
fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(_, rest)| rest.len() == 26)
}

/// The same by the one index that narrows it most.
async fn one(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    (from, until): (Timestamp, Timestamp),
    page: &Page,
) -> Result<Vec<Entry>> {
    let statement = if is_id(&filter.target) {
        newest!(
            page,
            "SELECT e.* FROM audit_events e WHERE e.target_id = $9 AND e.organization_id = $3 AND e.at >= $4 \
                AND e.at < $5 AND ($6 = '' OR e.actor_id = $6 OR LOWER(e.actor_name) LIKE $7 ESCAPE '\\') \
                AND ($8 = '' OR e.action = $8 OR e.action LIKE $8 || '.%') AND $10 <> ''",
            "e.id"
        )
    } else if is_id(&filter.actor) {
        newest!(
            page,
            "SELECT e.* FROM audit_events e WHERE e.organization_id = $3 AND e.actor_id = $6 AND e.at >= $4 \
                AND e.at < $5 AND ($8 = '' OR e.action = $8 OR e.action LIKE $8 || '.%') \
                AND ($9 = '' OR LOWER(e.target_name) LIKE $10 ESCAPE '\\') AND $7 <> ''",
            "e.id"
        )
    } else if filter.action.is_empty() {
        newest!(
            page,
            "SELECT e.* FROM audit_events e WHERE e.organization_id = $3 AND e.at >= $4 AND e.at < $5 \
                AND ($6 = '' OR LOWER(e.actor_name) LIKE $7 ESCAPE '\\') \
                AND ($9 = '' OR LOWER(e.target_name) LIKE $10 ESCAPE '\\') AND $8 = ''",
            "e.id"
        )
    } else {
        newest!(
            page,
            "SELECT e.* FROM audit_events e WHERE e.organization_id = $3 AND e.action = $8 AND e.at >= $4 \
                AND e.at < $5 AND ($6 = '' OR LOWER(e.actor_name) LIKE $7 ESCAPE '\\') \
                AND ($9 = '' OR LOWER(e.target_name) LIKE $10 ESCAPE '\\')",
            "e.id"
        )
    };
    Ok(statement
        .bind(organization)
        .bind(from)
        .bind(until)
        .bind(&filter.actor)
        .bind(like(&filter.actor))
        .bind(&filter.action)
        .bind(&filter.target)
        .bind(like(&filter.target))
        .all(db)
        .await?)
}
