//! Rate limits for sign-in attempts: they slow down the guessing of passwords
//! without locking anybody out. Every attempt is counted in the database before
//! the password is verified, in one statement per counter (GCRA), so that the
//! counts are correct with concurrent attempts on several nodes.
//!
//! - A known browser or network has counters of its own. Failures of others
//!   never affect it; it is delayed by at most three seconds.
//! - From an unknown network, fast attempts on one account are refused for a few
//!   seconds. Attempts on one account from all unknown networks, and attempts on
//!   all accounts from one network, are delayed by at most two seconds.
//! - Many attempts with the correct password, which only the account's owner can
//!   make, delay all attempts on the account by at most three seconds; very many
//!   are refused for a few seconds.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;

use super::authenticator::Authenticator;
use super::known_browser::BrowserId;
use super::known_network;
use super::known_network::is_known_network;
use super::password_queue::Lane;
use crate::access::{System, SystemReason};
use crate::platform::id::PersonId;
use crate::platform::rate_limits::network;
use crate::platform::secret::Secret;
use crate::platform::{Context, Error, Result, Timestamp, Tx, ValidationErrors, sql};

/// The permit for counting attempts, which are made without a caller.
const ATTEMPTS: System = System::new(SystemReason::SignIn);

/// The limit of a counter: `burst` attempts at once, then one per interval.
/// Faster attempts are delayed, up to `max_delay`; what would wait longer is not
/// admitted by the counter.
#[derive(Debug)]
struct Rule {
    burst: u32,
    interval: Duration,
    max_delay: Duration,
}

/// For a browser that the account knows. A stolen cookie allows five guesses,
/// then one per minute; beyond that, the attempt counts as one without a cookie.
const KNOWN_BROWSER: Rule = Rule { burst: 5, interval: Duration::from_secs(60), max_delay: Duration::ZERO };
/// For an account from a network that it knows. Beyond it, attempts are delayed.
const KNOWN_NETWORK: Rule =
    Rule { burst: 10, interval: Duration::from_secs(1), max_delay: Duration::from_secs(3) };
/// For an account from one network that it does not know. Beyond it, attempts
/// are refused.
const UNKNOWN_NETWORK: Rule =
    Rule { burst: 5, interval: Duration::from_secs(2), max_delay: Duration::from_secs(4) };
/// For an account from all networks together that it does not know. Beyond it,
/// attempts are delayed.
const ACCOUNT: Rule = Rule { burst: 20, interval: Duration::from_secs(1), max_delay: Duration::from_secs(2) };
/// For a network, on all accounts together that do not know it. Beyond it,
/// attempts are delayed.
const NETWORK: Rule =
    Rule { burst: 30, interval: Duration::from_millis(500), max_delay: Duration::from_secs(2) };

/// For an account, with the correct password: hashing is the most expensive part
/// of a request. Beyond it, attempts are delayed, or refused if the delay would
/// exceed [`MAX_SUCCESS_DELAY`]. Only somebody who knows the password can cause
/// this.
const SUCCESSES: Rule =
    Rule { burst: 10, interval: Duration::from_secs(1), max_delay: Duration::from_secs(10) };
/// The longest delay after many attempts with the correct password.
const MAX_SUCCESS_DELAY: Duration = Duration::from_secs(3);

/// How long counters, and with them the failures of a network, are kept after
/// their last attempt. A network with a failure waits in a lane of its own class
/// (see `password_queue`).
const FAILURE_WINDOW: Duration = Duration::from_secs(600);

/// An attempt to authenticate with a password.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The email address as it was typed, case folded, so that all spellings
    /// count for one account.
    pub account: &'a str,
    /// The person with this email address; `None` if nobody has it.
    pub person: Option<PersonId>,
    /// The client's IP address, if it is known.
    pub address: Option<IpAddr>,
    /// The browser's id, if the account knows the browser.
    pub browser: Option<BrowserId>,
}

/// A counter of attempts: a row of the table `throttles`.
#[derive(Debug)]
struct Counter {
    key: [u8; 32],
    rule: &'static Rule,
}

impl Counter {
    /// The counter for these texts, which must not contain line breaks.
    fn new(context: &Context, rule: &'static Rule, parts: [&str; 3]) -> Self {
        Self { key: *context.key.derive("sign-in attempts", parts.join("\n").as_bytes()), rule }
    }

