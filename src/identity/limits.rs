//! How often may be asked: failed authentication by address, always; requests
//! of one person, and of one token, as the settings say. Counted in memory, by
//! each node.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as Measure, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::bearer::{Bearer, Principal};
use crate::platform::id::{PersonId, TokenId};
use crate::platform::{Clock, Error, Result};

/// So many failures are free at once, and as many come back in a minute. Enough
/// for programs that retry, too few to search for anything.
const FAILURES: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// The installation's clock, as the limiter reads one.
#[derive(Clone, Debug)]
struct Ours(Clock);

impl Measure for Ours {
    type Instant = Duration;
    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().micros()).unwrap_or(0))
    }
}

type By<K> = RateLimiter<K, DashMapStateStore<K>, Ours, NoOpMiddleware<Duration>>;

/// The limits. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    clock: Ours,
    failures: Arc<By<IpAddr>>,
    people: Arc<By<PersonId>>,
    tokens: Option<Arc<By<TokenId>>>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

/// Who has one IPv6 address has all of its network.
#[must_use]
pub fn network(address: Option<IpAddr>) -> IpAddr {
    match address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Limits {
    /// Requests a second: that one person may make with all that they have, and
    /// that one token may make.
    #[must_use]
    pub fn new(clock: &Clock, of_person: NonZeroU32, of_token: Option<NonZeroU32>) -> Self {
        let clock = Ours(clock.clone());
        let failures = Arc::new(By::dashmap_with_clock(Quota::per_minute(FAILURES), clock.clone()));
        let people = Arc::new(By::dashmap_with_clock(Quota::per_second(of_person), clock.clone()));
        let tokens =
            of_token.map(|rate| Arc::new(By::dashmap_with_clock(Quota::per_second(rate), clock.clone())));
        Self { clock, failures, people, tokens }
    }

    fn wait(&self, earliest: Duration) -> Error {
        let wait: Nanos = earliest.duration_since(self.clock.now());
        Error::TooMany { retry_after: wait.into() }
    }

    /// Counts an authentication that failed, and turns its refusal into “wait”
    /// after too many from one address. A good credential is never made to wait
    /// by the bad ones of others.
    #[must_use]
    pub fn refused(&self, address: Option<IpAddr>, error: Error) -> Error {
        if !matches!(error, Error::Unauthenticated { presented: true }) {
            return error;
        }
        match self.failures.check_key(&network(address)) {
            Ok(()) => error,
            Err(not_yet) => self.wait(not_yet.earliest_possible()),
        }
    }

    /// Counts a request of a person, through a page or with a token.
    ///
    /// # Errors
    /// [`Error::TooMany`] above the rate.
    pub fn admit_person(&self, person: PersonId) -> Result<()> {
        self.people.check_key(&person).map_err(|not_yet| self.wait(not_yet.earliest_possible()))
    }

    /// Counts a request with a token; what it was exchanged into counts with it.
    ///
    /// # Errors
    /// [`Error::TooMany`] above the rate.
    pub fn admit(&self, bearer: &Bearer) -> Result<()> {
        if let Principal::Person { id, .. } = &bearer.principal {
            self.admit_person(*id)?;
        }
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let token = bearer.source.as_ref().map_or(bearer.token, |source| source.0);
        tokens.check_key(&token).map_err(|not_yet| self.wait(not_yet.earliest_possible()))
    }

    /// Forgets who has not asked for a while.
    pub fn tidy(&self) {
        self.failures.retain_recent();
        self.people.retain_recent();
        if let Some(tokens) = &self.tokens {
            tokens.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Timestamp;

    #[test]
    fn failures_wait_after_many_and_are_forgiven_with_time() {
        let clock = Clock::fixed(Timestamp::from_micros(1_800_000_000_000_000));
        let limits = Limits::new(&clock, FAILURES, None);
        let bad = || Error::Unauthenticated { presented: true };
        let here: Option<IpAddr> = "2001:db8::1".parse().ok();
        for _ in 0..FAILURES.get() {
            assert!(matches!(limits.refused(here, bad()), Error::Unauthenticated { .. }));
        }
        let neighbour = "2001:db8::2".parse().ok();
        assert!(matches!(limits.refused(neighbour, bad()), Error::TooMany { .. }));
        assert!(matches!(limits.refused(None, bad()), Error::Unauthenticated { .. }));
        let nothing = Error::Unauthenticated { presented: false };
        assert!(matches!(limits.refused(here, nothing), Error::Unauthenticated { .. }));
        clock.advance(Duration::from_secs(1));
        assert!(matches!(limits.refused(here, bad()), Error::Unauthenticated { .. }));
    }
}
