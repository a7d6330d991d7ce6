//! Hearing of changes that this process did not make: other nodes on
//! PostgreSQL, other processes on an SQLite file.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{PgPool, SqlitePool};
use tokio::time::timeout;

use super::health::Health;
use super::invalidation::{InvalidationScope, Invalidations, SYNC_TIMEOUT};
use super::pool::{CHANNEL, Db};
use crate::platform::Clock;

/// How often the way is tried where nothing is heard, and how an SQLite file is
/// looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Listens for ever. While the way to the database is not known to be open,
/// memory is not trusted.
pub async fn listen(db: Db, clock: Clock) {
    match &db {
        Db::Sqlite { write, invalidations, health, .. } => poll_sqlite(write, invalidations, health).await,
        Db::Postgres { pool, invalidations, health } => {
            let mut reported = None;
            loop {
                let started = clock.now();
                if let Err(error) = listen_postgres(pool, invalidations, health, &clock).await {
                    invalidations.mark_stale();
                    // Tried five times a second: the same failure is told once.
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
    let mut listener = timeout(SYNC_TIMEOUT * 4, PgListener::connect_with(pool)).await.map_err(late)??;
    // A lost connection is an error here, not something to be mended silently:
    // what was told meanwhile is gone.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    demand_primary(&mut listener, health).await?;
    // After a failover, connections from before it may lead to the server that was the primary.
    health.discard_connections();
    // What happened before it listened is not heard.
    invalidations.invalidate(InvalidationScope::Everything);
    tracing::info!("other nodes are heard");
    let mut heard_at = clock.now();
    loop {
        match timeout(POLL_INTERVAL, listener.try_recv()).await {
            Ok(Ok(Some(told))) => invalidations.invalidate(InvalidationScope::decode(told.payload())),
            Ok(Ok(None)) => return Err(sqlx::Error::PoolClosed),
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
        let now = clock.now();
        if now.since(heard_at) >= POLL_INTERVAL || heard_at == now {
            demand_primary(&mut listener, health).await?;
            heard_at = now;
            invalidations.mark_synced(now.plus(SYNC_TIMEOUT));
        }
    }
}

/// Changes are told by the server that takes them. One that takes none may have
/// been the primary until a moment ago: what the new one tells is not heard here.
async fn demand_primary(listener: &mut PgListener, health: &Health) -> sqlx::Result<()> {
    let asked = sqlx::query_scalar::<_, String>("SHOW transaction_read_only").fetch_one(listener);
    let read_only = timeout(SYNC_TIMEOUT / 2, asked).await.map_err(late)??;
    if read_only == "off" {
        return Ok(());
    }
    health.discard_connections();
    Err(sqlx::Error::Io(std::io::Error::other("the database is read-only")))
}

fn late(_: tokio::time::error::Elapsed) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"))
}

/// SQLite counts the changes that other connections make to a file: asked on
/// the one that writes here, those of other processes.
async fn poll_sqlite(write: &SqlitePool, invalidations: &Invalidations, health: &Health) {
    let mut known: Option<(i64, i64)> = None;
    loop {
        match sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(write).await {
            Ok(version) => {
                // Each connection counts for itself: another one than before has missed what came before it.
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
