//! What every handler is handed.

use std::ops::Deref;

use super::password::Passwords;
use super::usage::Usage;
use crate::platform::Context;

/// The context, and the two things that are kept in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    context: Context,
    /// Hashes and verifies passwords, a bounded number at a time.
    pub passwords: Passwords,
    /// Gathers when tokens were last used.
    pub usage: Usage,
}

impl App {
    /// Around a context.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let passwords = Passwords::new(&context.random);
        Self { context, passwords, usage: Usage::default() }
    }
}

impl Deref for App {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.context
    }
}