    /// Counts an attempt and returns its delay. Returns `None`, and counts
    /// nothing, if the delay would exceed the rule's `max_delay`.
    async fn reserve(&self, tx: &mut Tx, now: Timestamp) -> Result<Option<Duration>> {
        let Rule { burst, interval, max_delay } = *self.rule;
        // `until` is the theoretical arrival time of GCRA: when all attempts so far have had their interval.
        let burst_time = interval * burst;
        let row: Option<(Timestamp,)> =
            sql("INSERT INTO throttles (key, failures, until) VALUES ($1, 0, $2) \
             ON CONFLICT (key) DO UPDATE SET \
                until = (CASE WHEN throttles.until > $3 THEN throttles.until ELSE $3 END) + $4 \
             WHERE throttles.until <= $5 RETURNING until")
            .bind(self.key.as_slice())
            .bind(now.plus(interval))
            .bind(now)
            .bind(i64::try_from(interval.as_micros()).unwrap_or(0))
            .bind(now.plus(burst_time + max_delay).minus(interval))
            .execute_returning(tx, &ATTEMPTS)
            .await?;
        Ok(row.map(|(until,)| until.since(now.plus(burst_time))))
    }

    /// How long the next attempt would be delayed. Counts nothing.
    async fn delay(&self, context: &Context, now: Timestamp) -> Result<Duration> {
        let row: Option<(Timestamp,)> = sql("SELECT until FROM throttles WHERE key = $1")
            .bind(self.key.as_slice())
            .optional(&context.db)
            .await?;
        let at_once = now.plus(self.rule.interval * self.rule.burst);
        Ok(row.map_or(Duration::ZERO, |(until,)| until.plus(self.rule.interval).since(at_once)))
    }

    /// Records that an attempt failed, after the password was verified.
    async fn record_failure(&self, tx: &mut Tx) -> Result<()> {
        sql("UPDATE throttles SET failures = failures + 1 WHERE key = $1")
            .bind(self.key.as_slice())
            .execute(tx, &ATTEMPTS)
            .await?;
        Ok(())
    }

    /// Whether the counter has a failure (kept for [`FAILURE_WINDOW`]).
    async fn has_failure(&self, context: &Context) -> Result<bool> {
        let row: Option<(i64,)> = sql("SELECT failures FROM throttles WHERE key = $1")
            .bind(self.key.as_slice())
            .optional(&context.db)
            .await?;
        Ok(row.is_some_and(|(failures,)| failures > 0))
    }

    /// Deletes the counter.
    async fn clear(&self, tx: &mut Tx) -> Result<()> {
        sql("DELETE FROM throttles WHERE key = $1").bind(self.key.as_slice()).execute(tx, &ATTEMPTS).await?;
        Ok(())
    }

    /// Undoes the counting of one attempt.
    async fn release(&self, tx: &mut Tx) -> Result<()> {
        let interval = i64::try_from(self.rule.interval.as_micros()).unwrap_or(0);
        sql("UPDATE throttles SET until = until - $1 WHERE key = $2")
            .bind(interval)
            .bind(self.key.as_slice())
            .execute(tx, &ATTEMPTS)
            .await?;
        Ok(())
    }
}

/// Verifies the password of an attempt, within the rate limits. Without a hash
/// (there is no such person) it takes equally long and returns false.
///
/// # Errors
/// [`Error::TooMany`] above a limit, [`Error::Busy`] if the password queue is
/// full, each with a few seconds to wait; when the database cannot.
pub async fn verify(
    authenticator: &Authenticator,
    attempt: &Attempt<'_>,
    password: Secret,
    hash: Option<String>,
) -> Result<bool> {
    let context = &authenticator.context;
    let now = context.clock.now();
    let success_counter = Counter::new(context, &SUCCESSES, ["success", attempt.account, ""]);
    let success_delay = success_counter.delay(context, now).await?;
    if success_delay > MAX_SUCCESS_DELAY {
        return authenticator
            .rate_limits
            .delay_refusal(Err(Error::TooMany { retry_after: SUCCESSES.interval }))
            .await;
    }
    let network_ip = network(attempt.address);
    let text = network_ip.to_string();
    if let Some(browser) = &attempt.browser {
        let counter = Counter::new(context, &KNOWN_BROWSER, ["browser", attempt.account, browser.as_str()]);
        let queued = authenticator
            .rate_limits
            .delay_refusal(authenticator.passwords.join(Lane::Known(counter.key)))
            .await?;
        let mut tx = context.db.begin().await?;
        if counter.reserve(&mut tx, now).await?.is_some() {
            tx.commit().await?;
            let is_correct = authenticator.passwords.verify(queued, success_delay, password, hash).await?;
            return record_outcome(context, is_correct, &success_counter, &[&counter], &[]).await;
        }
    }
    if is_known_network(context, attempt.person, network_ip).await? {
        let counter = Counter::new(context, &KNOWN_NETWORK, ["known network", attempt.account, &text]);
        let queued = authenticator
            .rate_limits
            .delay_refusal(authenticator.passwords.join(Lane::Known(counter.key)))
            .await?;
        let mut tx = context.db.begin().await?;
        let delay = counter.reserve(&mut tx, now).await?;
        tx.commit().await?;
        let delay = delay.unwrap_or(KNOWN_NETWORK.max_delay).max(success_delay);
        let is_correct = authenticator.passwords.verify(queued, delay, password, hash).await?;
        return record_outcome(context, is_correct, &success_counter, &[&counter], &[]).await;
    }
    let network = Counter::new(context, &NETWORK, ["network", "", &text]);
    let lane =
        if network.has_failure(context).await? { Lane::Failing(network_ip) } else { Lane::Fresh(network_ip) };
    let queued = authenticator.rate_limits.delay_refusal(authenticator.passwords.join(lane)).await?;
    let account_and_network =
        Counter::new(context, &UNKNOWN_NETWORK, ["unknown network", attempt.account, &text]);
    let account = Counter::new(context, &ACCOUNT, ["account", attempt.account, ""]);
    let mut tx = context.db.begin().await?;
    let Some(mut delay) = account_and_network.reserve(&mut tx, now).await? else {
        drop((tx, queued));
        return authenticator
            .rate_limits
            .delay_refusal(Err(Error::TooMany { retry_after: UNKNOWN_NETWORK.interval }))
            .await;
    };
    delay = delay.max(success_delay);
    let mut shared = Vec::new();
    for counter in [&account, &network] {
        let own = counter.reserve(&mut tx, now).await?;
        // An attempt beyond the limit was not counted, so a success has nothing to undo.
        shared.extend(own.map(|_| counter));
        delay = delay.max(own.unwrap_or(counter.rule.max_delay));
    }
    tx.commit().await?;
    let is_correct = authenticator.passwords.verify(queued, delay, password, hash).await?;
    if !is_correct {
        let mut tx = context.db.begin().await?;
        network.record_failure(&mut tx).await?;
        tx.commit().await?;
    }
    record_outcome(context, is_correct, &success_counter, &[&account_and_network], &shared).await
}

