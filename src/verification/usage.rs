//! When, from where, through what and for whom tokens were used: gathered in
//! memory, written every few seconds, so that no request waits for a write.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::principal::{Principal, ServiceCaller, VerifiedToken};
use super::token_format::TokenHash;
use crate::access::{Kind, TokenKind};
use crate::access::{System, SystemReason};
use crate::platform::Context;
use crate::platform::db::Value;
use crate::platform::id::{ServiceAccountId, TokenId};
use crate::platform::web::RequestContext;
use crate::platform::{Result, Timestamp, sql};

/// Every use of a token is recorded.
const USAGE: System = System::new(SystemReason::Usage);

/// For how many days calls are counted.
const DAYS: i64 = 30;

/// So many values used since the last flush are reason for another at once.
const FLUSH_AT: usize = 25_000;
/// So many are kept at most, where the database cannot keep up: about 12 MB.
const MAX_KEPT: usize = 50_000;
/// So many values go into one transaction, so that other writers need not wait
/// for all.
const BATCH: usize = 5_000;
/// The longest rest between two batches.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The last use of a value, and the calls with it from there. There are many of
/// these: what is rare is behind a pointer.
#[derive(Clone, Debug)]
struct TokenUse {
    token: TokenId,
    /// What an access token was exchanged for.
    source: Option<Box<(TokenId, TokenHash)>>,
    account: Option<ServiceAccountId>,
    at: Timestamp,
    address: Option<IpAddr>,
    /// Whether the value has a successor: then its own last use is told.
    is_old: bool,
    /// Whether calls with it are counted for the token, or for its source.
    is_counted: bool,
    calls: u32,
    agent: Option<Box<str>>,
    service: Option<Arc<str>>,
}

const _: () = assert!(size_of::<TokenUse>() <= 128);

/// Whose calls are counted: a token's, or an account's, whatever it came with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Counted {
    Token(TokenId),
    Account(ServiceAccountId),
}

/// Account, username, team.
type Attributed = (ServiceAccountId, String, String);
type Calls = HashMap<(Counted, Option<IpAddr>), i64>;

/// What came together since the last flush.
#[derive(Debug, Default)]
struct PendingUsage {
    uses: HashMap<TokenHash, TokenUse>,
    /// Calls from other addresses than the last.
    calls: Calls,
    /// How often, and when last.
    attributed: HashMap<Attributed, (i64, Timestamp)>,
    /// Values that there was no room for.
    lost: usize,
}

impl TokenUse {
    /// Adds the calls from the last address. Those with an access token count
    /// for what it was exchanged for.
    fn count(&self, calls: &mut Calls) {
        let token = self.source.as_ref().map_or(self.token, |source| source.0);
        let token = self.is_counted.then_some(Counted::Token(token));
        let account = self.account.map(Counted::Account);
        for counted in token.into_iter().chain(account).filter(|_| self.calls > 0) {
            *calls.entry((counted, self.address)).or_default() += i64::from(self.calls);
        }
    }

    /// The same value is used again.
    fn again(&mut self, calls: &mut Calls, last: &RequestContext, at: Timestamp, service: Option<&Arc<str>>) {
        if self.address != last.ip {
            self.count(calls);
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
    fn note(&mut self, value: TokenHash, first: impl FnOnce() -> TokenUse) {
        if self.uses.len() < MAX_KEPT {
            self.uses.insert(value, first());
        } else {
            self.lost += 1;
        }
    }
}

/// The uses since the last flush. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    pending: Mutex<PendingUsage>,
    many: Notify,
}

impl Usage {
    /// Notes a use of a token: asked about by a service, or here (`None`), and
    /// on behalf of whom, in which team.
    pub fn record(
        &self,
        token: &VerifiedToken,
        service: Option<&ServiceCaller>,
        attributed: Option<(&str, &str)>,
    ) {
        let account = match &token.principal {
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
            known.again(calls, &token.request, at, service);
        } else {
            pending.note(token.value, || TokenUse {
                token: token.token,
                source: token.source.clone(),
                account,
                at,
                address: token.request.ip,
                is_old: token.is_old,
                is_counted: token.kind != TokenKind::Access || token.source.is_some(),
                calls: 1,
                agent: token.request.user_agent.as_deref().map(Box::from),
                service: service.cloned(),
            });
        }
        if let (Some(account), Some((username, team))) = (account, attributed) {
            let key = (account, username.to_owned(), team.to_owned());
            let told = pending.attributed.entry(key).or_insert((0, at));
            *told = (told.0 + 1, at);
        }
        self.look(&pending);
    }

    /// Notes a call of a service with its secret.
    pub fn record_secret(&self, at: Timestamp, value: TokenHash, token: TokenId, request: &RequestContext) {
        let mut pending = self.pending();
        let PendingUsage { uses, calls, .. } = &mut *pending;
        if let Some(known) = uses.get_mut(&value) {
            known.again(calls, request, at, None);
        } else {
            pending.note(value, || TokenUse {
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
        self.look(&pending);
    }

    fn pending(&self) -> MutexGuard<'_, PendingUsage> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, pending: &PendingUsage) {
        if pending.uses.len() == FLUSH_AT {
            self.0.many.notify_one();
        }
    }

    /// Waits until there is much to write.
    pub async fn needs_flush(&self) {
        self.0.many.notified().await;
    }

    /// Writes what was gathered, and rests as long as it wrote after each batch,
    /// so that changes and verification find room between them.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn flush_gently(&self, context: &Context) -> Result<()> {
        self.write_all(context, true).await
    }

    /// Writes what was gathered, many rows in a statement. What cannot be
    /// written now is kept for the next time.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn flush(&self, context: &Context) -> Result<()> {
        self.write_all(context, false).await
    }

