//! The state that every handler is given: the context of the process and the
//! parts that live as long as it.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::authn::{Authenticator, Passwords};
use crate::platform::id::PersonId;
use crate::platform::outbound::Outbound;
use crate::platform::rate_limits::{RateLimits, Rates};
use crate::platform::{Context, Result, sql};
use crate::verification::Verifier;

/// The application's state. Cheap to clone: every handler of every request is
/// given a copy.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Inner>);

/// What an [`AppState`] points to.
#[derive(Debug)]
pub struct Inner {
    /// Database, clock, randomness, settings and key.
    pub context: Context,
    /// How people prove who they are.
    pub authenticator: Authenticator,
    /// How programs prove who they are.
    pub verifier: Verifier,
    /// How often a person, token or network may ask.
    pub rate_limits: RateLimits,
    /// Who set up the installation, once that is known: it never changes.
    founder: OnceLock<PersonId>,
}

impl AppState {
    /// The state of a process with this context.
    ///
    /// # Errors
    /// When the client for requests to identity providers cannot be made.
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
    /// The person who set up the installation, if that is known.
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
