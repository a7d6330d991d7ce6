//! The dependencies of verification: the database, the cache in front of it, the
//! rate limits, and the recording of usage. The application state holds one
//! [`Verifier`] per process.

use super::cache::VerificationCache;
use super::issuers::Issuers;
use super::refused_tokens::RefusedTokens;
use super::usage::Usage;
use crate::platform::Context;
use crate::platform::outbound::Outbound;
use crate::platform::rate_limits::RateLimits;

/// The dependencies of verifying tokens and service secrets.
#[derive(Debug)]
pub struct Verifier {
    /// Database, clock, randomness, settings and key.
    pub context: Context,
    /// Cached data about tokens and principals.
    pub cache: VerificationCache,
    /// The usage of tokens that is not written yet.
    pub usage: Usage,
    /// Rate limits for people, tokens and networks.
    pub rate_limits: RateLimits,
    /// Refused tokens that were recently recorded in the audit log.
    pub refused_tokens: RefusedTokens,
    /// The published keys of identity providers.
    pub issuers: Issuers,
    /// Requests to identity providers.
    pub outbound: Outbound,
}

impl Verifier {
    /// A verifier with empty caches.
    #[must_use]
    pub fn new(context: Context, rate_limits: RateLimits, outbound: Outbound) -> Self {
        Self {
            context,
            cache: VerificationCache::default(),
            usage: Usage::default(),
            rate_limits,
            refused_tokens: RefusedTokens::default(),
            issuers: Issuers::default(),
            outbound,
        }
    }
}