    async fn write_all(&self, context: &Context, at_leisure: bool) -> Result<()> {
        let pending = std::mem::take(&mut *self.pending());
        if pending.lost > 0 {
            tracing::warn!(lost = pending.lost, "uses were not noted: the database cannot keep up");
        }
        let mut unwritten = Unwritten { usage: self, batches: pending.batches() };
        while let Some(batch) = unwritten.batches.last() {
            let begun = context.clock.now();
            write(context, batch).await?;
            let took = context.clock.now().since(begun);
            unwritten.batches.pop();
            if at_leisure && !unwritten.batches.is_empty() {
                tokio::time::sleep(took.min(MAX_PAUSE)).await;
            }
        }
        Ok(())
    }
}

/// What is still to be written. What is not, however that comes, is kept for the
/// next time.
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

/// What is written in one transaction.
#[derive(Debug, Default)]
struct Batch {
    uses: Vec<(TokenHash, TokenUse)>,
    calls: Vec<((Counted, Option<IpAddr>), i64)>,
    attributed: Vec<(Attributed, (i64, Timestamp))>,
}

impl PendingUsage {
    /// In the order of their keys, so that neighbours are written together and
    /// nodes that write at once wait for one another in the same order.
    fn batches(mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut uses: Vec<_> = self.uses.drain().collect();
        uses.sort_unstable_by_key(|(_, last)| last.token);
        for (_, last) in &mut uses {
            last.count(&mut self.calls);
            last.calls = 0;
        }
        let mut calls: Vec<_> = self.calls.drain().collect();
        calls.sort_unstable();
        let mut attributed: Vec<_> = self.attributed.drain().collect();
        attributed.sort_unstable();
        while !(uses.is_empty() && calls.is_empty() && attributed.is_empty()) {
            batches.push(Batch {
                uses: uses.split_off(uses.len().saturating_sub(BATCH)),
                calls: calls.split_off(calls.len().saturating_sub(BATCH)),
                attributed: attributed.split_off(attributed.len().saturating_sub(BATCH)),
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

/// The day of a moment, counted from 1970, UTC.
#[must_use]
pub fn day(at: Timestamp) -> i64 {
    at.micros().div_euclid(86_400_000_000)
}

/// The oldest day whose calls still count.
#[must_use]
pub fn oldest_day(now: Timestamp) -> i64 {
    day(now) - DAYS
}

/// An address as it is stored; empty where it is not known.
fn stored(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

async fn write(context: &Context, batch: &Batch) -> Result<()> {
    let today = day(context.clock.now());
    let (mut values, mut tokens, mut accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (value, last) in &batch.uses {
        if last.is_old {
            values.insert(*value, last.at);
        }
        keep_last(&mut tokens, last.token, last);
        // Using what it was exchanged into uses a token too.
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
        vec![token.into(), last.at.into(), told(last.address), agent.into(), service.into()]
    });
    sql("UPDATE tokens SET last_used_at = v.column2, last_used_address = v.column3, last_used_agent = v.column4, \
            last_used_service = v.column5 FROM (VALUES ($1, $2, $3, $4, $5)) AS v \
         WHERE tokens.id = v.column1 AND COALESCE(tokens.last_used_at, 0) <= v.column2")
    .execute_batch(&mut tx, &USAGE, rows.collect())
    .await?;
    let rows = accounts.into_iter();
    let rows = rows.map(|(account, last)| vec![account.into(), last.at.into(), told(last.address)]);
    sql("UPDATE service_accounts SET last_used_at = v.column2, last_used_address = v.column3 \
         FROM (VALUES ($1, $2, $3)) AS v \
         WHERE service_accounts.id = v.column1 AND COALESCE(service_accounts.last_used_at, 0) <= v.column2")
    .execute_batch(&mut tx, &USAGE, rows.collect())
    .await?;
    let (mut of_tokens, mut of_accounts) = (Vec::new(), Vec::new());
    for ((counted, address), calls) in &batch.calls {
        let row = |id| vec![id, today.into(), stored(*address).into(), (*calls).into()];
        match counted {
            Counted::Token(token) => of_tokens.push(row((*token).into())),
            Counted::Account(account) => of_accounts.push(row((*account).into())),
        }
    }
    // What is gone meanwhile has no calls.
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

/// An address that may be unknown.
fn told(address: Option<IpAddr>) -> Value {
    address.map(|address| address.to_string()).into()
}

fn keep_last<'a, K: Ord>(all: &mut BTreeMap<K, &'a TokenUse>, key: K, last: &'a TokenUse) {
    let kept = all.entry(key).or_insert(last);
    if kept.at <= last.at {
        *kept = last;
    }
}
