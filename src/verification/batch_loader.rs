//! Batches the database lookups of tokens that are not in the cache. Lookups
//! that arrive while a query is running wait for the next query, which fetches
//! all of them at once. Under load this needs far fewer queries than one per
//! token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::token_format::TokenHash;
use crate::access::TokenKind;
use crate::platform::db::Snapshot;
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::{Db, Error, Result, Timestamp, sql};

/// The largest number of tokens in one query.
const MAX_BATCH: usize = 64;

/// The number of queries that run at the same time: enough to keep the database
/// busy, and few enough that lookups are batched.
const MAX_BATCHES: usize = 2;

/// A value with the columns of its token.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct TokenRow {
    hash: Vec<u8>,
    pub(super) stops_at: Option<Timestamp>,
    pub(super) token_id: TokenId,
    pub(super) name: String,
    pub(super) acts_as: Option<TokenKind>,
    pub(super) source_id: Option<TokenId>,
    pub(super) source_value: Option<Vec<u8>>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) regenerated_at: Timestamp,
    pub(super) allowed_addresses: String,
    pub(super) permissions: Option<String>,
    pub(super) person_id: Option<PersonId>,
    pub(super) service_account_id: Option<ServiceAccountId>,
    pub(super) team_id: Option<TeamId>,
    pub(super) organization_id: Option<OrganizationId>,
}

/// The result of a lookup: a snapshot from before the query, and the row, if the
/// value exists and its token is not revoked.
type LookupResult = Result<(Snapshot, Option<TokenRow>)>;

/// A lookup that waits, with the channel for its result.
type PendingLookup = (TokenHash, oneshot::Sender<LookupResult>);

/// Loads tokens in batches. One per process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct BatchLoader(Arc<Mutex<BatchState>>);

#[derive(Debug, Default)]
struct BatchState {
    pending: Vec<PendingLookup>,
    running: usize,
}

impl BatchLoader {
    /// Finds the token of a value in the next batch.
    ///
    /// # Errors
    /// When the database cannot.
    pub(super) async fn find(&self, db: &Db, hash: TokenHash) -> LookupResult {
        let (answer, answered) = oneshot::channel();
        let starts_task = {
            let mut state = self.state();
            state.pending.push((hash, answer));
            let starts_task = state.running < MAX_BATCHES;
            state.running += usize::from(starts_task);
            starts_task
        };
        if starts_task {
            // A separate task, because the request that starts it can be cancelled while others wait.
            tokio::spawn(BatchTask { loader: self.clone(), is_over: false }.run(db.clone()));
        }
        answered.await.map_err(|_| Error::internal("a lookup was given up"))?
    }

    fn state(&self) -> MutexGuard<'_, BatchState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that runs batches until no lookup waits. The next lookup then starts
/// another task.
struct BatchTask {
    loader: BatchLoader,
    is_over: bool,
}

impl BatchTask {
    /// Takes the lookups of the next batch. If there are none, the task ends.
    fn take_batch(&mut self) -> Vec<PendingLookup> {
        let mut state = self.loader.state();
        let many = state.pending.len().min(MAX_BATCH);
        // Under the same lock as the check, so that no lookup is added to a task that ends.
        if many == 0 {
            state.running -= 1;
            self.is_over = true;
        }
        state.pending.drain(..many).collect()
    }

    async fn run(mut self, db: Db) {
        loop {
            // Let other tasks that are ready add their lookups to this batch.
            tokio::task::yield_now().await;
            let batch = self.take_batch();
            if batch.is_empty() {
                return;
            }
            let snapshot = db.invalidations().snapshot();
            let found = fetch_tokens(&db, batch.iter().map(|(hash, _)| *hash)).await;
            for (hash, answer) in batch {
                let row = found.as_ref().map(|rows| (snapshot, rows.get(&hash).cloned()));
                // Sending fails if the request was cancelled.
                let _ = answer.send(row.map_err(Clone::clone));
            }
        }
    }
}

impl Drop for BatchTask {
    /// If the task ends by a panic, the waiting lookups fail instead of waiting
    /// for ever.
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = self.loader.state();
            state.running -= 1;
            state.pending.clear();
        }
    }
}

async fn fetch_tokens(
    db: &Db,
    hashes: impl Iterator<Item = TokenHash>,
) -> Result<HashMap<TokenHash, TokenRow>> {
    let rows: Vec<TokenRow> =
        sql("SELECT v.hash, v.stops_at, t.id AS token_id, t.name, t.acts_as, t.source_id, \
            t.source_value, t.expires_at, t.regenerated_at, t.allowed_addresses, t.permissions, t.person_id, \
            t.service_account_id, t.team_id, t.organization_id \
         FROM (VALUES ($1)) AS asked JOIN token_values v ON v.hash = asked.column1 \
         JOIN tokens t ON t.id = v.token_id WHERE t.revoked_at IS NULL")
        .fetch_batch(db, hashes.map(|hash| vec![hash.into()]).collect())
        .await?;
    Ok(rows.into_iter().filter_map(|row| Some((TokenHash::from_stored(&row.hash)?, row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseUrl;
    use crate::platform::Random;
    use crate::platform::db::migrate;
    use crate::verification::PlainToken;

    #[tokio::test]
    async fn who_waits_for_a_turn_that_was_given_up_is_told_and_another_may_begin() {
        let loader = BatchLoader::default();
        let (answer, answered) = oneshot::channel();
        let hash = PlainToken::generate(TokenKind::Personal, &Random::seeded(4)).hash();
        *loader.state() = BatchState { pending: vec![(hash, answer)], running: 1 };
        drop(BatchTask { loader: loader.clone(), is_over: false });
        assert!(answered.await.is_err());
        assert_eq!(loader.state().running, 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_who_asks_is_answered_and_no_turn_is_left_over() {
        let folder = std::env::temp_dir().join(format!("tessera-lookup-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let db = Db::open(&DatabaseUrl::Sqlite(folder.join("tessera.db"))).await.expect("opened");
        migrate(&db).await.expect("migrated");
        let (loader, random) = (BatchLoader::default(), Random::seeded(3));
        for _ in 0..50 {
            let asking: Vec<_> = (0..100)
                .map(|_| PlainToken::generate(TokenKind::Personal, &random).hash())
                .map(|hash| {
                    let (loader, db) = (loader.clone(), db.clone());
                    tokio::spawn(async move { loader.find(&db, hash).await })
                })
                .collect();
            for pending in asking {
                let (_, row) = pending.await.expect("finished").expect("answered");
                assert!(row.is_none());
            }
        }
        let over = async {
            while loader.state().running > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), over).await.expect("no turn is left over");
        std::fs::remove_dir_all(&folder).expect("cleaned");
    }
}
