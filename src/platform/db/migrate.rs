//! Migrations, embedded for both databases, run at start.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};

use super::pool::Db;
use super::statement::sql;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How often another process may be in the way, and how long each time.
const MAX_ATTEMPTS: usize = 10;
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Brings the schema up to date. Of several nodes that start at once on
/// PostgreSQL, or of several processes on one SQLite file, one migrates and the
/// others wait for it.
///
/// # Errors
/// When a migration fails (then that one is undone), or when the database was
/// made by a newer release than this one.
pub async fn migrate(db: &Db) -> Result<(), MigrateError> {
    match db {
        Db::Sqlite { write, .. } => {
            // Nothing holds others off on an SQLite file: who loses the race looks again.
            let mut lost = 0;
            loop {
                match SQLITE.run(write).await {
                    Err(MigrateError::ExecuteMigration(..) | MigrateError::Execute(_))
                        if lost < MAX_ATTEMPTS =>
                    {
                        lost += 1;
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                    other => return other,
                }
            }
        }
        Db::Postgres { pool, .. } => POSTGRES.run(pool).await,
    }
}

/// How many migrations of this release the database has not had yet.
///
/// # Errors
/// What the driver says.
pub async fn pending(db: &Db) -> sqlx::Result<usize> {
    let known = match db {
        Db::Sqlite { .. } => SQLITE.iter().count(),
        Db::Postgres { .. } => POSTGRES.iter().count(),
    };
    let done: (i64,) = match sql("SELECT COUNT(*) FROM _sqlx_migrations").one(db).await {
        // No such table: nothing was migrated yet.
        Err(sqlx::Error::Database(_)) => (0,),
        other => other?,
    };
    Ok(known.saturating_sub(usize::try_from(done.0).unwrap_or(0)))
}
