//! Slows down guessing: failures are counted per account and per address, and
//! after a few each further one makes the next try wait longer, a minute at
//! most, so that nobody is locked out for good.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::platform::text::fold;
use crate::platform::{Context, Error, Result, Timestamp, sql};

const LONGEST: Duration = Duration::from_secs(60);
/// Failures older than this no longer count.
const FORGET: Duration = Duration::from_secs(60 * 60);

/// What a try is counted under.
#[derive(Debug)]
pub struct Counters(Vec<(Vec<u8>, i64)>);

impl Counters {
    /// For a sign-in: five failures are free per account (all spellings of the
    /// address are one), twenty per address.
    #[must_use]
    pub fn sign_in(email: &str, address: Option<IpAddr>) -> Self {
        let key = |kind: &str, value: &str| Sha256::digest(format!("{kind}\n{value}")).to_vec();
        let mut counters = vec![(key("account", &fold(email)), 5)];
        counters.extend(address.map(|address| (key("address", &address.to_string()), 20)));
        Self(counters)
    }

    /// Refuses while one of the counters says wait.
    ///
    /// # Errors
    /// [`Error::TooMany`] then.
    pub async fn check(&self, context: &Context) -> Result<()> {
        let now = context.clock.now();
        for (key, _) in &self.0 {
            let until: Option<(Timestamp,)> = sql("SELECT until FROM throttles WHERE key = $1")
                .bind(key.clone())
                .optional(&context.db)
                .await?;
            if let Some((until,)) = until.filter(|(until,)| *until > now) {
                return Err(Error::TooMany { retry_after: until.since(now) });
            }
        }
        Ok(())
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn failed(&self, context: &Context) -> Result<()> {
        let now = context.clock.now();
        let mut tx = context.db.begin().await?;
        for (key, free) in &self.0 {
            let (failures,): (i64,) = sql("INSERT INTO throttles (key, failures, until) VALUES ($1, 1, $2) \
                     ON CONFLICT (key) DO UPDATE SET \
                     failures = CASE WHEN throttles.until < $3 THEN 1 ELSE throttles.failures + 1 END, \
                     until = $2 RETURNING failures")
            .bind(key.clone())
            .bind(now)
            .bind(now.minus(FORGET))
            .one(&mut tx)
            .await?;
            if failures > *free {
                let wait = Duration::from_secs(1 << (failures - free - 1).clamp(0, 6)).min(LONGEST);
                sql("UPDATE throttles SET until = $1 WHERE key = $2")
                    .bind(now.plus(wait))
                    .bind(key.clone())
                    .execute(&mut tx)
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// A success clears the account's counter, not the address's.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn succeeded(&self, context: &Context) -> Result<()> {
        let Some((account, _)) = self.0.first() else { return Ok(()) };
        let mut tx = context.db.begin().await?;
        sql("DELETE FROM throttles WHERE key = $1").bind(account.clone()).execute(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
