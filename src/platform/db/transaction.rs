//! A transaction on a pooled connection. It replaces `sqlx::Transaction` for one
//! reason: if begin, commit or a statement meets a fault of the database, the
//! connection is closed and not returned to its pool. Otherwise a driver with a
//! wrong transaction count, or a server that became read-only, would fail every
//! later write. (A failed rollback is noticed when the connection is returned; see
//! `after_release` in `pool`.)

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use super::health::{Health, WriteFault};

/// How long BEGIN may take, once there is a connection.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Begun; it is rolled back on drop.
    Open,
    /// Committed.
    Finished,
    /// The state of the connection is unknown; it is closed on drop.
    Unknown,
}

/// An open transaction. Dropping it rolls it back.
#[derive(Debug)]
pub struct Transaction<DB: Database> {
    connection: PoolConnection<DB>,
    health: Arc<Health>,
    state: State,
}

impl<DB: Database> Transaction<DB> {
    /// Begins a transaction with this statement, or with the driver's default. If
    /// the pooled connection turns out to be lost, this is tried once more with
    /// another one.
    pub(super) async fn begin(
        pool: &Pool<DB>,
        health: &Arc<Health>,
        statement: Option<&'static str>,
    ) -> sqlx::Result<Self> {
        let mut lost = false;
        loop {
            let begun = Self::try_begin(pool, health, statement).await;
            match &begun {
                Err(error) => {
                    let fault = health.record_error(error);
                    let retries = fault == Some(WriteFault::Unreachable) && !lost;
                    if !retries || matches!(error, sqlx::Error::PoolClosed) {
                        return begun;
                    }
                    lost = true;
                }
                Ok(_) => return begun,
            }
        }
    }

    async fn try_begin(
        pool: &Pool<DB>,
        health: &Arc<Health>,
        statement: Option<&'static str>,
    ) -> sqlx::Result<Self> {
        let connection = pool.acquire().await?;
        // If this is cancelled before BEGIN has succeeded, the connection is closed.
        let mut open = Self { connection, health: health.clone(), state: State::Unknown };
        let statement = statement.map(sqlx::SqlSafeStr::into_sql_str);
        match timeout(BEGIN_TIMEOUT, DB::TransactionManager::begin(&mut open.connection, statement)).await {
            Ok(begun) => begun?,
            Err(_) => return Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
        open.state = State::Open;
        Ok(open)
    }

    /// Commits the transaction.
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        self.state = State::Unknown;
        match DB::TransactionManager::commit(&mut self.connection).await {
            Ok(()) => {
                self.state = State::Finished;
                self.health.record(Ok(()));
                Ok(())
            }
            Err(error) => {
                self.health.record_error(&error);
                Err(error)
            }
        }
    }

    /// Passes on the result of a statement. After a fault of the database, the
    /// connection will be closed.
    pub(super) fn check_result<T>(&mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        if let Err(error) = &result
            && self.health.record_error(error).is_some()
        {
            self.state = State::Unknown;
        }
        result
    }
}

impl<DB: Database> Deref for Transaction<DB> {
    type Target = DB::Connection;
    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Transaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<DB: Database> Drop for Transaction<DB> {
    fn drop(&mut self) {
        match self.state {
            State::Finished => {}
            State::Open => DB::TransactionManager::start_rollback(&mut self.connection),
            State::Unknown => self.connection.close_on_drop(),
        }
    }
}
