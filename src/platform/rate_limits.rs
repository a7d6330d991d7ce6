//! Rate limits, counted in memory by each node: failed authentications per
//! network, and requests per person, per token and per network, as the settings
//! say. Requests of a person or a network above the limit are delayed by at most
//! one second; if too many are delayed already, they are refused.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference as _};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::platform::id::{PersonId, TokenId};
use crate::platform::{Clock, Error, Result};

/// Failed authentications per minute and network, and as many at once. Enough for
/// programs that retry, too few to guess tokens.
const MAX_FAILURES: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// How long a refusal is delayed, so that a client that retries immediately makes
/// at most one request per second on each connection.
const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// The number of refusals that are delayed at the same time. Others are sent
/// immediately.
const MAX_DELAYED_REFUSALS: usize = 4096;

/// Adapts our clock to the rate limiter.
#[derive(Clone, Debug)]
struct InstallationClock(Clock);

impl GovernorClock for InstallationClock {
    type Instant = Duration;
    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().micros()).unwrap_or(0))
    }
}

type KeyedLimiter<K, Middleware = NoOpMiddleware<Duration>> =
    RateLimiter<K, DashMapStateStore<K>, InstallationClock, Middleware>;

/// A limit of requests per second for each key, with a number of requests that
/// may be delayed.
struct Rate<K: Clone + Eq + Hash> {
    per_second: NonZeroU32,
    /// How many requests of one key may be delayed at the same time.
    waiting: u32,
    requests: KeyedLimiter<K, StateInformationMiddleware>,
}

/// Whether an admitted request was delayed. If so, its credential may have ended
/// in the meantime and must be verified again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// The request was not delayed.
    AtOnce,
    /// The request was delayed, by at most one second.
    Waited,
}

impl<K: Clone + Eq + Hash> Rate<K> {
    /// A limit that delays as many requests as it allows per second.
    fn with_waiting(per_second: NonZeroU32, clock: &InstallationClock) -> Self {
        Self::new(per_second, per_second.get(), clock)
    }

    fn new(per_second: NonZeroU32, waiting: u32, clock: &InstallationClock) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_add(waiting));
        Self {
            per_second,
            waiting,
            requests: KeyedLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware(),
        }
    }

    /// Counts a request and delays it if it is above the limit. Fails with
    /// [`Error::TooMany`] if too many requests are delayed already.
    async fn admit(&self, clock: &InstallationClock, who: &K) -> Result<Admission> {
        match self.requests.check_key(who) {
            Ok(left) => match self.waiting.saturating_sub(left.remaining_burst_capacity()) {
                0 => Ok(Admission::AtOnce),
                before => {
                    sleep(Duration::from_secs(1) * before / self.per_second.get()).await;
                    Ok(Admission::Waited)
                }
            },
            Err(not_yet) => Err(wait(clock, not_yet.earliest_possible())),
        }
    }
}

fn wait(clock: &InstallationClock, earliest: Duration) -> Error {
    let wait: Nanos = earliest.duration_since(clock.now());
    Error::TooMany { retry_after: wait.into() }
}

/// The configured rates, in requests per second.
#[derive(Clone, Debug)]
pub struct Rates {
    /// For one person, through pages and with all personal tokens together.
    pub person: NonZeroU32,
    /// For one token; `None` for no limit.
    pub token: Option<NonZeroU32>,
    /// For one network.
    pub network: NonZeroU32,
    /// The trusted proxies, which have no limit as a network, because they make
    /// requests for many clients.
    pub proxies: Vec<IpNet>,
}

/// The rate limits of one process. Cheap to clone.
#[derive(Clone)]
pub struct RateLimits(Arc<LimiterState>);

struct LimiterState {
    clock: InstallationClock,
    failures: KeyedLimiter<IpAddr>,
    people: Rate<PersonId>,
    tokens: Option<Rate<TokenId>>,
    networks: Rate<IpAddr>,
    proxies: Vec<IpNet>,
    delayed_refusals: Semaphore,
}

