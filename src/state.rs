//! The application state, which axum passes to every handler: the context of the
//! process (database, clock, settings), authentication, verification and the rate
//! limits. There is one per process.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::authn::{Authenticator, Passwords};
use crate::platform::id::PersonId;
use crate::platform::outbound::Outbound;
use crate::platform::rate_limits::{RateLimits, Rates};
use crate::platform::{Context, Result, sql};
use crate::verification::Verifier;

/// The application state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Inner>);

/// The shared part of [`AppState`].
#[derive(Debug)]
pub struct Inner {
    /// Database, clock, randomness, settings and key.
    pub context: Context,
    /// Authentication of people.
    pub authenticator: Authenticator,
    /// Authentication of programs: verification of tokens.
    pub verifier: Verifier,
    /// Rate limits for people, tokens and networks.
    pub rate_limits: RateLimits,
    /// The person who set up the installation, cached because it never changes.
    founder: OnceLock<PersonId>,
}

impl AppState {
    /// Creates the state of a process with this context.
    ///
    /// # Errors
    /// If the HTTP client for identity providers cannot be created.
    pub fn new(context: Context) -> Result<Self> {
        let rate = |name| NonZeroU32::new(context.config.limits.get(name)).unwrap_or(NonZeroU32::MIN);
        let rates = Rates {
            person: rate("requests_per_person"),
            token: context.config.api_rate_limit,
            network: rate("requests_per_network"),
            proxies: context.config.trusted_proxies.clone(),
        };
        let rate_limits = RateLimits::new(&context.clock, rates);
        let authenticator = Authenticator {
            context: context.clone(),
            passwords: Passwords::new(&context.random),
            rate_limits: rate_limits.clone(),
        };
        let outbound = Outbound::new(context.config.allow_private_issuers)?;
        let verifier = Verifier::new(context.clone(), rate_limits.clone(), outbound);
        let founder = OnceLock::new();
        Ok(Self(Arc::new(Inner { context, authenticator, verifier, rate_limits, founder })))
    }
}

impl Inner {
    /// The person who set up the installation; `None` before the set-up, or if
    /// that person was deleted.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn founder(&self) -> Result<Option<PersonId>> {
        if let Some(known) = self.founder.get() {
            return Ok(Some(*known));
        }
        let row: Option<(Option<PersonId>,)> =
            sql("SELECT person_id FROM installation").optional(&self.context.db).await?;
        let founder = row.and_then(|(person,)| person);
        Ok(founder.map(|person| *self.founder.get_or_init(|| person)))
    }
}

/// A pointer to the shared part.
impl Deref for AppState {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AsRef<Context> for AppState {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}
