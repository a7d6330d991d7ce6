//! The usage of tokens: last use (time, IP address, user agent, service), calls
//! per day and IP address, and attributed calls. Usage is collected in memory and
//! written in batches every ten seconds, so that no request waits for a write.
//! If the process crashes, the usage since the last flush is lost.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::principal::{Principal, ServiceCaller, VerifiedToken};
use super::token_format::TokenHash;
use crate::access::{Kind, System, SystemReason, TokenKind};
use crate::platform::db::Value;
use crate::platform::id::{ServiceAccountId, TokenId};
use crate::platform::web::RequestContext;
use crate::platform::{Context, Result, Timestamp, sql};

/// Every use of a token is recorded.
const USAGE: System = System::new(SystemReason::Usage);

/// For how many days the counts of calls are kept.
const RETENTION_DAYS: i64 = 30;

/// The number of used values that triggers a flush before its time.
const FLUSH_THRESHOLD: usize = 25_000;
/// The largest number of used values that are kept if the database cannot keep
/// up: about 12 MB.
const MAX_PENDING: usize = 50_000;
/// The number of rows that are written in one transaction, so that other writers
/// do not have to wait for all of them.
const BATCH_SIZE: usize = 5_000;
/// The longest pause between two batches.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The last use of a value since the last flush, and the number of calls from
/// that IP address. There can be many of these, so rare data is boxed.
#[derive(Clone, Debug)]
struct TokenUse {
    token: TokenId,
    /// The token for which an access token was exchanged, and its value.
    source: Option<Box<(TokenId, TokenHash)>>,
    account: Option<ServiceAccountId>,
    at: Timestamp,
    address: Option<IpAddr>,
    /// Whether this is the old value during an overlap, whose last use is stored
    /// separately.
    is_old: bool,
    /// Whether calls are counted for the token or its source. False for access
    /// tokens of external identities.
    is_counted: bool,
    calls: u32,
    agent: Option<Box<str>>,
    service: Option<Arc<str>>,
}

const _: () = assert!(size_of::<TokenUse>() <= 128);

/// What calls are counted for: a token, or an account with all its credentials.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum CallOwner {
    Token(TokenId),
    Account(ServiceAccountId),
}

/// The account, the username and the team's slug of attributed calls.
type AttributionKey = (ServiceAccountId, String, String);
type Calls = HashMap<(CallOwner, Option<IpAddr>), i64>;

/// The usage since the last flush.
#[derive(Debug, Default)]
struct PendingUsage {
    uses: HashMap<TokenHash, TokenUse>,
    /// Calls from other IP addresses than the last one of each value.
    calls: Calls,
    /// The number of attributed calls and the time of the last one.
    attributed: HashMap<AttributionKey, (i64, Timestamp)>,
    /// Uses of values beyond [`MAX_PENDING`], which are not recorded.
    lost: usize,
}

impl TokenUse {
    /// Adds the calls from the last IP address to `calls`. Those with an access
    /// token count for its source.
    fn add_calls_to(&self, calls: &mut Calls) {
        let token = self.source.as_ref().map_or(self.token, |source| source.0);
        let token = self.is_counted.then_some(CallOwner::Token(token));
        let account = self.account.map(CallOwner::Account);
        for owner in token.into_iter().chain(account).filter(|_| self.calls > 0) {
            *calls.entry((owner, self.address)).or_default() += i64::from(self.calls);
        }
    }

    /// Records another use of the same value.
    fn record_another(
        &mut self,
        calls: &mut Calls,
        last: &RequestContext,
        at: Timestamp,
        service: Option<&Arc<str>>,
    ) {
        if self.address != last.ip {
            self.add_calls_to(calls);
            (self.address, self.calls) = (last.ip, 0);
        }
        self.calls = self.calls.saturating_add(1);
        self.at = at;
        if self.agent.as_deref() != last.user_agent.as_deref() {
            self.agent = last.user_agent.as_deref().map(Box::from);
        }
        if self.service.as_ref() != service {
            self.service = service.cloned();
        }
    }
}

