//! Slows down guessing of passwords without locking anybody out. Every attempt
//! is counted in the database before the password is verified, in one statement,
//! so that any number at once on any number of nodes are counted right. A browser
//! or network that signed in to the account before has counters of its own: what
//! others get wrong never stands in its way, and it is delayed by two seconds at
//! most. From elsewhere, attempts on one account are spaced out for each network
//! and refused for a few seconds at a time when they come faster; attempts on one
//! account from everywhere, and on all accounts from one network, are delayed by
//! two seconds at most. Only after many attempts with the right password,
//! which nobody else can make, are all attempts on the account delayed, by three
//! seconds at most, and refused for a few seconds after very many of them.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;

use super::authenticator::Authenticator;
use super::known_browser::BrowserId;
use super::known_network;
use super::known_network::knows_network;
use super::password_queue::Lane;
use crate::access::{System, SystemReason};
use crate::platform::Context;
use crate::platform::id::PersonId;
use crate::platform::rate_limits::network;
use crate::platform::secret::Secret;
use crate::platform::{Error, Result, Timestamp, Tx, ValidationErrors, sql};

/// Every attempt is counted.
const ATTEMPTS: System = System::new(SystemReason::SignIn);

/// How attempts under one key are counted: so many at once, then one each
/// interval. What comes faster waits, up to the longest delay.
#[derive(Debug)]
struct Rule {
    free: u32,
    interval: Duration,
    longest: Duration,
}

/// Of a browser that the account knows. A cookie that was stolen guesses five
/// times, then once a minute; beyond that it counts as no cookie.
const KNOWN_BROWSER: Rule = Rule { free: 5, interval: Duration::from_secs(60), longest: Duration::ZERO };
/// Of an account from a network that it knows. Beyond it, attempts are delayed.
const KNOWN_NETWORK: Rule =
    Rule { free: 10, interval: Duration::from_millis(500), longest: Duration::from_secs(2) };
/// Of an account from a network that it does not know. Beyond it, attempts are refused.
const UNKNOWN_NETWORK: Rule =
    Rule { free: 5, interval: Duration::from_secs(2), longest: Duration::from_secs(4) };
/// Of an account from all networks that it does not know together. Beyond it,
/// attempts are delayed.
const ACCOUNT: Rule = Rule { free: 20, interval: Duration::from_secs(1), longest: Duration::from_secs(2) };
/// Of a network, whatever accounts are tried that do not know it. Beyond it,
/// attempts are delayed.
const NETWORK: Rule =
    Rule { free: 30, interval: Duration::from_millis(500), longest: Duration::from_secs(2) };

/// Of an account, with the right password: hashing is the most that a request can
/// cost. Beyond it, attempts are delayed, and refused where that would take longer
/// than [`MAX_SUCCESS_DELAY`]. Only who knows the password can bring that about.
const SUCCESSES: Rule = Rule { free: 10, interval: Duration::from_secs(1), longest: Duration::from_secs(10) };
const MAX_SUCCESS_DELAY: Duration = Duration::from_secs(3);

/// A network with a failure within this time is a failing one: others that the
/// account does not know go before it.
const FAILURE_WINDOW: Duration = Duration::from_secs(600);

/// An attempt to prove who one is by a password.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The email address as it was typed, folded: all spellings are one account.
    pub account: &'a str,
    /// Whose account it is, if it is anybody's.
    pub person: Option<PersonId>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// The browser, if the account knows it.
    pub browser: Option<BrowserId>,
}

/// What is counted, and how.
#[derive(Debug)]
struct Counter {
    key: [u8; 32],
    rule: &'static Rule,
}

impl Counter {
    /// Under these texts, none of which holds a line break.
    fn new(context: &Context, rule: &'static Rule, parts: [&str; 3]) -> Self {
        Self { key: *context.key.derive("sign-in attempts", parts.join("\n").as_bytes()), rule }
    }

