//! Collects usage, and writes it in batches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::counted::{Check, CountedCall, CountedPrincipal, CountedValue};
use super::pending::{Batch, PendingUsage};
use super::write::write_batch;
use crate::access::TokenKind;
use crate::platform::id::TokenId;
use crate::platform::web::RequestContext;
use crate::platform::{Context, Result, Timestamp};
use crate::verification::principal::{ServiceCaller, TokenFacts, VerifiedToken};
use crate::verification::token_format::TokenHash;

/// The number of used values, or of counts beyond one for each, that triggers a flush before its time.
const FLUSH_THRESHOLD: usize = 25_000;
/// The longest pause between two batches.
const MAX_PAUSE: Duration = Duration::from_secs(2);

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
        pending.record_refused(value, call);
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
            write_batch(context, batch).await?;
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
