//! What a token is.

use std::time::Duration;

use serde::Serialize;

use crate::access::{Permit, TokenKind};
use crate::platform::clock::DAY;
use crate::platform::id::{PersonId, ServiceAccountId, TokenId};
use crate::platform::text::words;
use crate::platform::{Mistakes, Timestamp};

words! {
    /// How a token stands.
    Status {
        /// It works.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// Somebody ended it.
        Revoked = "revoked",
    }
}

words! {
    /// How long the old value lives on after a regeneration.
    Overlap {
        /// One hour.
        Hour = "1h",
        /// A day.
        Day = "24h",
        /// A week.
        Week = "7d",
    }
}

impl Overlap {
    /// As a span of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Hour => Duration::from_secs(3600),
            Self::Day => DAY,
            Self::Week => 7 * DAY,
        }
    }
}

/// A token, as it is listed: never its value.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    /// Its id, kept through regenerations.
    pub id: TokenId,
    /// Its kind.
    pub kind: TokenKind,
    /// The account that it is a key of.
    pub service_account_id: Option<ServiceAccountId>,
    /// The person that it acts as.
    pub person_id: Option<PersonId>,
    /// Its name.
    pub name: String,
    /// Prefix and last four of the value in force.
    pub hint: Option<String>,
    /// Who made it.
    pub created_by_name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the value in force was made.
    pub regenerated_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<String>,
    /// The value before, while it lives on.
    pub previous_hint: Option<String>,
    /// When that one stops.
    pub previous_stops_at: Option<Timestamp>,
    /// When that one was last used.
    pub previous_last_used_at: Option<Timestamp>,
}

impl Token {
    /// How it stands at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if self.revoked_at.is_some() {
            Status::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// Whether the value before still works at `now`.
    #[must_use]
    pub fn overlaps(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.previous_stops_at.is_some_and(|end| end > now)
    }

    /// As JSON.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> TokenView {
        TokenView {
            id: self.id,
            kind: self.kind,
            name: self.name.clone(),
            hint: self.hint.clone(),
            status: self.status(now),
            created_at: self.created_at,
            created_by: self.created_by_name.clone(),
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            last_used_address: self.last_used_address.clone(),
            allowed_addresses: [],
            permissions: None,
            previous: self.overlaps(now).then(|| PreviousView {
                hint: self.previous_hint.clone(),
                stops_at: self.previous_stops_at,
                last_used_at: self.previous_last_used_at,
            }),
            token: None,
        }
    }
}

/// A token as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct TokenView {
    id: TokenId,
    kind: TokenKind,
    name: String,
    hint: Option<String>,
    status: Status,
    created_at: Timestamp,
    created_by: String,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<String>,
    allowed_addresses: [String; 0],
    permissions: Option<Vec<String>>,
    previous: Option<PreviousView>,
    /// The value, in the one answer that makes it; `null` in a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Option<String>>,
}

#[derive(Clone, Debug, Serialize)]
struct PreviousView {
    hint: Option<String>,
    stops_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// Whose token it is. Made from a permit on the holder, or for oneself.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    pub(super) kind: TokenKind,
    pub(super) account: Option<ServiceAccountId>,
    pub(super) person: Option<PersonId>,
}

/// Things that hold tokens.
pub trait HoldsTokens {
    /// The service account that its tokens act as.
    fn account(&self) -> ServiceAccountId;
}

impl<T: HoldsTokens> From<&Permit<T>> for Holder {
    fn from(permit: &Permit<T>) -> Self {
        Self { kind: TokenKind::ServiceAccount, account: Some(permit.account()), person: None }
    }
}

impl Holder {
    /// A person's own tokens.
    #[must_use]
    pub const fn oneself(person: PersonId) -> Self {
        Self { kind: TokenKind::Personal, account: None, person: Some(person) }
    }
}

/// A lifetime as it was chosen: an end, none, or what is wrong with the choice.
pub type Lifetime = Result<Option<Timestamp>, String>;

/// Checks an end: it must lie ahead.
pub fn check_end(mistakes: &mut Mistakes, field: &str, end: Lifetime, now: Timestamp) -> Option<Timestamp> {
    let end = mistakes.check(field, end).flatten()?;
    if end <= now {
        mistakes.add(field, "must lie in the future");
        return None;
    }
    Some(end)
}

/// The choices of a lifetime select: value and label.
pub const LIFETIMES: &[(&str, &str)] = &[
    ("none", "No end"),
    ("7", "7 days"),
    ("30", "30 days"),
    ("60", "60 days"),
    ("90", "90 days"),
    ("365", "365 days"),
    ("date", "Until a date"),
];

/// Reads a lifetime select and the date beside it.
#[must_use]
pub fn chosen(choice: &str, date: &str, now: Timestamp) -> Lifetime {
    match choice {
        "" | "none" => Ok(None),
        "date" => Timestamp::parse_end_of_day(date).map(Some),
        days => {
            let days =
                LIFETIMES.iter().find(|(value, _)| *value == days).and_then(|_| days.parse::<u32>().ok());
            days.map(|days| Some(now.plus(days * DAY))).ok_or_else(|| "must be one of the choices".to_owned())
        }
    }
}