    /// Counts an attempt and says how long it is to wait; nothing, and counts
    /// nothing, where it would wait longer than the rule allows.
    async fn reserve(&self, tx: &mut Tx, proof: System, now: Timestamp) -> Result<Option<Duration>> {
        let Rule { free, interval, longest } = *self.rule;
        // `until`: when all attempts so far have had their interval (GCRA).
        let free_for = interval * free;
        let row: Option<(Timestamp,)> =
            sql("INSERT INTO throttles (key, failures, until) VALUES ($1, 0, $2) \
             ON CONFLICT (key) DO UPDATE SET \
                until = (CASE WHEN throttles.until > $3 THEN throttles.until ELSE $3 END) + $4 \
             WHERE throttles.until <= $5 RETURNING until")
            .bind(self.key.as_slice())
            .bind(now.plus(interval))
            .bind(now)
            .bind(i64::try_from(interval.as_micros()).unwrap_or(0))
            .bind(now.plus(free_for + longest).minus(interval))
            .execute_returning(tx, &proof)
            .await?;
        Ok(row.map(|(until,)| until.since(now.plus(free_for))))
    }

    /// How long the next attempt would wait. Counts nothing.
    async fn delay(&self, context: &Context, now: Timestamp) -> Result<Duration> {
        let row: Option<(Timestamp,)> = sql("SELECT until FROM throttles WHERE key = $1")
            .bind(self.key.as_slice())
            .optional(&context.db)
            .await?;
        let at_once = now.plus(self.rule.interval * self.rule.free);
        Ok(row.map_or(Duration::ZERO, |(until,)| until.plus(self.rule.interval).since(at_once)))
    }

    /// Notes that an attempt failed, which is known when the password was verified.
    async fn fail(&self, tx: &mut Tx, proof: System) -> Result<()> {
        sql("UPDATE throttles SET failures = failures + 1 WHERE key = $1")
            .bind(self.key.as_slice())
            .execute(tx, &proof)
            .await?;
        Ok(())
    }

    /// Whether an attempt of the last minutes failed.
    async fn failed(&self, context: &Context) -> Result<bool> {
        let row: Option<(i64,)> = sql("SELECT failures FROM throttles WHERE key = $1")
            .bind(self.key.as_slice())
            .optional(&context.db)
            .await?;
        Ok(row.is_some_and(|(failures,)| failures > 0))
    }

    /// Forgets all attempts.
    async fn clear(&self, tx: &mut Tx, proof: System) -> Result<()> {
        sql("DELETE FROM throttles WHERE key = $1").bind(self.key.as_slice()).execute(tx, &proof).await?;
        Ok(())
    }

    /// Takes one attempt back.
    async fn release(&self, tx: &mut Tx, proof: System) -> Result<()> {
        let interval = i64::try_from(self.rule.interval.as_micros()).unwrap_or(0);
        sql("UPDATE throttles SET until = until - $1 WHERE key = $2")
            .bind(interval)
            .bind(self.key.as_slice())
            .execute(tx, &proof)
            .await?;
        Ok(())
    }
}

