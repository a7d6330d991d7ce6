//! Receives the changes of others and invalidates the cache: of other nodes on
//! PostgreSQL, with LISTEN and NOTIFY, and of other processes on an SQLite file, by
//! polling its `data_version`. While a node does not receive the changes of the
//! others, its cache is not used.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{PgPool, SqlitePool};
use tokio::time::timeout;

use super::health::Health;
use super::invalidation::{InvalidationScope, Invalidations, SYNC_TIMEOUT};
use super::pool::{CHANNEL, Db};
use crate::platform::Clock;

/// How often the connection to PostgreSQL is checked, and how often an SQLite file
/// is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Receives changes until the task is aborted. Connects again after errors.
pub async fn listen(db: Db, clock: Clock) {
    match &db {
        Db::Sqlite { write, invalidations, health, .. } => poll_sqlite(write, invalidations, health).await,
        Db::Postgres { pool, invalidations, health } => {
            let mut reported = None;
            loop {
                let started = clock.now();
                if let Err(error) = listen_postgres(pool, invalidations, health, &clock).await {
                    invalidations.mark_stale();
                    // Connecting is tried five times a second, so the same error is logged once.
                    let text = error.to_string();
                    if clock.now().since(started) >= SYNC_TIMEOUT || reported.as_ref() != Some(&text) {
                        tracing::warn!(
                            error = %text,
                            "other nodes are not heard; every token is looked up until they are"
                        );
                        reported = Some(text);
                    }
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

async fn listen_postgres(
    pool: &PgPool,
    invalidations: &Invalidations,
    health: &Health,
    clock: &Clock,
) -> sqlx::Result<()> {
    let mut listener =
        timeout(SYNC_TIMEOUT * 4, PgListener::connect_with(pool)).await.map_err(timeout_error)??;
    // A lost connection must be an error here, because the notifications in the meantime are lost.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    ensure_primary(&mut listener, health).await?;
    // After a failover, connections from before it may lead to the server that was the primary.
    health.discard_connections();
    // Changes before the LISTEN were not received.
    invalidations.invalidate(InvalidationScope::Everything);
    tracing::info!("other nodes are heard");
    let mut confirmed_at = clock.now();
    loop {
        match timeout(POLL_INTERVAL, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                invalidations.invalidate(InvalidationScope::decode(notification.payload()));
            }
            Ok(Ok(None)) => return Err(sqlx::Error::PoolClosed),
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
        let now = clock.now();
        if now.since(confirmed_at) >= POLL_INTERVAL || confirmed_at == now {
            ensure_primary(&mut listener, health).await?;
            confirmed_at = now;
            invalidations.mark_synced(now.plus(SYNC_TIMEOUT));
        }
    }
}

/// Checks that the connection leads to the primary. After a failover, a former
/// primary does not send the notifications of the new one.
async fn ensure_primary(listener: &mut PgListener, health: &Health) -> sqlx::Result<()> {
    let asked = sqlx::query_scalar::<_, String>("SHOW transaction_read_only").fetch_one(listener);
    let read_only = timeout(SYNC_TIMEOUT / 2, asked).await.map_err(timeout_error)??;
    if read_only == "off" {
        return Ok(());
    }
    health.discard_connections();
    Err(sqlx::Error::Io(std::io::Error::other("the database is read-only")))
}

fn timeout_error(_: tokio::time::error::Elapsed) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"))
}

/// Polls the `data_version` of an SQLite file, which counts the changes of other
/// connections. On our only writing connection these are the changes of other
/// processes.
async fn poll_sqlite(write: &SqlitePool, invalidations: &Invalidations, health: &Health) {
    let mut known: Option<(i64, i64)> = None;
    loop {
        match sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(write).await {
            Ok(version) => {
                // The number is relative to the connection. A new connection may have missed changes.
                let version = (health.opened(), version);
                if known.replace(version).is_some_and(|known| known != version) {
                    invalidations.invalidate(InvalidationScope::Everything);
                }
            }
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "the database file cannot be looked at");
                invalidations.invalidate(InvalidationScope::Everything);
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
