//! When and from where tokens were last used: gathered in memory, written
//! every few seconds, so that no request waits for a write.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::token::TokenHash;
use crate::platform::id::TokenId;
use crate::platform::{Context, Result, Timestamp, sql};

#[derive(Clone, Copy, Debug)]
struct Use {
    token: TokenId,
    at: Timestamp,
    address: Option<IpAddr>,
    calls: i64,
}

/// For how many days calls are counted.
const DAYS: i64 = 30;

/// The uses since the last flush. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<Mutex<HashMap<TokenHash, Use>>>);

impl Usage {
    /// Notes a use of this value of this token.
    pub fn note(&self, value: TokenHash, token: TokenId, at: Timestamp, address: Option<IpAddr>) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = gathered.entry(value).or_insert(Use { token, at, address, calls: 0 });
        *last = Use { token, at, address, calls: last.calls + 1 };
    }

    /// Writes what was gathered. What cannot be written now is kept for the
    /// next time.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn flush(&self, context: &Context) -> Result<()> {
        let gathered = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if gathered.is_empty() {
            return Ok(());
        }
        let written = write(context, &gathered).await;
        if written.is_err() {
            let mut newer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (value, older) in gathered {
                newer.entry(value).and_modify(|last| last.calls += older.calls).or_insert(older);
            }
        }
        written
    }
}

/// The day of a moment, counted from 1970, UTC.
#[must_use]
pub fn day(at: Timestamp) -> i64 {
    at.micros().div_euclid(86_400_000_000)
}

/// The oldest day whose calls still count.
#[must_use]
pub fn oldest(now: Timestamp) -> i64 {
    day(now) - DAYS
}

async fn write(context: &Context, gathered: &HashMap<TokenHash, Use>) -> Result<()> {
    let mut tx = context.db.begin().await?;
    for (value, last) in gathered {
        sql("UPDATE token_values SET last_used_at = $1 WHERE hash = $2")
            .bind(last.at)
            .bind(*value)
            .execute(&mut tx)
            .await?;
        sql("UPDATE tokens SET last_used_at = $1, last_used_address = $2 WHERE id = $3")
            .bind(last.at)
            .bind(last.address.map(|address| address.to_string()))
            .bind(last.token)
            .execute(&mut tx)
            .await?;
        sql("INSERT INTO token_calls (token_id, day, address, calls) SELECT id, $2, $3, $4 FROM tokens WHERE id = $1 \
             ON CONFLICT (token_id, day, address) DO UPDATE SET calls = token_calls.calls + $4")
        .bind(last.token)
        .bind(day(last.at))
        .bind(last.address.map(|address| address.to_string()).unwrap_or_default())
        .bind(last.calls)
        .execute(&mut tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}
