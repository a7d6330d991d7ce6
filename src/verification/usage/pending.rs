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
/// How many counts of one value may be in the map. Further ones are counted without their IP address, so that a program
/// that changes its address with every call does not fill the database.
const FAR_COUNTS: u16 = 100;
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
    /// How many counts of this value are in the map.
    pub(super) far: u16,
}

const _: () = assert!(size_of::<TokenUse>() <= 352);

/// The account, the username and the team's slug of attributed calls.
pub(super) type AttributionKey = (ServiceAccountId, String, String);

/// The usage since the last flush.
#[derive(Debug, Default)]
pub(super) struct PendingUsage {
    pub(super) uses: HashMap<TokenHash, TokenUse>,
    pub(super) counts: Counts,
    /// How many counts of refused calls each value has in the map.
    pub(super) refused: HashMap<CountedValue, u16>,
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

/// What became of calls that were to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Added {
    /// They were added to a row.
    Known,
    /// They made a row.
    New,
    /// There is no room for another row.
    Lost,
}

impl Counts {
    /// Counts calls.
    pub(super) fn add(&mut self, row: CountedRow, calls: i64) -> Added {
        if let Some(known) = self.rows.get_mut(&row) {
            *known += calls;
            return Added::Known;
        }
        if self.len() >= MAX_COUNTS {
            return Added::Lost;
        }
        self.rows.insert(row, calls);
        Added::New
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
        let call = if self.far < FAR_COUNTS { before.0 } else { CountedCall { address: None, ..before.0 } };
        let added = counts.add((Some(self.value), call), i64::from(before.1));
        self.far += u16::from(added == Added::New && self.far < FAR_COUNTS);
        added != Added::Lost
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
            let (last, others, far, service) = ((call, 1), Vec::new(), 0, service.cloned());
            self.uses.insert(
                value,
                TokenUse { token, source, value: counted, at, agent, service, last, others, far },
            );
        } else {
            self.lost += 1;
        }
    }

    /// Counts a refused call. A value may have few counts with an IP address, as in [`TokenUse::count`]: anybody who
    /// has a value that ended could otherwise make a row with every address.
    pub(super) fn record_refused(&mut self, value: Option<CountedValue>, call: CountedCall) {
        let rows = value.map(|value| self.refused.entry(value).or_default());
        let is_full = rows.as_ref().is_none_or(|rows| **rows >= FAR_COUNTS);
        let call = if is_full { CountedCall { address: None, ..call } } else { call };
        match (self.counts.add((value, call), 1), rows) {
            (Added::New, Some(rows)) => *rows = rows.saturating_add(1),
            (Added::Lost, _) => self.lost += 1,
            _ => {}
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
            if self.counts.add(row, older) == Added::Lost {
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::super::counted::{Check, CountedPrincipal, Outcome};
    use super::*;
    use crate::platform::id::ServiceAccountId;

    fn hash() -> TokenHash {
        TokenHash::from_stored(&[7; 32]).expect("a hash")
    }

    /// Records a call with the same value from each of these addresses.
    fn used_from(addresses: impl Iterator<Item = u128>) -> PendingUsage {
        let mut pending = PendingUsage::default();
        let (token, at) = (TokenId::sample(1), Timestamp::from_micros(1));
        let principal = CountedPrincipal::ServiceAccount(ServiceAccountId::sample(1));
        let value = CountedValue { principal, token: Some(token), is_old: false };
        for number in addresses {
            let address = Some(IpAddr::V6(Ipv6Addr::from_bits(number)));
            let call = CountedCall { organization: None, address, service: None, check: Check::VALID };
            pending.record(hash(), at, &RequestContext::default(), (call, None), || (token, None, value));
        }
        pending
    }

    fn rows(pending: PendingUsage) -> Vec<(CountedRow, i64)> {
        pending.batches().into_iter().flat_map(|batch| batch.counts).collect()
    }

    #[test]
    fn a_value_that_is_used_from_ever_new_addresses_makes_few_rows_and_loses_no_call() {
        let rows = rows(used_from(0..10_000));
        assert_eq!(rows.iter().map(|(_, calls)| calls).sum::<i64>(), 10_000);
        let known = NEAR_COUNTS + 1 + usize::from(FAR_COUNTS);
        assert_eq!(rows.len(), known + 1, "and one row without an address");
    }

    #[test]
    fn a_value_that_ended_makes_few_rows_from_whatever_address_it_is_presented() {
        let mut pending = PendingUsage::default();
        let principal = CountedPrincipal::ServiceAccount(ServiceAccountId::sample(1));
        let value = CountedValue { principal, token: Some(TokenId::sample(1)), is_old: false };
        for number in 0..10_000 {
            let address = Some(IpAddr::V6(Ipv6Addr::from_bits(number)));
            let check = Check::refused(Outcome::Revoked);
            pending.record_refused(
                Some(value),
                CountedCall { organization: None, address, service: None, check },
            );
        }
        let rows = rows(pending);
        assert_eq!(rows.iter().map(|(_, calls)| calls).sum::<i64>(), 10_000);
        assert_eq!(rows.len(), usize::from(FAR_COUNTS) + 1);
    }

    #[test]
    fn a_value_that_is_used_from_some_addresses_keeps_all_of_them() {
        let rows = rows(used_from((0..9_000).map(|call| call % 90)));
        assert_eq!(rows.len(), 90);
        assert!(rows.iter().all(|(_, calls)| *calls == 100), "{rows:?}");
    }
}
