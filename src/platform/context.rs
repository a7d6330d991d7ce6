//! What every section is handed.

use std::sync::Arc;

use super::key::Key;
use super::{Clock, Db, Random};
use crate::config::Config;

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
