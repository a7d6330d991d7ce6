//! What every handler is handed.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::issuer::Issuers;
use super::limits::{Limits, Rates};
use super::memory::Memory;
use super::password::Passwords;
use super::refused_tokens::RefusedTokens;
use super::usage::Usage;
use crate::platform::id::PersonId;
use crate::platform::outbound::Outbound;
use crate::platform::{Context, Result, sql};

/// The context, and what is kept in memory. As cheap to clone as can be: every
/// handler of every request is handed one.
#[derive(Clone, Debug)]
pub struct App(Arc<Kept>);

/// What an [`App`] holds.
#[derive(Debug)]
pub struct Kept {
    context: Context,
    /// Hashes and verifies passwords, a bounded number at a time.
    pub passwords: Passwords,
    /// Gathers when tokens were last used.
    pub usage: Usage,
    /// Asks other servers.
    pub outbound: Outbound,
    /// The keys of identity providers.
    pub issuers: Issuers,
    /// What verification remembers.
    pub memory: Memory,
    /// How often may be asked.
    pub limits: Limits,
    /// Which refused tokens were told of lately.
    pub refused_tokens: RefusedTokens,
    /// Who set up the installation, once that is known: it never changes.
    founder: OnceLock<PersonId>,
}

impl App {
    /// Around a context.
    ///
    /// # Errors
    /// When the client for requests to others cannot be made.
    pub fn new(context: Context) -> Result<Self> {
        let passwords = Passwords::new(&context.random);
        let outbound = Outbound::new(context.config.allow_private_issuers)?;
        let rate = |name| NonZeroU32::new(context.config.limits.get(name)).unwrap_or(NonZeroU32::MIN);
        let rates = Rates {
            person: rate("requests_per_person"),
            token: context.config.api_rate_limit,
            network: rate("requests_per_network"),
            proxies: context.config.trusted_proxies.clone(),
        };
        let limits = Limits::new(&context.clock, rates);
        let (usage, issuers) = (Usage::default(), Issuers::default());
        let memory = Memory::default();
        let (refused_tokens, founder) = (RefusedTokens::default(), OnceLock::new());
        Ok(Self(Arc::new(Kept {
            context,
            passwords,
            usage,
            outbound,
            issuers,
            memory,
            limits,
            refused_tokens,
            founder,
        })))
    }
}

impl Kept {
    /// Who set up the installation; nobody where that is not known.
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

impl Deref for App {
    type Target = Kept;
    fn deref(&self) -> &Kept {
        &self.0
    }
}

impl Deref for Kept {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.context
    }
}

impl AsRef<Context> for App {
    fn as_ref(&self) -> &Context {
        self
    }
}