impl PendingUsage {
    fn insert_use(&mut self, value: TokenHash, first: impl FnOnce() -> TokenUse) {
        if self.uses.len() < MAX_PENDING {
            self.uses.insert(value, first());
        } else {
            self.lost += 1;
        }
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
    /// Records a use of a token: at a service, or at Tessera's own API (`None`).
    /// `attributed` is the username and the team's slug, if the request is
    /// attributed to a person.
    pub fn record(
        &self,
        token: &VerifiedToken,
        service: Option<&ServiceCaller>,
        attributed: Option<(&str, &str)>,
    ) {
        let account = match &token.facts().principal {
            Principal::Machine(machine) => match machine.subject.kind {
                Kind::ServiceAccount { id, .. } => Some(id),
                _ => None,
            },
            Principal::Person { .. } => None,
        };
        let (at, service) = (token.at, service.map(|service| &service.name));
        let mut pending = self.pending();
        let PendingUsage { uses, calls, .. } = &mut *pending;
        if let Some(known) = uses.get_mut(&token.value) {
            known.record_another(calls, &token.request, at, service);
        } else {
            pending.insert_use(token.value, || TokenUse {
                token: token.facts().token,
                source: token.facts().source.clone(),
                account,
                at,
                address: token.request.ip,
                is_old: token.facts().is_old,
                is_counted: token.kind != TokenKind::Access || token.facts().source.is_some(),
                calls: 1,
                agent: token.request.user_agent.as_deref().map(Box::from),
                service: service.cloned(),
            });
        }
        if let (Some(account), Some((username, team))) = (account, attributed) {
            let key = (account, username.to_owned(), team.to_owned());
            let count = pending.attributed.entry(key).or_insert((0, at));
            *count = (count.0 + 1, at);
        }
        self.notify_if_full(&pending);
    }

    /// Records a call of a service with its secret.
    pub fn record_secret(&self, at: Timestamp, value: TokenHash, token: TokenId, request: &RequestContext) {
        let mut pending = self.pending();
        let PendingUsage { uses, calls, .. } = &mut *pending;
        if let Some(known) = uses.get_mut(&value) {
            known.record_another(calls, request, at, None);
        } else {
            pending.insert_use(value, || TokenUse {
                token,
                source: None,
                account: None,
                at,
                address: request.ip,
                is_old: false,
                is_counted: true,
                calls: 1,
                agent: request.user_agent.as_deref().map(Box::from),
                service: None,
            });
        }
        self.notify_if_full(&pending);
    }

    fn pending(&self) -> MutexGuard<'_, PendingUsage> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_if_full(&self, pending: &PendingUsage) {
        if pending.uses.len() == FLUSH_THRESHOLD {
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
            write_usage_batch(context, batch).await?;
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
    calls: Vec<((CallOwner, Option<IpAddr>), i64)>,
    attributed: Vec<(AttributionKey, (i64, Timestamp))>,
}

impl PendingUsage {
    /// Splits the usage into batches, sorted by key, so that several nodes lock
    /// rows in the same order and cannot deadlock.
    fn batches(mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut uses: Vec<_> = self.uses.drain().collect();
        uses.sort_unstable_by_key(|(_, last)| last.token);
        for (_, last) in &mut uses {
            last.add_calls_to(&mut self.calls);
            last.calls = 0;
        }
        let mut calls: Vec<_> = self.calls.drain().collect();
        calls.sort_unstable();
        let mut attributed: Vec<_> = self.attributed.drain().collect();
        attributed.sort_unstable();
        while !(uses.is_empty() && calls.is_empty() && attributed.is_empty()) {
            batches.push(Batch {
                uses: uses.split_off(uses.len().saturating_sub(BATCH_SIZE)),
                calls: calls.split_off(calls.len().saturating_sub(BATCH_SIZE)),
                attributed: attributed.split_off(attributed.len().saturating_sub(BATCH_SIZE)),
            });
        }
        batches
    }

    fn put_back(&mut self, batch: Batch) {
        for (value, older) in batch.uses {
            self.uses.entry(value).or_insert(older);
        }
        for (key, older) in batch.calls {
            *self.calls.entry(key).or_default() += older;
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

/// The oldest day whose calls are kept, as the number of a day.
#[must_use]
pub fn oldest_day(now: Timestamp) -> i64 {
    day_number(now) - RETENTION_DAYS
}

/// The stored form of an IP address in a key; empty if it is not known.
fn ip_key(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

/// Writes the collected last uses and counts of calls in one transaction. If that fails, nothing is written and the
/// caller keeps the batch.
async fn write_usage_batch(context: &Context, batch: &Batch) -> Result<()> {
    let today = day_number(context.clock.now());
    let (mut values, mut tokens, mut accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (value, last) in &batch.uses {
        if last.is_old {
            values.insert(*value, last.at);
        }
        keep_last(&mut tokens, last.token, last);
        // Using an access token also uses the token for which it was exchanged.
        if let Some(source) = &last.source {
            let at = values.entry(source.1).or_insert(last.at);
            *at = last.at.max(*at);
            keep_last(&mut tokens, source.0, last);
        }
        if let Some(account) = last.account {
            keep_last(&mut accounts, account, last);
        }
    }
    let mut tx = context.db.begin().await?;
    sql("UPDATE token_values SET last_used_at = v.column2 FROM (VALUES ($1, $2)) AS v \
         WHERE token_values.hash = v.column1")
    .execute_batch(
        &mut tx,
        &USAGE,
        values.into_iter().map(|(value, at)| vec![value.into(), at.into()]).collect(),
    )
    .await?;
    let rows = tokens.into_iter().map(|(token, last)| {
        let (agent, service) = (last.agent.as_deref(), last.service.as_deref());
        vec![token.into(), last.at.into(), ip_value(last.address), agent.into(), service.into()]
    });
    sql("UPDATE tokens SET last_used_at = v.column2, last_used_address = v.column3, last_used_agent = v.column4, \
            last_used_service = v.column5 FROM (VALUES ($1, $2, $3, $4, $5)) AS v \
         WHERE tokens.id = v.column1 AND COALESCE(tokens.last_used_at, 0) <= v.column2")
    .execute_batch(&mut tx, &USAGE, rows.collect())
    .await?;
    let rows = accounts.into_iter();
    let rows = rows.map(|(account, last)| vec![account.into(), last.at.into(), ip_value(last.address)]);
    sql("UPDATE service_accounts SET last_used_at = v.column2, last_used_address = v.column3 \
         FROM (VALUES ($1, $2, $3)) AS v \
         WHERE service_accounts.id = v.column1 AND COALESCE(service_accounts.last_used_at, 0) <= v.column2")
    .execute_batch(&mut tx, &USAGE, rows.collect())
    .await?;
    let (mut of_tokens, mut of_accounts) = (Vec::new(), Vec::new());
    for ((owner, address), calls) in &batch.calls {
        let row = |id| vec![id, today.into(), ip_key(*address).into(), (*calls).into()];
        match owner {
            CallOwner::Token(token) => of_tokens.push(row((*token).into())),
            CallOwner::Account(account) => of_accounts.push(row((*account).into())),
        }
    }
    // The join leaves out what was deleted in the meantime.
    sql("INSERT INTO token_calls (token_id, day, address, calls) \
            SELECT t.id, v.column2, v.column3, v.column4 FROM (VALUES ($1, $2, $3, $4)) AS v \
            JOIN tokens t ON t.id = v.column1 WHERE TRUE \
         ON CONFLICT (token_id, day, address) DO UPDATE SET calls = token_calls.calls + excluded.calls")
    .execute_batch(&mut tx, &USAGE, of_tokens)
    .await?;
    sql("INSERT INTO account_calls (service_account_id, day, address, calls) \
            SELECT a.id, v.column2, v.column3, v.column4 FROM (VALUES ($1, $2, $3, $4)) AS v \
            JOIN service_accounts a ON a.id = v.column1 WHERE TRUE \
         ON CONFLICT (service_account_id, day, address) DO UPDATE SET calls = account_calls.calls + excluded.calls")
    .execute_batch(&mut tx, &USAGE, of_accounts)
    .await?;
    let rows = batch.attributed.iter().map(|((account, username, team), (calls, last))| {
        vec![(*account).into(), today.into(), username.into(), team.into(), (*calls).into(), (*last).into()]
    });
    sql("INSERT INTO attributions (service_account_id, day, username, team, calls, last_at) \
            SELECT a.id, v.column2, v.column3, v.column4, v.column5, v.column6 \
            FROM (VALUES ($1, $2, $3, $4, $5, $6)) AS v \
            JOIN service_accounts a ON a.id = v.column1 WHERE TRUE \
         ON CONFLICT (service_account_id, day, username, team) \
            DO UPDATE SET calls = attributions.calls + excluded.calls, last_at = excluded.last_at")
    .execute_batch(&mut tx, &USAGE, rows.collect())
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The stored form of an IP address in a column; NULL if it is not known.
fn ip_value(address: Option<IpAddr>) -> Value {
    address.map(|address| address.to_string()).into()
}

fn keep_last<'a, K: Ord>(all: &mut BTreeMap<K, &'a TokenUse>, key: K, last: &'a TokenUse) {
    let kept = all.entry(key).or_insert(last);
    if kept.at <= last.at {
        *kept = last;
    }
}
