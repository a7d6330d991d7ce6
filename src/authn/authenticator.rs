//! What verifying a person's password works with: the database, the password
//! hasher and the limits on attempts.

use super::password::Passwords;
use crate::platform::Context;
use crate::platform::rate_limits::RateLimits;

/// The parts that signing in needs.
#[derive(Debug)]
pub struct Authenticator {
    /// Database, clock, randomness, settings and key.
    pub context: Context,
    /// Hashes and verifies passwords, a bounded number at a time.
    pub passwords: Passwords,
    /// How often a person or network may ask.
    pub rate_limits: RateLimits,
}
