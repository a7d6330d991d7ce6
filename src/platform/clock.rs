//! Time as an argument. Code that needs the time gets a [`Clock`], so that tests
//! can set it. [`Timestamp`] is the only type for moments, in the database, in
//! JSON and on pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The duration of a day, for lifetimes in days.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What expires within this time is shown as expiring soon.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * DAY.as_secs());

/// What was not used for this time is shown as unused.
pub const UNUSED_AFTER: Duration = Duration::from_secs(90 * DAY.as_secs());

/// A moment: microseconds since the Unix epoch, UTC. Stored as a 64-bit
/// integer so that both databases sort it alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last moment that RFC 3339 can write: the end of the year 9999.
    pub const LAST: Self = Self(253_402_300_799_000_000);

    /// A moment from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch, never negative.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0 / 1000).unwrap_or(0)
    }

    /// The moment `by` later, at the most the last that can be stored.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time since `earlier`; zero if this moment is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    fn calendar(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC, to the second: `2026-11-22T03:24:00Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let whole = self.calendar().replace_nanosecond(0).unwrap_or_else(|_| self.calendar());
        whole.format(&Rfc3339).unwrap_or_default()
    }

    /// Parses RFC 3339 with any offset.
    ///
    /// # Errors
    /// The message for the form or API field.
    pub fn parse(text: &str) -> Result<Self, String> {
        OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1000).ok())
            .map(Self)
            .filter(|at| *at <= Self::LAST)
            .ok_or_else(|| "Enter a time in the format of RFC 3339, like 2027-02-20T00:00:00Z.".to_owned())
    }

    /// The last moment of a calendar day in UTC, from `2027-02-20`.
    ///
    /// # Errors
    /// A sentence for the person who wrote it, when it is no such day.
    pub fn parse_end_of_day(day: &str) -> Result<Self, String> {
        Self::parse(&format!("{day}T23:59:59Z")).map_err(|_| "Enter a date like 2027-02-20.".to_owned())
    }

    /// The span of time that a text names, in UTC unless it has an offset: a day
    /// (`2027-02-20`), a minute as browsers send it (`2027-02-20T14:05`), a
    /// second with or without an offset, or less than that. Gives its first moment, and the
    /// first that comes after it.
    ///
    /// # Errors
    /// A sentence for the person who wrote it, when it is no such time.
    pub fn parse_span(text: &str) -> Result<(Self, Self), String> {
        let with_rest = |rest: &str| Self::parse(&format!("{text}{rest}"));
        let has_fraction = text.contains('.');
        let (start, length) = match text.len() {
            10 => (with_rest("T00:00:00Z"), DAY),
            16 => (with_rest(":00Z"), Duration::from_secs(60)),
            _ => {
                let length = if has_fraction { Duration::from_micros(1) } else { Duration::from_secs(1) };
                (Self::parse(text).or_else(|_| with_rest("Z")), length)
            }
        };
        let start = start.map_err(|_| {
            "Enter a date like 2027-02-20, or a time like 2027-02-20T14:05 or 2027-02-20T14:05:00Z."
                .to_owned()
        })?;
        Ok((start, start.plus(length)))
    }

    /// The value of `<input type="datetime-local">` in UTC: `2027-02-20T14:05`,
    /// with seconds unless they are zero.
    #[must_use]
    pub fn datetime_local(self) -> String {
        let mut text = self.rfc3339();
        text.pop();
        if text.ends_with(":00") {
            text.truncate(text.len() - 3);
        }
        text
    }

    /// The day: `20 Feb 2027`.
    #[must_use]
    pub fn day(self) -> String {
        let at = self.calendar();
        format!("{} {} {}", at.day(), &at.month().to_string()[..3], at.year())
    }

    /// The date in UTC: `2027-02-20`.
    #[must_use]
    pub fn date(self) -> String {
        self.rfc3339().chars().take(10).collect()
    }

    /// The day and minute: `20 Feb 2027, 14:05 UTC`.
    #[must_use]
    pub fn minute(self) -> String {
        format!("{}, {} UTC", self.day(), self.time())
    }

    /// The time of day in UTC: `14:05`.
    #[must_use]
    pub fn time(self) -> String {
        let at = self.calendar();
        format!("{:02}:{:02}", at.hour(), at.minute())
    }

    /// The moment relative to `now`: `3 min ago`, `in 9 days`, `just now`.
    #[must_use]
    pub fn relative(self, now: Self) -> String {
        let ahead = self > now;
        let span = if ahead { self.since(now) } else { now.since(self) };
        let seconds = span.as_secs();
        let amount = match seconds {
            0..60 => return if ahead { "in a moment" } else { "just now" }.to_owned(),
            60..3_600 => format!("{} min", seconds / 60),
            3_600..86_400 => format!("{} h", seconds / 3_600),
            // Future days are rounded, so that 90 days do not become 89 a moment later.
            _ => match (seconds + if ahead { 43_200 } else { 0 }) / 86_400 {
                1 => "1 day".to_owned(),
                days => format!("{days} days"),
            },
        };
        if ahead { format!("in {amount}") } else { format!("{amount} ago") }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A source of the current time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that does not run, for tests and the demo. Clones share the time.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that shows `at` until it is advanced.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at.micros())))
    }

    /// The current time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Self::Fixed(at) => Timestamp(at.load(Ordering::SeqCst)),
        }
    }

    /// Advances a fixed clock. Does nothing to the machine's clock.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(at) = self {
            at.fetch_add(i64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_people_say_it() {
        let at = Timestamp::parse("2027-02-20T14:05:09Z").expect("valid");
        assert_eq!(at.day(), "20 Feb 2027");
        assert_eq!(at.minute(), "20 Feb 2027, 14:05 UTC");
        assert_eq!(at.relative(at.plus(Duration::from_secs(200))), "3 min ago");
        assert_eq!(at.relative(at.minus(9 * DAY)), "in 9 days");
        assert_eq!(at.relative(at.minus(9 * DAY).plus(Duration::from_secs(1))), "in 9 days");
        assert_eq!(at.relative(at.plus(9 * DAY).minus(Duration::from_secs(1))), "8 days ago");
        assert_eq!(at.rfc3339(), "2027-02-20T14:05:09Z");
        assert!(Timestamp::parse("2027-02-30T00:00:00Z").is_err());
    }

    #[test]
    fn a_day_a_minute_and_a_second_are_spans_that_begin_at_their_start() {
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        for (text, start, end) in [
            ("2027-02-20", "2027-02-20T00:00:00Z", "2027-02-21T00:00:00Z"),
            ("2027-02-20T14:05", "2027-02-20T14:05:00Z", "2027-02-20T14:06:00Z"),
            ("2027-02-20 14:05", "2027-02-20T14:05:00Z", "2027-02-20T14:06:00Z"),
            ("2027-02-20T14:05:09", "2027-02-20T14:05:09Z", "2027-02-20T14:05:10Z"),
            ("2027-02-20T14:05:09Z", "2027-02-20T14:05:09Z", "2027-02-20T14:05:10Z"),
            ("2027-02-20T14:05:09+02:00", "2027-02-20T12:05:09Z", "2027-02-20T12:05:10Z"),
            ("2027-02-20T14:05:09.5Z", "2027-02-20T14:05:09.5Z", "2027-02-20T14:05:09.500001Z"),
            ("2027-02-20T14:05:09.500", "2027-02-20T14:05:09.5Z", "2027-02-20T14:05:09.500001Z"),
        ] {
            assert_eq!(Timestamp::parse_span(text), Ok((at(start), at(end))), "{text}");
        }
        for text in ["", "soon", "2027-02-30", "2027-02-20T25:00", "2027-02-20T14", "20.02.2027"] {
            assert!(Timestamp::parse_span(text).is_err(), "{text}");
        }
        assert_eq!(at("2027-02-20T14:05:00Z").datetime_local(), "2027-02-20T14:05");
        assert_eq!(at("2027-02-20T14:05:09Z").datetime_local(), "2027-02-20T14:05:09");
    }
}
