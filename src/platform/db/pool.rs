//! The connection pools of the two databases, and the transactions on them. SQLite
//! has one writing connection and several read-only ones; PostgreSQL has one pool.
//! Only this folder distinguishes the two databases.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::time::timeout;

use super::health::Health;
use super::invalidation::{InvalidationScope, Invalidations};
use super::transaction::Transaction;
use crate::config::DatabaseUrl;
use crate::platform::private_file;

/// A pool of connections to one of the two databases.
#[derive(Clone, Debug)]
pub enum Db {
    /// SQLite: one connection writes, the others read.
    Sqlite {
        /// Opened read-only.
        read: SqlitePool,
        /// A single connection, so that writers queue here and not in the file.
        write: SqlitePool,
        /// The version counters for cache invalidation.
        invalidations: Invalidations,
        /// Whether writes succeed.
        health: Arc<Health>,
    },
    /// PostgreSQL.
    Postgres {
        /// At most 16 connections, for reading and writing.
        pool: PgPool,
        /// The version counters for cache invalidation.
        invalidations: Invalidations,
        /// Whether writes succeed, and which connections are discarded.
        health: Arc<Health>,
    },
}

/// The page cache of each SQLite connection: 4 MiB (`PRAGMA cache_size`; negative
/// numbers are KiB). Enough for the upper levels of the indexes of a million
/// tokens.
const SQLITE_CACHE: &str = "-4096";

/// A connection to PostgreSQL that was idle for longer is checked before its use.
const PING_AFTER: Duration = Duration::from_secs(1);
/// A connection that does not answer the check within this time is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// The PostgreSQL channel of the notifications between nodes.
pub(super) const CHANNEL: &str = "tessera_changes";

/// A transaction. Every write needs one. Dropping it without a commit rolls it
/// back.
#[derive(Debug)]
pub enum Tx {
    /// Begun with `BEGIN IMMEDIATE`: it holds the write lock from the start.
    Sqlite(Transaction<sqlx::Sqlite>),
    /// Read committed.
    Postgres(Transaction<sqlx::Postgres>),
}

impl Db {
    /// Opens the connection pools. Creates an SQLite file that does not exist.
    ///
    /// # Errors
    /// If the database cannot be reached or opened.
    pub async fn open(address: &DatabaseUrl) -> sqlx::Result<Self> {
        match address {
            DatabaseUrl::Sqlite(path) => Self::open_sqlite(path).await,
            DatabaseUrl::Postgres(url) => {
                let health = Arc::new(Health::new());
                let known = health.clone();
                let pool = PgPoolOptions::new()
                    .max_connections(16)
                    .acquire_timeout(Duration::from_secs(5))
                    // `before_acquire` checks only connections that were idle for some time.
                    .test_before_acquire(false)
                    .before_acquire(move |connection, met| {
                        let health = known.clone();
                        Box::pin(async move {
                            if health.is_discarded(met.age) {
                                return Ok(false);
                            }
                            if met.idle_for < PING_AFTER {
                                return Ok(true);
                            }
                            let answer = timeout(PING_TIMEOUT, sqlx::Connection::ping(connection)).await;
                            let works = matches!(answer, Ok(Ok(())));
                            if !works {
                                // The other connections lead to the same server.
                                health.discard_connections();
                            }
                            Ok(works)
                        })
                    })
                    .connect_with(PgConnectOptions::from_str(url)?.application_name("tessera"))
                    .await?;
                Ok(Self::Postgres { pool, invalidations: Invalidations::new(false), health })
            }
        }
    }

    async fn open_sqlite(path: &Path) -> sqlx::Result<Self> {
        private_file::protect_database(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A revocation that was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // `LOWER(… COLLATE "default")`: on PostgreSQL, where columns compare as bytes, the database's
            // own collation says what is upper and lower case. Here the name alone has to be known.
            .collation("default", str::cmp)
            // Large enough that the worker thread does not wait for the reader within a list of fifty rows.
            .row_buffer_size(512)
            .busy_timeout(Duration::from_secs(5));
        let health = Arc::new(Health::new());
        let known = health.clone();
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .after_connect(move |_, _| {
                known.count_opened();
                Box::pin(std::future::ready(Ok(())))
            })
            // After a failed rollback, the driver counts a transaction that SQLite does not have.
            .after_release(|connection, _| {
                Box::pin(async move {
                    sqlx::Connection::ping(connection).await?;
                    Ok(!sqlx::Connection::is_in_transaction(connection))
                })
            })
            .connect_with(options.clone().create_if_missing(true).pragma("cache_size", SQLITE_CACHE))
            .await?;
        // One for each core, and one more for slow reads. More are slower, because each has its own page cache.
        let cores = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16);
        let read = SqlitePoolOptions::new()
            .max_connections(u32::try_from(cores).unwrap_or(2) + 1)
            .test_before_acquire(false)
            .connect_with(options.read_only(true).pragma("cache_size", SQLITE_CACHE))
            .await?;
        Ok(Self::Sqlite { read, write, invalidations: Invalidations::new(true), health })
    }

    /// Begins a transaction for writing. On SQLite it holds the write lock from the start.
    ///
    /// # Errors
    /// If no connection becomes free in time (five seconds on PostgreSQL, thirty on SQLite), or the database fails.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        match self {
            Self::Sqlite { write, health, .. } => {
                Ok(Tx::Sqlite(Transaction::begin(write, health, Some("BEGIN IMMEDIATE")).await?))
            }
            Self::Postgres { pool, health, .. } => {
                Ok(Tx::Postgres(Transaction::begin(pool, health, None).await?))
            }
        }
    }

    pub(super) const fn health(&self) -> &Arc<Health> {
        match self {
            Self::Sqlite { health, .. } | Self::Postgres { health, .. } => health,
        }
    }

    /// The version counters for cache invalidation.
    #[must_use]
    pub const fn invalidations(&self) -> &Invalidations {
        match self {
            Self::Sqlite { invalidations, .. } | Self::Postgres { invalidations, .. } => invalidations,
        }
    }

    /// Commits a transaction, and invalidates the affected cache entries on all
    /// nodes before it returns. This runs in a task of its own, so that a cancelled
    /// request cannot leave a commit without its invalidation.
    ///
    /// # Errors
    /// When the database cannot commit.
    pub async fn commit(&self, tx: Tx, invalidation: InvalidationScope) -> sqlx::Result<()> {
        let invalidations = self.invalidations().clone();
        let committed = tokio::spawn(async move {
            let committed = tx.commit_and_notify(invalidation).await;
            invalidations.invalidate(invalidation);
            committed
        });
        committed.await.unwrap_or_else(|error| Err(sqlx::Error::Io(std::io::Error::other(error))))
    }

    /// Closes the pools when running statements have ended.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

impl Tx {
    /// Commits with a notification to the other nodes, which PostgreSQL sends only
    /// if the commit succeeds.
    async fn commit_and_notify(mut self, invalidation: InvalidationScope) -> sqlx::Result<()> {
        if let (Self::Postgres(tx), Some(payload)) = (&mut self, invalidation.encode()) {
            let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(payload);
            let notified = notify.execute(&mut **tx).await;
            tx.check_result(notified)?;
        }
        self.commit().await
    }

    /// Commits the transaction without invalidating any cache entry. Changes that
    /// people or programs request use `audit::Change::commit` instead.
    ///
    /// # Errors
    /// When the database cannot commit.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}
