//! Types for the counts of verifications. No I/O.

use std::collections::BTreeMap;

use crate::platform::Timestamp;
use crate::platform::clock::DAY;
use crate::platform::text::with_commas;
use crate::verification::usage::{Outcome, day_number};

/// For how many days charts and confirmations show the calls, today included.
pub const RECENT_DAYS: i64 = 30;

/// The days, as numbers since 1970-01-01 (UTC), of which calls are read; both ends are included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Days {
    /// The first day.
    pub from: i64,
    /// The last day.
    pub to: i64,
}

impl Days {
    /// The last `count` days, today included.
    #[must_use]
    pub fn last(count: i64, now: Timestamp) -> Self {
        let today = day_number(now);
        Self { from: today - count + 1, to: today }
    }

    /// The days that charts and confirmations show.
    #[must_use]
    pub fn recent(now: Timestamp) -> Self {
        Self::last(RECENT_DAYS, now)
    }
}

/// The start of a day that is given by its number.
#[must_use]
pub fn start_of(day: i64) -> Timestamp {
    Timestamp::from_micros(day.saturating_mul(i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX)))
}

/// A row of the counts: calls of one day with one outcome.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct CountRow {
    /// The number of the day.
    pub day: i64,
    /// The result of the verifications.
    pub outcome: Outcome,
    /// How many there were.
    pub calls: i64,
}

/// The calls of one day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DayOfCalls {
    /// The number of the day.
    pub day: i64,
    /// Calls that were allowed.
    pub allowed: i64,
    /// Calls that were refused.
    pub refused: i64,
}

/// The calls of each of several days, and the reasons of refusals.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// Every day, the oldest first.
    pub days: Vec<DayOfCalls>,
    /// The reasons of refusals with their calls, the most frequent first.
    pub reasons: Vec<(Outcome, i64)>,
}

impl History {
    /// Arranges the rows of these days. Days without calls are included.
    #[must_use]
    pub fn of(rows: &[CountRow], days: Days) -> Self {
        let mut by_day: BTreeMap<i64, DayOfCalls> =
            (days.from..=days.to).map(|day| (day, DayOfCalls { day, ..DayOfCalls::default() })).collect();
        let mut reasons: BTreeMap<Outcome, i64> = BTreeMap::new();
        for row in rows {
            let Some(day) = by_day.get_mut(&row.day) else { continue };
            if row.outcome.is_allowed() {
                day.allowed += row.calls;
            } else {
                day.refused += row.calls;
                *reasons.entry(row.outcome).or_default() += row.calls;
            }
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        Self { days: by_day.into_values().collect(), reasons }
    }

    /// All calls that were allowed.
    #[must_use]
    pub fn allowed(&self) -> i64 {
        self.days.iter().map(|day| day.allowed).sum()
    }

    /// All calls that were refused.
    #[must_use]
    pub fn refused(&self) -> i64 {
        self.days.iter().map(|day| day.refused).sum()
    }

    /// Whether there was no call at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.iter().all(|day| day.allowed == 0 && day.refused == 0)
    }

    /// The day with the most refusals, if there were any.
    #[must_use]
    pub fn worst_day(&self) -> Option<&DayOfCalls> {
        self.days.iter().filter(|day| day.refused > 0).max_by_key(|day| day.refused)
    }

    /// The history in one sentence, for those who do not see the chart.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (allowed, refused) = (with_commas(self.allowed()), with_commas(self.refused()));
        let most = self.worst_day().map_or_else(String::new, |day| {
            format!(" Most refusals on {}: {}.", start_of(day.day).day(), with_commas(day.refused))
        });
        format!("{allowed} calls allowed and {refused} refused.{most}")
    }
}

/// The calls of something, such as one IP address or one permission.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub struct CallsBy {
    /// What the calls have in common; empty if it is unknown.
    pub what: String,
    /// Number of calls that were allowed.
    pub calls: i64,
    /// Number of all calls that were allowed, also of those that are not listed.
    pub total: i64,
}

impl CallsBy {
    /// An IP address as it is displayed.
    #[must_use]
    pub fn place(&self) -> &str {
        if self.what.is_empty() { "unknown" } else { &self.what }
    }
}

/// Total number of allowed calls, also of those that are not listed.
#[must_use]
pub fn total(calls: &[CallsBy]) -> i64 {
    calls.first().map_or(0, |most| most.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_every_day_and_adds_the_reasons() {
        let row = |day, outcome, calls| CountRow { day, outcome, calls };
        let rows = [
            row(9, Outcome::Allowed, 1_000),
            row(10, Outcome::Allowed, 5),
            row(10, Outcome::Expired, 2),
            row(12, Outcome::Expired, 3),
            row(12, Outcome::Address, 7),
        ];
        let history = History::of(&rows, Days { from: 10, to: 12 });
        let days: Vec<_> = history.days.iter().map(|day| (day.day, day.allowed, day.refused)).collect();
        assert_eq!(days, [(10, 5, 2), (11, 0, 0), (12, 0, 10)]);
        assert_eq!(history.reasons, [(Outcome::Address, 7), (Outcome::Expired, 5)]);
        assert_eq!(history.sentence(), "5 calls allowed and 12 refused. Most refusals on 13 Jan 1970: 10.");
        assert!(History::of(&[], Days { from: 1, to: 2 }).is_empty());
    }
}
