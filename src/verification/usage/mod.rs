//! The usage of tokens: last use (time, IP address, user agent, service), the number of calls with what was asked and
//! answered, and attributed calls. Usage is collected in memory and written in batches every ten seconds, so that no
//! request waits for a write. If the process crashes, the usage since the last flush is lost. Calls count for the day
//! on which they are written.

mod counted;
mod write;

pub use counted::{Check, CountedCall, CountedPrincipal, CountedRow, CountedValue, Outcome};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::principal::{ServiceCaller, TokenFacts, VerifiedToken};
use super::token_format::TokenHash;
use crate::access::TokenKind;
use crate::platform::id::{ServiceAccountId, TokenId};
use crate::platform::web::RequestContext;
use crate::platform::{Context, Result, Timestamp};

/// The number of used values, or of counts beyond one for each, that triggers a flush before its time.
const FLUSH_THRESHOLD: usize = 25_000;
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
/// The longest pause between two batches.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The last use of a value since the last flush, and the number of its calls. There can be many of these, so rare
/// data is boxed.
#[derive(Clone, Debug)]
struct TokenUse {
    token: TokenId,
    /// The token for which an access token was exchanged, and its value.
    source: Option<Box<(TokenId, TokenHash)>>,
    value: CountedValue,
    at: Timestamp,
    agent: Option<Box<str>>,
    service: Option<Arc<str>>,
    /// The last call, and how often it was made.
    last: (CountedCall, u32),
    /// Other calls with this value.
    others: Vec<(CountedCall, u32)>,
}

const _: () = assert!(size_of::<TokenUse>() <= 352);

/// The account, the username and the team's slug of attributed calls.
type AttributionKey = (ServiceAccountId, String, String);

/// The usage since the last flush.
#[derive(Debug, Default)]
struct PendingUsage {
    uses: HashMap<TokenHash, TokenUse>,
    counts: Counts,
    /// The number of attributed calls and the time of the last one.
    attributed: HashMap<AttributionKey, (i64, Timestamp)>,
    /// Uses beyond [`MAX_PENDING`] and [`MAX_COUNTS`], which are not recorded.
    lost: usize,
}

/// The counts beyond those of the last call of each value.
#[derive(Debug, Default)]
struct Counts {
    rows: HashMap<CountedRow, i64>,
    /// How many counts are in the uses.
    near: usize,
}

impl Counts {
    /// Counts calls. Returns false if there is no room for another row.
    fn add(&mut self, row: CountedRow, calls: i64) -> bool {
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

    fn len(&self) -> usize {
        self.rows.len() + self.near
    }
}

impl TokenUse {
    /// Counts another call with the same value. Returns false if there is no room for it.
    fn count(&mut self, counts: &mut Counts, call: CountedCall) -> bool {
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
    fn take_counts(&mut self) -> impl Iterator<Item = (CountedRow, i64)> {
        let (value, last) = (Some(self.value), (self.last.0, std::mem::take(&mut self.last.1)));
        let all = std::mem::take(&mut self.others).into_iter().chain([last]);
        all.filter(|(_, calls)| *calls > 0).map(move |(call, calls)| ((value, call), i64::from(calls)))
    }
}

/// Collects usage until it is flushed. One per process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<UsageState>);

#[derive(Debug, Default)]
struct UsageState {
    pending: Mutex<PendingUsage>,
    flush_needed: Notify,
}

impl Usage {
    /// Records a use of a valid token: at a service, or at Tessera's own API (`None`). `attributed` is the username
    /// and the team's slug, if the request is attributed to a person.
    pub fn record(
        &self,
        token: &VerifiedToken,
        service: Option<&ServiceCaller>,
        check: Check,
        attributed: Option<(&str, &str)>,
    ) {
        let principal = CountedPrincipal::from(&token.facts().principal);
        let call = CountedCall {
            organization: match service {
                Some(service) => Some(service.organization.id),
                None => token.facts().principal.organization(),
            },
            address: token.request.ip,
            service: service.map(|service| service.id),
            check,
        };
        let mut pending = self.pending();
        let service = service.map(|service| &service.name);
        pending.record(token.value, token.at, &token.request, (call, service), || {
            (token.facts().token, token.facts().source.clone(), token.facts().counted_value(token.kind))
        });
        if let (CountedPrincipal::ServiceAccount(account), Some((username, team))) = (principal, attributed) {
            let key = (account, username.to_owned(), team.to_owned());
            let count = pending.attributed.entry(key).or_insert((0, token.at));
            *count = (count.0 + 1, token.at);
        }
        self.notify_if_full(&pending);
    }

