//! The schema migrations, embedded in the binary for both databases and run at the
//! start. A test checks that both databases have the same tables.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};

use super::pool::Db;
use super::statement::sql;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How often a migration of an SQLite file is retried because another process
/// migrates it.
const MAX_ATTEMPTS: usize = 10;
/// The time between two attempts.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Runs all pending migrations. If several nodes start at once, one migrates and
/// the others wait.
///
/// # Errors
/// If a migration fails (it is rolled back), or if a newer release has migrated
/// the database.
pub async fn migrate(db: &Db) -> Result<(), MigrateError> {
    match db {
        Db::Sqlite { write, .. } => {
            // There is no migration lock on SQLite. A process that loses the race tries again.
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

/// The number of pending migrations.
///
/// # Errors
/// What the driver says.
pub async fn count_pending(db: &Db) -> sqlx::Result<usize> {
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
