//! Usage that is collected in memory until it is written.

use std::collections::HashMap;
use std::sync::Arc;

use super::counted::{CountedCall, CountedRow, CountedValue};
use crate::platform::Timestamp;
use crate::platform::id::{ServiceAccountId, TokenId};
use crate::platform::web::RequestContext;
use crate::verification::token_format::TokenHash;

/// The largest number of used values that are kept if the database cannot keep
/// up: about 16 MB.
const MAX_PENDING: usize = 50_000;
/// The largest number of counts beyond one for each used value: about 16 MB.
const MAX_COUNTS: usize = 50_000;
/// How many counts are kept with a value, where they are found without a lookup. More are in a map.
const NEAR_COUNTS: usize = 15;
/// The number of rows that are written in one transaction, so that other writers
/// do not have to wait for all of them.
const BATCH_SIZE: usize = 5_000;

/// The last use of a value since the last flush, and the number of its calls. There can be many of these, so rare
/// data is boxed.
#[derive(Clone, Debug)]
pub(super) struct TokenUse {
    pub(super) token: TokenId,
    /// The token for which an access token was exchanged, and its value.
    pub(super) source: Option<Box<(TokenId, TokenHash)>>,
    pub(super) value: CountedValue,
    pub(super) at: Timestamp,
    pub(super) agent: Option<Box<str>>,
    pub(super) service: Option<Arc<str>>,
    /// The last call, and how often it was made.
    pub(super) last: (CountedCall, u32),
    /// Other calls with this value.
    pub(super) others: Vec<(CountedCall, u32)>,
}

const _: () = assert!(size_of::<TokenUse>() <= 352);

/// The account, the username and the team's slug of attributed calls.
pub(super) type AttributionKey = (ServiceAccountId, String, String);

/// The usage since the last flush.
#[derive(Debug, Default)]
pub(super) struct PendingUsage {
    pub(super) uses: HashMap<TokenHash, TokenUse>,
    pub(super) counts: Counts,
    /// The number of attributed calls and the time of the last one.
    pub(super) attributed: HashMap<AttributionKey, (i64, Timestamp)>,
    /// Uses beyond [`MAX_PENDING`] and [`MAX_COUNTS`], which are not recorded.
    pub(super) lost: usize,
}

/// The counts beyond those of the last call of each value.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rows: HashMap<CountedRow, i64>,
    /// How many counts are in the uses.
    pub(super) near: usize,
}

impl Counts {
    /// Counts calls. Returns false if there is no room for another row.
    pub(super) fn add(&mut self, row: CountedRow, calls: i64) -> bool {
        if let Some(known) = self.rows.get_mut(&row) {
            *known += calls;
            return true;
        }
        let has_room = self.len() < MAX_COUNTS;
        if has_room {
            self.rows.insert(row, calls);
        }
        has_room
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.near
    }
}

impl TokenUse {
    /// Counts another call with the same value. Returns false if there is no room for it.
    pub(super) fn count(&mut self, counts: &mut Counts, call: CountedCall) -> bool {
        if self.last.0 == call {
            self.last.1 = self.last.1.saturating_add(1);
            return true;
        }
        if let Some(known) = self.others.iter_mut().find(|(known, _)| *known == call) {
            known.1 = known.1.saturating_add(1);
            std::mem::swap(known, &mut self.last);
            return true;
        }
        if counts.len() >= MAX_COUNTS {
            return false;
        }
        let before = std::mem::replace(&mut self.last, (call, 1));
        if self.others.len() < NEAR_COUNTS {
            self.others.push(before);
            counts.near += 1;
            return true;
        }
        counts.add((Some(self.value), before.0), i64::from(before.1))
    }

    /// Takes the counts of this value.
    pub(super) fn take_counts(&mut self) -> impl Iterator<Item = (CountedRow, i64)> {
        let (value, last) = (Some(self.value), (self.last.0, std::mem::take(&mut self.last.1)));
        let all = std::mem::take(&mut self.others).into_iter().chain([last]);
        all.filter(|(_, calls)| *calls > 0).map(move |(call, calls)| ((value, call), i64::from(calls)))
    }
}

/// The usage that is written in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) uses: Vec<(TokenHash, TokenUse)>,
    pub(super) counts: Vec<(CountedRow, i64)>,
    pub(super) attributed: Vec<(AttributionKey, (i64, Timestamp))>,
}

impl PendingUsage {
    pub(super) fn record(
        &mut self,
        value: TokenHash,
        at: Timestamp,
        request: &RequestContext,
        (call, service): (CountedCall, Option<&Arc<str>>),
        first: impl FnOnce() -> (TokenId, Option<Box<(TokenId, TokenHash)>>, CountedValue),
    ) {
        if let Some(known) = self.uses.get_mut(&value) {
            if !known.count(&mut self.counts, call) {
                self.lost += 1;
            }
            known.at = at;
            if known.agent.as_deref() != request.user_agent.as_deref() {
                known.agent = request.user_agent.as_deref().map(Box::from);
            }
            if known.service.as_ref() != service {
                known.service = service.cloned();
            }
        } else if self.uses.len() < MAX_PENDING {
            let (token, source, counted) = first();
            let agent = request.user_agent.as_deref().map(Box::from);
            let (last, others, service) = ((call, 1), Vec::new(), service.cloned());
            self.uses
                .insert(value, TokenUse { token, source, value: counted, at, agent, service, last, others });
        } else {
            self.lost += 1;
        }
    }

    /// Splits the usage into batches, sorted by key, so that several nodes lock
    /// rows in the same order and cannot deadlock.
    pub(super) fn batches(mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut uses: Vec<_> = self.uses.drain().collect();
        uses.sort_unstable_by_key(|(_, last)| last.token);
        let mut counts = self.counts.rows;
        for (row, calls) in uses.iter_mut().flat_map(|(_, last)| last.take_counts()) {
            *counts.entry(row).or_default() += calls;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut attributed: Vec<_> = self.attributed.drain().collect();
        attributed.sort_unstable();
        while !(uses.is_empty() && counts.is_empty() && attributed.is_empty()) {
            batches.push(Batch {
                uses: uses.split_off(uses.len().saturating_sub(BATCH_SIZE)),
                counts: counts.split_off(counts.len().saturating_sub(BATCH_SIZE)),
                attributed: attributed.split_off(attributed.len().saturating_sub(BATCH_SIZE)),
            });
        }
        batches
    }

    pub(super) fn put_back(&mut self, batch: Batch) {
        for (value, older) in batch.uses {
            self.uses.entry(value).or_insert(older);
        }
        for (row, older) in batch.counts {
            if !self.counts.add(row, older) {
                self.lost += usize::try_from(older).unwrap_or(usize::MAX);
            }
        }
        for (key, (older, at)) in batch.attributed {
            let sum = self.attributed.entry(key).or_insert((0, at));
            sum.0 += older;
        }
    }
}

/// The number of days from 1970-01-01 to a moment, in UTC.
#[must_use]
pub fn day_number(at: Timestamp) -> i64 {
    at.micros().div_euclid(86_400_000_000)
}
