//! What every handler is handed.

use std::ops::Deref;

use super::password::Passwords;
use super::usage::Usage;
use crate::platform::outbound::Outbound;
use crate::platform::{Context, Result};

/// The context, and the two things that are kept in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    context: Context,
    /// Hashes and verifies passwords, a bounded number at a time.
    pub passwords: Passwords,
    /// Gathers when tokens were last used.
    pub usage: Usage,
    /// Asks other servers.
    pub outbound: Outbound,
}

impl App {
    /// Around a context.
    ///
    /// # Errors
    /// When the client for requests to others cannot be made.
    pub fn new(context: Context) -> Result<Self> {
        let passwords = Passwords::new(&context.random);
        let outbound = Outbound::new(context.config.allow_private_issuers)?;
        Ok(Self { context, passwords, usage: Usage::default(), outbound })
    }
}

impl Deref for App {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.context
    }
}