/// Records the outcome of an attempt. A success counts for [`SUCCESSES`],
/// deletes the counters in `own`, and is no longer counted by those in `shared`,
/// which other attempts share.
async fn record_outcome(
    context: &Context,
    is_correct: bool,
    success_counter: &Counter,
    own: &[&Counter],
    shared: &[&Counter],
) -> Result<bool> {
    if is_correct {
        let mut tx = context.db.begin().await?;
        success_counter.reserve(&mut tx, context.clock.now()).await?;
        for counter in own {
            counter.clear(&mut tx).await?;
        }
        for counter in shared {
            counter.release(&mut tx).await?;
        }
        tx.commit().await?;
    }
    Ok(is_correct)
}

/// Delays fast attempts from one network by at most two seconds. Used for
/// secrets that are too long to be guessed, such as the set-up code; `what` names
/// the kind of secret.
///
/// # Errors
/// When the database cannot.
pub async fn delay_attempt(context: &Context, what: &str, address: Option<IpAddr>) -> Result<()> {
    let counter = Counter::new(context, &NETWORK, ["network", what, &network(address).to_string()]);
    let mut tx = context.db.begin().await?;
    let delay = counter.reserve(&mut tx, context.clock.now()).await?;
    tx.commit().await?;
    tokio::time::sleep(delay.unwrap_or(NETWORK.max_delay)).await;
    Ok(())
}

/// Deletes counters that no longer have an effect, and networks that are no
/// longer known.
///
/// # Errors
/// When the database cannot.
pub async fn purge_expired(tx: &mut Tx, proof: System, now: Timestamp) -> Result<()> {
    sql("DELETE FROM throttles WHERE until < $1")
        .bind(now.minus(FAILURE_WINDOW))
        .execute(&mut *tx, &proof)
        .await?;
    known_network::purge_expired(tx, proof, now).await?;
    Ok(())
}

/// What a page shows that asks the person to wait and to try again.
#[derive(Debug)]
pub struct WaitNotice {
    /// The status of the response.
    pub status: StatusCode,
    /// The seconds for `Retry-After`.
    pub seconds: u64,
    /// The message for the form.
    pub errors: ValidationErrors,
}

/// Converts [`Error::TooMany`] and [`Error::Busy`] to a notice.
///
/// # Errors
/// Any other error than [`Error::TooMany`] and [`Error::Busy`], unchanged.
pub fn wait_notice(error: Error) -> Result<WaitNotice> {
    let (status, retry_after, why) = match error {
        Error::TooMany { retry_after } => (StatusCode::TOO_MANY_REQUESTS, retry_after, "Too many attempts."),
        Error::Busy { retry_after } => {
            (StatusCode::SERVICE_UNAVAILABLE, retry_after, "Too many people are signing in at the moment.")
        }
        other => return Err(other),
    };
    let seconds = retry_after.as_secs().max(1);
    let errors = ValidationErrors::one("", format!("{why} Try again in {seconds} s."));
    Ok(WaitNotice { status, seconds, errors })
}