    /// Records a call of a service with its secret.
    pub fn record_secret(
        &self,
        at: Timestamp,
        value: TokenHash,
        (token, service): (TokenId, &ServiceCaller),
        request: &RequestContext,
    ) {
        let call = CountedCall {
            organization: Some(service.organization.id),
            address: request.ip,
            service: None,
            check: Check::VALID,
        };
        let counted = CountedValue {
            principal: CountedPrincipal::Service(service.id),
            token: Some(token),
            is_old: false,
        };
        let mut pending = self.pending();
        pending.record(value, at, request, (call, None), || (token, None, counted));
        self.notify_if_full(&pending);
    }

    /// Records a call that was refused because the value is not valid, without changing the last use of a token.
    pub fn record_refused(&self, value: Option<CountedValue>, call: CountedCall) {
        let mut pending = self.pending();
        if !pending.counts.add((value, call), 1) {
            pending.lost += 1;
        }
        self.notify_if_full(&pending);
    }

    fn pending(&self) -> MutexGuard<'_, PendingUsage> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_if_full(&self, pending: &PendingUsage) {
        if pending.uses.len() == FLUSH_THRESHOLD || pending.counts.len() == FLUSH_THRESHOLD {
            self.0.flush_needed.notify_one();
        }
    }

    /// Waits until `FLUSH_THRESHOLD` values have been used since the last flush.
    pub async fn needs_flush(&self) {
        self.0.flush_needed.notified().await;
    }

    /// Writes the collected usage. After each batch it pauses as long as the batch
    /// took, so that other writers get their turn.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn flush_gently(&self, context: &Context) -> Result<()> {
        self.write_all(context, true).await
    }

    /// Writes the collected usage without pauses. Batches that cannot be written
    /// are kept for the next flush.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn flush(&self, context: &Context) -> Result<()> {
        self.write_all(context, false).await
    }

    async fn write_all(&self, context: &Context, pausing: bool) -> Result<()> {
        let pending = std::mem::take(&mut *self.pending());
        if pending.lost > 0 {
            tracing::warn!(lost = pending.lost, "uses were not noted: the database cannot keep up");
        }
        let mut unwritten = Unwritten { usage: self, batches: pending.batches() };
        while let Some(batch) = unwritten.batches.last() {
            let started = context.clock.now();
            write::write_batch(context, batch).await?;
            let took = context.clock.now().since(started);
            unwritten.batches.pop();
            if pausing && !unwritten.batches.is_empty() {
                tokio::time::sleep(took.min(MAX_PAUSE)).await;
            }
        }
        Ok(())
    }
}

/// The batches that are not written yet. On drop, also after an error or a
/// cancellation, they are put back for the next flush.
struct Unwritten<'a> {
    usage: &'a Usage,
    batches: Vec<Batch>,
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        if !self.batches.is_empty() {
            let mut newer = self.usage.pending();
            self.batches.drain(..).for_each(|older| newer.put_back(older));
        }
    }
}

/// The usage that is written in one transaction.
#[derive(Debug, Default)]
struct Batch {
    uses: Vec<(TokenHash, TokenUse)>,
    counts: Vec<(CountedRow, i64)>,
    attributed: Vec<(AttributionKey, (i64, Timestamp))>,
}

impl PendingUsage {
    fn record(
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
    fn batches(mut self) -> Vec<Batch> {
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

    fn put_back(&mut self, batch: Batch) {
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

impl TokenFacts {
    /// The value of a token of this kind, as its calls are counted.
    #[must_use]
    pub fn counted_value(&self, kind: TokenKind) -> CountedValue {
        let principal = CountedPrincipal::from(&self.principal);
        let token = match (&self.source, kind) {
            (Some(source), _) => Some(source.0),
            (None, TokenKind::Access) => None,
            (None, _) => Some(self.token),
        };
        CountedValue { principal, token, is_old: self.is_old }
    }
}
