//! Values that are not remembered, looked up together: what comes while one
//! lookup is under way waits for the next, which asks for all of it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::token::TokenHash;
use crate::access::TokenKind;
use crate::platform::db::Before;
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::{Db, Error, Result, Timestamp, sql};

/// So many are asked for at once; a power of two.
const MOST: usize = 64;

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
type Found = Result<(Before, Option<Row>)>;

/// The lookups of one node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookup(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    asked: Vec<(TokenHash, oneshot::Sender<Found>)>,
    under_way: bool,
}

impl Lookup {
    /// Looks one up.
    ///
    /// # Errors
    /// When the database cannot.
    pub(super) async fn find(&self, db: &Db, hash: TokenHash) -> Found {
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.asked.push((hash, answer));
            !std::mem::replace(&mut waiting.under_way, true)
        };
        if is_first {
            // A task of its own: who asked first may go away, those who joined wait.
            tokio::spawn(Turn(self.clone()).answer_all(db.clone()));
        }
        answered.await.map_err(|_| Error::internal("a lookup was given up"))?
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one turn at a time. However it ends, the next who comes begins another.
struct Turn(Lookup);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.under_way = false;
        waiting.asked.clear();
    }
}

impl Turn {
    async fn answer_all(self, db: Db) {
        loop {
            // Whoever is ready to ask at this moment joins.
            tokio::task::yield_now().await;
            let batch: Vec<_> = {
                let mut waiting = self.0.waiting();
                let many = waiting.asked.len().min(MOST);
                waiting.asked.drain(..many).collect()
            };
            let before = db.changes().before();
            let found = rows(&db, batch.iter().map(|(hash, _)| *hash)).await;
            for (hash, answer) in batch {
                let row = found.as_ref().map(|rows| (before, rows.get(&hash).cloned()));
                // Who went away needs no answer.
                let _ = answer.send(row.map_err(Clone::clone));
            }
            let mut waiting = self.0.waiting();
            if waiting.asked.is_empty() {
                waiting.under_way = false;
                return;
            }
        }
    }
}

async fn rows(db: &Db, hashes: impl Iterator<Item = TokenHash>) -> Result<HashMap<TokenHash, Row>> {
    let mut list: Vec<_> = hashes.map(|hash| vec![hash.into()]).collect();
    // A few lengths only, so that few statements are prepared.
    if let Some(last) = list.last().cloned() {
        list.resize(list.len().next_power_of_two(), last);
    }
    let rows: Vec<Row> = sql("SELECT v.hash, v.stops_at, t.id AS token_id, t.name, t.acts_as, t.source_id, \
            t.source_value, t.expires_at, t.regenerated_at, t.allowed_addresses, t.permissions, t.person_id, \
            t.service_account_id, t.team_id, t.organization_id \
         FROM (VALUES ($1)) AS asked JOIN token_values v ON v.hash = asked.column1 \
         JOIN tokens t ON t.id = v.token_id WHERE t.revoked_at IS NULL")
    .all_of_rows(db, list)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((TokenHash::stored(&row.hash)?, row))).collect())
}
