//! What verification works with: the database, the cache in front of it, the
//! limits on requests, and what is recorded of tokens' use. There is one of it
//! for each process, in the application's state.

use super::cache::VerificationCache;
use super::issuers::Issuers;
use super::refused_tokens::RefusedTokens;
use super::usage::Usage;
use crate::platform::Context;
use crate::platform::outbound::Outbound;
use crate::platform::rate_limits::RateLimits;

/// The parts that verifying tokens and service secrets needs.
#[derive(Debug)]
pub struct Verifier {
    /// Database, clock, randomness, settings and key.
    pub context: Context,
    /// Facts about tokens and principals that were read lately.
    pub cache: VerificationCache,
    /// When tokens were last used, gathered until it is written.
    pub usage: Usage,
    /// How often a person, token or network may ask.
    pub rate_limits: RateLimits,
    /// Refused tokens that were recorded in the audit log lately.
    pub refused_tokens: RefusedTokens,
    /// The published keys of identity providers.
    pub issuers: Issuers,
    /// Requests to identity providers.
    pub outbound: Outbound,
}

impl Verifier {
    /// With nothing cached and nothing recorded.
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
