//! A transaction on a connection of a pool.
//!
//! It does what `sqlx::Transaction` does, and one thing more: a connection on
//! which begin, commit or a statement met a fault of the database is closed, and
//! never returned to its pool. A driver that lost count of its transactions, or
//! a server that became read-only, would otherwise fail every later write.
//! (A rollback that fails is found when the connection is returned: see
//! `after_release` in the pools' options.)

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use super::health::{Health, WriteFault};

/// How long beginning may take, once there is a connection.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Committed.
    Finished,
    /// Nobody knows what the connection is in.
    Unknown,
}

/// A transaction under way. Dropping it undoes it.
#[derive(Debug)]
pub struct Transaction<DB: Database> {
    connection: PoolConnection<DB>,
    health: Arc<Health>,
    state: State,
}

impl<DB: Database> Transaction<DB> {
    /// Begins one with this statement, or as the database usually does. A
    /// connection that was lost meanwhile is replaced once: nothing was done on it.
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
                    let again = fault == Some(WriteFault::Unreachable) && !lost;
                    if !again || matches!(error, sqlx::Error::PoolClosed) {
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
        // Until it is known to have begun: given up in between, the connection is closed.
        let mut open = Self { connection, health: health.clone(), state: State::Unknown };
        let statement = statement.map(sqlx::SqlSafeStr::into_sql_str);
        match timeout(BEGIN_TIMEOUT, DB::TransactionManager::begin(&mut open.connection, statement)).await {
            Ok(begun) => begun?,
            Err(_) => return Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
        open.state = State::Open;
        Ok(open)
    }

    /// Makes the writes last.
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

    /// Looks at what a statement came to.
    pub(super) fn checked<T>(&mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
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
