//! Values that are not remembered, looked up together: what comes while one
//! lookup is under way waits for the next, which asks for all of it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::token_format::TokenHash;
use crate::access::TokenKind;
use crate::platform::db::Snapshot;
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::{Db, Error, Result, Timestamp, sql};

/// So many are asked for at once.
const MAX_BATCH: usize = 64;

/// So many lookups are under way at once at most: enough to keep a database
/// busy, few enough that others join.
const MAX_BATCHES: usize = 2;

/// A value's token, as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Row {
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

/// What came of one: the moment before it was asked for, and the row of a token
/// that is not revoked.
type Found = Result<(Snapshot, Option<Row>)>;

/// What is asked for, and who waits for it.
type Asked = (TokenHash, oneshot::Sender<Found>);

/// The lookups of one node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct BatchLoader(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    asked: Vec<Asked>,
    running: usize,
}

impl BatchLoader {
    /// Looks one up.
    ///
    /// # Errors
    /// When the database cannot.
    pub(super) async fn find(&self, db: &Db, hash: TokenHash) -> Found {
        let (answer, answered) = oneshot::channel();
        let another = {
            let mut waiting = self.waiting();
            waiting.asked.push((hash, answer));
            let another = waiting.running < MAX_BATCHES;
            waiting.running += usize::from(another);
            another
        };
        if another {
            // A task of its own: who asked first may go away while others wait.
            tokio::spawn(Admission { lookup: self.clone(), is_over: false }.answer_all(db.clone()));
        }
        answered.await.map_err(|_| Error::internal("a lookup was given up"))?
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn: it asks until nobody waits. Whoever comes after its end begins another.
struct Admission {
    lookup: BatchLoader,
    is_over: bool,
}

impl Admission {
    /// Those who wait; where nobody does, the turn is over.
    fn take(&mut self) -> Vec<Asked> {
        let mut waiting = self.lookup.waiting();
        let many = waiting.asked.len().min(MAX_BATCH);
        // Under one lock with looking, so that nobody is left waiting for no one.
        if many == 0 {
            waiting.running -= 1;
            self.is_over = true;
        }
        waiting.asked.drain(..many).collect()
    }

    async fn answer_all(mut self, db: Db) {
        loop {
            // Whoever is ready to ask at this moment joins.
            tokio::task::yield_now().await;
            let batch = self.take();
            if batch.is_empty() {
                return;
            }
            let snapshot = db.invalidations().snapshot();
            let found = rows(&db, batch.iter().map(|(hash, _)| *hash)).await;
            for (hash, answer) in batch {
                let row = found.as_ref().map(|rows| (snapshot, rows.get(&hash).cloned()));
                // Who went away needs no answer.
                let _ = answer.send(row.map_err(Clone::clone));
            }
        }
    }
}

impl Drop for Admission {
    /// A turn that ended before its time: nobody may wait for ever.
    fn drop(&mut self) {
        if !self.is_over {
            let mut waiting = self.lookup.waiting();
            waiting.running -= 1;
            waiting.asked.clear();
        }
    }
}

async fn rows(db: &Db, hashes: impl Iterator<Item = TokenHash>) -> Result<HashMap<TokenHash, Row>> {
    let rows: Vec<Row> = sql("SELECT v.hash, v.stops_at, t.id AS token_id, t.name, t.acts_as, t.source_id, \
            t.source_value, t.expires_at, t.regenerated_at, t.allowed_addresses, t.permissions, t.person_id, \
            t.service_account_id, t.team_id, t.organization_id \
         FROM (VALUES ($1)) AS asked JOIN token_values v ON v.hash = asked.column1 \
         JOIN tokens t ON t.id = v.token_id WHERE t.revoked_at IS NULL")
    .fetch_batch(db, hashes.map(|hash| vec![hash.into()]).collect())
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((TokenHash::stored(&row.hash)?, row))).collect())
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
        let lookup = BatchLoader::default();
        let (answer, answered) = oneshot::channel();
        let hash = PlainToken::generate(TokenKind::Personal, &Random::seeded(4)).hash();
        *lookup.waiting() = Waiting { asked: vec![(hash, answer)], running: 1 };
        drop(Admission { lookup: lookup.clone(), is_over: false });
        assert!(answered.await.is_err());
        assert_eq!(lookup.waiting().running, 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_who_asks_is_answered_and_no_turn_is_left_over() {
        let folder = std::env::temp_dir().join(format!("tessera-lookup-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let db = Db::open(&DatabaseUrl::Sqlite(folder.join("tessera.db"))).await.expect("opened");
        migrate(&db).await.expect("migrated");
        let (lookup, random) = (BatchLoader::default(), Random::seeded(3));
        for _ in 0..50 {
            let asking: Vec<_> = (0..100)
                .map(|_| PlainToken::generate(TokenKind::Personal, &random).hash())
                .map(|hash| {
                    let (lookup, db) = (lookup.clone(), db.clone());
                    tokio::spawn(async move { lookup.find(&db, hash).await })
                })
                .collect();
            for asked in asking {
                let (_, row) = asked.await.expect("finished").expect("answered");
                assert!(row.is_none());
            }
        }
        let over = async {
            while lookup.waiting().running > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), over).await.expect("no turn is left over");
        std::fs::remove_dir_all(&folder).expect("cleaned");
    }
}