/// Verifies the password of an attempt, or refuses to for now. Without a hash
/// (there is no such person) it takes as long, and the answer is no.
///
/// # Errors
/// [`Error::TooMany`] and [`Error::Busy`], each with a few seconds to wait.
pub async fn verify(
    authenticator: &Authenticator,
    attempt: &Attempt<'_>,
    password: Secret,
    hash: Option<String>,
) -> Result<bool> {
    let context = &authenticator.context;
    let now = context.clock.now();
    let success_counter = Counter::new(context, &SUCCESSES, ["success", attempt.account, ""]);
    let least = success_counter.delay(context, now).await?;
    if least > MAX_SUCCESS_DELAY {
        return authenticator
            .rate_limits
            .delay_refusal(Err(Error::TooMany { retry_after: SUCCESSES.interval }))
            .await;
    }
    let place = network(attempt.address);
    let text = place.to_string();
    if let Some(browser) = &attempt.browser {
        let counter = Counter::new(context, &KNOWN_BROWSER, ["browser", attempt.account, browser.as_str()]);
        let queued = authenticator
            .rate_limits
            .delay_refusal(authenticator.passwords.join(Lane::Known(counter.key)))
            .await?;
        let mut tx = context.db.begin().await?;
        if counter.reserve(&mut tx, ATTEMPTS, now).await?.is_some() {
            tx.commit().await?;
            let fits = authenticator.passwords.verify(queued, least, password, hash).await?;
            return record_outcome(context, fits, &success_counter, &[&counter], &[]).await;
        }
    }
    if knows_network(context, attempt.person, place).await? {
        let counter = Counter::new(context, &KNOWN_NETWORK, ["known network", attempt.account, &text]);
        let queued = authenticator
            .rate_limits
            .delay_refusal(authenticator.passwords.join(Lane::Known(counter.key)))
            .await?;
        let mut tx = context.db.begin().await?;
        let delay = counter.reserve(&mut tx, ATTEMPTS, now).await?;
        tx.commit().await?;
        let delay = delay.unwrap_or(KNOWN_NETWORK.longest).max(least);
        let fits = authenticator.passwords.verify(queued, delay, password, hash).await?;
        return record_outcome(context, fits, &success_counter, &[&counter], &[]).await;
    }
    let network = Counter::new(context, &NETWORK, ["network", "", &text]);
    let lane = if network.failed(context).await? { Lane::Failing(place) } else { Lane::Fresh(place) };
    let queued = authenticator.rate_limits.delay_refusal(authenticator.passwords.join(lane)).await?;
    let pair = Counter::new(context, &UNKNOWN_NETWORK, ["unknown network", attempt.account, &text]);
    let account = Counter::new(context, &ACCOUNT, ["account", attempt.account, ""]);
    let mut tx = context.db.begin().await?;
    let Some(mut delay) = pair.reserve(&mut tx, ATTEMPTS, now).await? else {
        drop((tx, queued));
        return authenticator
            .rate_limits
            .delay_refusal(Err(Error::TooMany { retry_after: UNKNOWN_NETWORK.interval }))
            .await;
    };
    delay = delay.max(least);
    let mut shared = Vec::new();
    for counter in [&account, &network] {
        let own = counter.reserve(&mut tx, ATTEMPTS, now).await?;
        // What waits the longest is not counted, so there is nothing to take back.
        shared.extend(own.map(|_| counter));
        delay = delay.max(own.unwrap_or(counter.rule.longest));
    }
    tx.commit().await?;
    let fits = authenticator.passwords.verify(queued, delay, password, hash).await?;
    if !fits {
        let mut tx = context.db.begin().await?;
        network.fail(&mut tx, ATTEMPTS).await?;
        tx.commit().await?;
    }
    record_outcome(context, fits, &success_counter, &[&pair], &shared).await
}

/// A success is counted as one. It clears its own counters and leaves those that
/// it shares as if it had not been counted.
async fn record_outcome(
    context: &Context,
    fits: bool,
    success_counter: &Counter,
    own: &[&Counter],
    shared: &[&Counter],
) -> Result<bool> {
    if fits {
        let mut tx = context.db.begin().await?;
        success_counter.reserve(&mut tx, ATTEMPTS, context.clock.now()).await?;
        for counter in own {
            counter.clear(&mut tx, ATTEMPTS).await?;
        }
        for counter in shared {
            counter.release(&mut tx, ATTEMPTS).await?;
        }
        tx.commit().await?;
    }
    Ok(fits)
}

/// Delays what is tried too often from one network, by two seconds at most: for
/// secrets that are too long to be guessed, such as the set-up code.
///
/// # Errors
/// When the database cannot.
pub async fn delay_attempt(context: &Context, what: &str, address: Option<IpAddr>) -> Result<()> {
    let counter = Counter::new(context, &NETWORK, ["network", what, &network(address).to_string()]);
    let mut tx = context.db.begin().await?;
    let delay = counter.reserve(&mut tx, ATTEMPTS, context.clock.now()).await?;
    tx.commit().await?;
    tokio::time::sleep(delay.unwrap_or(NETWORK.longest)).await;
    Ok(())
}

/// Forgets counters that count nothing any more, and networks that were not used
/// for long.
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

/// What a page says to whoever is to wait, with the seconds for `Retry-After`;
/// any other error is given back.
///
/// # Errors
/// Those others.
pub fn retry_message(error: Error) -> Result<(StatusCode, u64, ValidationErrors)> {
    let (status, retry_after, why) = match error {
        Error::TooMany { retry_after } => (StatusCode::TOO_MANY_REQUESTS, retry_after, "Too many attempts."),
        Error::Busy { retry_after } => {
            (StatusCode::SERVICE_UNAVAILABLE, retry_after, "Too many people are signing in at the moment.")
        }
        other => return Err(other),
    };
    let seconds = retry_after.as_secs().max(1);
    Ok((status, seconds, ValidationErrors::one("", format!("{why} Try again in {seconds} s."))))
}
