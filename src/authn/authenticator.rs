//! The dependencies of authentication: the database, the password hasher and
//! the rate limits. The application state holds one [`Authenticator`].

use super::password::Passwords;
use crate::platform::Context;
use crate::platform::rate_limits::RateLimits;

/// The dependencies of the functions that authenticate people.
#[derive(Debug)]
pub struct Authenticator {
    /// Database, clock, randomness, settings and key.
    pub context: Context,
    /// Hashes and verifies passwords, a bounded number at a time.
    pub passwords: Passwords,
    /// Rate limits for people and networks.
    pub rate_limits: RateLimits,
}
