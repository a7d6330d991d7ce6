//! Deletes what has expired: sessions, one-time secrets, outcomes of idempotent
//! requests, used assertions, access tokens, attempts to sign in and daily
//! counts. `tessera serve` runs it every ten minutes.

use crate::access::{System, SystemReason};
use crate::authn::session_store::{ABSOLUTE_TIMEOUT, IDLE_TIMEOUT};
use crate::authn::{refused_sign_ins, throttle};
use crate::platform::clock::DAY;
use crate::platform::{Context, Result, sql};
use crate::usage::model::Days;

/// What has expired is deleted.
const EXPIRY: System = System::new(SystemReason::Expiry);

/// Deletes what has expired, and writes refused sign-ins that were only counted
/// so far to the audit log.
///
/// # Errors
/// When the database cannot.
pub async fn purge_expired(context: &Context) -> Result<()> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    sql("DELETE FROM sessions WHERE last_seen_at < $1")
        .bind(now.minus(IDLE_TIMEOUT))
        .execute(&mut tx, &EXPIRY)
        .await?;
    sql("DELETE FROM reveals WHERE expires_at < $1").bind(now).execute(&mut tx, &EXPIRY).await?;
    sql("DELETE FROM submissions WHERE created_at < $1")
        .bind(now.minus(ABSOLUTE_TIMEOUT))
        .execute(&mut tx, &EXPIRY)
        .await?;
    let oldest_day = Days::last(context.config.usage_days.into(), now).from;
    sql("DELETE FROM usage WHERE day < $1").bind(oldest_day).execute(&mut tx, &EXPIRY).await?;
    sql("DELETE FROM usage_totals WHERE day < $1").bind(oldest_day).execute(&mut tx, &EXPIRY).await?;
    sql("DELETE FROM attributions WHERE day < $1").bind(oldest_day).execute(&mut tx, &EXPIRY).await?;
    // Access tokens are many and short-lived. The audit log keeps a record of them.
    sql("DELETE FROM tokens WHERE kind = 'access' AND expires_at < $1")
        .bind(now.minus(DAY))
        .execute(&mut tx, &EXPIRY)
        .await?;
    throttle::purge_expired(&mut tx, EXPIRY, now).await?;
    sql("DELETE FROM used_assertions WHERE expires_at < $1").bind(now).execute(&mut tx, &EXPIRY).await?;
    tx.commit().await?;
    refused_sign_ins::write_counted(context).await
}
