//! What every section is handed.

use std::sync::Arc;

use crate::config::Config;
use crate::platform::key::Key;
use crate::platform::{Clock, Db, Random};

/// Database, clock, randomness, settings and sealing key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The database.
    pub db: Db,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where randomness comes from.
    pub random: Random,
    /// The settings that the process was started with.
    pub config: Arc<Config>,
    /// Seals what must be readable again.
    pub key: Key,
}
