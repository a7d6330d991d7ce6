//! The readiness check for writes. It reports the outcome of the last write if that
//! is recent, and otherwise makes a write of its own.

use std::time::Duration;

use tokio::time::timeout;

use super::health::WriteFault;
use super::pool::Db;
use super::statement::{WriteProof, sql};

/// How long the write of the readiness check may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Proof for the row that is written only to see whether it can be.
struct Probe;

impl WriteProof for Probe {}

impl Db {
    /// Checks whether writes succeed.
    ///
    /// # Errors
    /// The reason why they do not.
    pub async fn check_writes(&self) -> Result<(), WriteFault> {
        let health = self.health();
        let _only_one = health.probing.lock().await;
        if let Some(known) = health.recent() {
            return known;
        }
        let result = match timeout(PROBE_TIMEOUT, self.write_probe()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "writes fail");
                Err(WriteFault::from_error(&error).unwrap_or(WriteFault::Refused))
            }
            Err(_) => Err(WriteFault::Busy),
        };
        health.record(result);
        result
    }

    async fn write_probe(&self) -> sqlx::Result<()> {
        let mut tx = self.begin().await?;
        sql("UPDATE write_probe SET writes = writes + 1").execute(&mut tx, &Probe).await?;
        tx.commit().await
    }
}
