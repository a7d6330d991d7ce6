//! The context of the process: the dependencies that every section needs. All of
//! them are arguments, so that tests can replace them.

use std::sync::Arc;

use crate::config::Config;
use crate::platform::key::Key;
use crate::platform::{Clock, Db, Random};

/// Database, clock, randomness, settings and sealing key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The database.
    pub db: Db,
    /// The source of the current time.
    pub clock: Clock,
    /// The source of randomness.
    pub random: Random,
    /// The settings with which the process was started.
    pub config: Arc<Config>,
    /// The installation's key: encrypts values and derives others.
    pub key: Key,
}