impl std::fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

/// The network of a client: its IPv4 address, or the /64 of its IPv6 address,
/// because one client usually controls a whole /64. Clients without a known
/// address share one network.
#[must_use]
pub fn network(address: Option<IpAddr>) -> IpAddr {
    match address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl RateLimits {
    /// Creates the limiters with these rates.
    #[must_use]
    pub fn new(clock: &Clock, rates: Rates) -> Self {
        let clock = InstallationClock(clock.clone());
        Self(Arc::new(LimiterState {
            failures: KeyedLimiter::dashmap_with_clock(Quota::per_minute(MAX_FAILURES), clock.clone()),
            people: Rate::with_waiting(rates.person, &clock),
            tokens: rates.token.map(|rate| Rate::new(rate, 0, &clock)),
            networks: Rate::with_waiting(rates.network, &clock),
            proxies: rates.proxies,
            delayed_refusals: Semaphore::new(MAX_DELAYED_REFUSALS),
            clock,
        }))
    }

    /// Delays a result if it is a refusal ([`Error::TooMany`] or [`Error::Busy`]),
    /// by `REFUSAL_DELAY`.
    pub async fn delay_refusal<T>(&self, answer: Result<T>) -> Result<T> {
        if let Err(Error::TooMany { .. } | Error::Busy { .. }) = answer
            && let Ok(_place) = self.0.delayed_refusals.try_acquire()
        {
            sleep(REFUSAL_DELAY).await;
        }
        answer
    }

    /// Counts a failed authentication, and replaces its error by
    /// [`Error::TooMany`] after too many failures from one network. Other errors
    /// are returned unchanged. Only failures are limited, so that valid credentials
    /// always work.
    #[must_use]
    pub fn count_failure(&self, address: Option<IpAddr>, error: Error) -> Error {
        if !matches!(error, Error::Unauthenticated { presented: true }) {
            return error;
        }
        match self.0.failures.check_key(&network(address)) {
            Ok(()) => error,
            Err(not_yet) => wait(&self.0.clock, not_yet.earliest_possible()),
        }
    }

    /// Counts a request of a person, through a page or with a token, and delays it
    /// above the limit.
    ///
    /// # Errors
    /// [`Error::TooMany`] if too many requests are delayed already.
    pub async fn admit_person(&self, person: PersonId) -> Result<Admission> {
        self.delay_refusal(self.0.people.admit(&self.0.clock, &person).await).await
    }

    /// Counts a request with a token.
    ///
    /// # Errors
    /// [`Error::TooMany`] above the limit.
    pub async fn admit_token(&self, token: TokenId) -> Result<Admission> {
        match &self.0.tokens {
            Some(tokens) => self.delay_refusal(tokens.admit(&self.0.clock, &token).await).await,
            None => Ok(Admission::AtOnce),
        }
    }

    /// Counts a request from a network, and delays it above the limit.
    ///
    /// # Errors
    /// [`Error::TooMany`] if too many requests are delayed already.
    pub async fn admit_network(&self, address: Option<IpAddr>) -> Result<()> {
        let Some(own) = address else { return Ok(()) };
        if self.0.proxies.iter().any(|range| range.contains(&own)) {
            return Ok(());
        }
        self.delay_refusal(self.0.networks.admit(&self.0.clock, &network(address)).await).await.map(drop)
    }

    /// Deletes the counters that no longer have an effect.
    pub fn purge_idle(&self) {
        self.0.failures.retain_recent();
        self.0.people.requests.retain_recent();
        self.0.networks.requests.retain_recent();
        if let Some(tokens) = &self.0.tokens {
            tokens.requests.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::platform::Timestamp;

    fn limits(person: u32, network: u32) -> (Clock, RateLimits) {
        let clock = Clock::fixed(Timestamp::from_micros(1_800_000_000_000_000));
        let rate = |number| NonZeroU32::new(number).expect("a rate");
        let proxies = vec!["10.0.0.0/8".parse().expect("a range")];
        let rates = Rates { person: rate(person), token: None, network: rate(network), proxies };
        (clock.clone(), RateLimits::new(&clock, rates))
    }

    #[tokio::test]
    async fn what_comes_too_fast_waits_for_its_turn_and_is_refused_where_too_many_wait() {
        let (clock, limits) = limits(3, 1);
        let random = crate::platform::Random::system().expect("randomness");
        let [olive, ann] = [0, 1].map(|_| PersonId::new(clock.now(), &random));
        for turn in [Admission::AtOnce, Admission::AtOnce, Admission::AtOnce, Admission::Waited] {
            assert_eq!(limits.admit_person(olive).await.expect("admitted"), turn);
        }
        for _ in 0..2 {
            assert!(limits.admit_person(olive).now_or_never().is_none(), "it waits");
        }
        let refused = limits.0.people.admit(&limits.0.clock, &olive).now_or_never();
        assert!(matches!(refused, Some(Err(Error::TooMany { .. }))));
        assert!(limits.admit_person(olive).now_or_never().is_none(), "the refusal is held back");
        assert!(matches!(limits.admit_person(olive).await, Err(Error::TooMany { .. })));
        assert_eq!(limits.admit_person(ann).await.expect("somebody else"), Admission::AtOnce);
        clock.advance(Duration::from_secs(2));
        assert_eq!(limits.admit_person(olive).await.expect("later"), Admission::AtOnce);
    }

    #[tokio::test]
    async fn so_many_refusals_are_held_back_at_a_time_and_no_more() {
        let (_, limits) = limits(1, 1);
        let refusal = || Err::<(), _>(Error::TooMany { retry_after: REFUSAL_DELAY });
        let mut delayed_refusals: Vec<_> =
            (0..MAX_DELAYED_REFUSALS).map(|_| Box::pin(limits.delay_refusal(refusal()))).collect();
        assert!(delayed_refusals.iter_mut().all(|each| each.now_or_never().is_none()));
        assert!(limits.delay_refusal(refusal()).now_or_never().is_some(), "given at once");
        drop(delayed_refusals);
        assert!(limits.delay_refusal(refusal()).now_or_never().is_none());
        assert!(limits.delay_refusal(Ok(())).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_network_waits_and_a_proxy_does_not() {
        let (_, limits) = limits(1, 1);
        let admit = |address: &str| limits.admit_network(address.parse().ok()).now_or_never();
        assert!(admit("2001:db8::1").is_some());
        assert!(admit("2001:db8::2").is_none(), "the same network");
        assert!(admit("2001:db8:0:1::1").is_some());
        for _ in 0..5 {
            assert!(matches!(admit("10.1.2.3"), Some(Ok(()))) && matches!(admit(""), Some(Ok(()))));
        }
    }

    #[test]
    fn failures_wait_after_many_and_are_forgiven_with_time() {
        let (clock, limits) = limits(1, 1);
        let bad = || Error::Unauthenticated { presented: true };
        let here: Option<IpAddr> = "2001:db8::1".parse().ok();
        for _ in 0..MAX_FAILURES.get() {
            assert!(matches!(limits.count_failure(here, bad()), Error::Unauthenticated { .. }));
        }
        let neighbour = "2001:db8::2".parse().ok();
        assert!(matches!(limits.count_failure(neighbour, bad()), Error::TooMany { .. }));
        assert!(matches!(limits.count_failure(None, bad()), Error::Unauthenticated { .. }));
        let nothing = Error::Unauthenticated { presented: false };
        assert!(matches!(limits.count_failure(here, nothing), Error::Unauthenticated { .. }));
        clock.advance(Duration::from_secs(1));
        assert!(matches!(limits.count_failure(here, bad()), Error::Unauthenticated { .. }));
    }
}
