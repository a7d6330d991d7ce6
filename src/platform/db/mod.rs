//! The database: embedded SQLite or PostgreSQL, behind one statement type, so that
//! both run the same SQL.
//!
//! Every write goes through a transaction ([`Tx`]). Before a commit is
//! acknowledged, it invalidates the affected cache entries of all nodes
//! (`invalidation`). A connection on which the database failed is closed and not
//! returned to its pool (`transaction`, `health`).

mod health;
mod invalidation;
mod invalidation_listener;
mod migrate;
mod pool;
mod sqlite_build;
mod statement;
mod transaction;
mod value;
mod write_probe;

pub use health::{Health, WriteFault};
pub use invalidation::{DataVersion, Dependency, InvalidationScope, Invalidations, Snapshot};
pub use invalidation_listener::listen;
pub use migrate::{count_pending, migrate};
pub use pool::{Db, Tx};
pub use sqlite_build::missing_build_flags;
pub use statement::{Record, Source, Statement, WriteProof, sql};
pub use transaction::Transaction;
pub(crate) use value::stored_as_text;
pub use value::{StoredAsText, Value};
