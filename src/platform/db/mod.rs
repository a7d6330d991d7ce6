//! The database: SQLite embedded, or PostgreSQL, behind one statement type.
//! Every write goes through a transaction ([`Tx`]); every commit tells the
//! caches of all nodes what it may have changed before it is acknowledged.

mod health;
mod invalidation;
mod invalidation_listener;
mod migrate;
mod pool;
mod statement;
mod transaction;
mod value;
mod write_probe;

pub use health::{Health, WriteFault};
pub use invalidation::{DataVersion, Dependency, InvalidationScope, Invalidations, Snapshot};
pub use invalidation_listener::listen;
pub use migrate::{migrate, pending};
pub use pool::{Db, Tx};
pub use statement::{Record, Source, Statement, WriteProof, sql};
pub use transaction::Transaction;
pub(crate) use value::stored_as_text;
pub use value::{StoredAsText, Value};
