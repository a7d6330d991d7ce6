//! The session store of `tower_sessions` on our own database. A session is
//! stored under the SHA-256 hash of its id, so that the database contains no
//! usable session. The person's id is in a column, so that a person's sessions
//! can be listed and ended.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use crate::access::{System, SystemReason};
use crate::platform::id::PersonId;
use crate::platform::{Context, Timestamp, sql};

/// The permit for storing sessions, which exist before anybody is signed in.
const SESSIONS: System = System::new(SystemReason::SignIn);

/// A session ends after this time without a request.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// A session ends this long after it was created, even if it is used.
pub const ABSOLUTE_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// `last_seen_at` is updated at most this often.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60);
/// The key of the person's id in the data of a session.
pub const PERSON: &str = "person";

/// The session store. It uses the database and the clock of the context.
#[derive(Clone, Debug)]
pub struct Store(Context);

impl Store {
    /// A store on the database of this context.
    #[must_use]
    pub const fn new(context: Context) -> Self {
        Self(context)
    }
}

/// The stored form of a session's id: its SHA-256 hash.
#[must_use]
pub fn hash_session_id(id: Id) -> Vec<u8> {
    Sha256::digest(id.0.to_be_bytes()).to_vec()
}

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}

fn person_and_data(record: &Record) -> Result<(Option<PersonId>, String)> {
    let person = record.data.get(PERSON).and_then(|value| value.as_str()?.parse().ok());
    let data = serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?;
    Ok((person, data))
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    data: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
}

#[async_trait::async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let (person, data) = person_and_data(record)?;
        let now = self.0.clock.now();
        let mut tx = self.0.db.begin().await.map_err(backend)?;
        sql("INSERT INTO sessions (hash, person_id, data, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(hash_session_id(record.id))
            .bind(person)
            .bind(data)
            .bind(now)
            .bind(now)
            .execute(&mut tx, &SESSIONS)
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let (person, data) = person_and_data(record)?;
        let mut tx = self.0.db.begin().await.map_err(backend)?;
        // A session that was ended in the meantime has no row, and stays ended.
        sql("UPDATE sessions SET person_id = $1, data = $2 WHERE hash = $3")
            .bind(person)
            .bind(data)
            .bind(hash_session_id(record.id))
            .execute(&mut tx, &SESSIONS)
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let now = self.0.clock.now();
        let row: Option<SessionRow> =
            sql("SELECT data, created_at, last_seen_at FROM sessions WHERE hash = $1")
                .bind(hash_session_id(*id))
                .optional(&self.0.db)
                .await
                .map_err(backend)?;
        let Some(row) = row else { return Ok(None) };
        let idle = now.since(row.last_seen_at);
        if idle >= IDLE_TIMEOUT || now.since(row.created_at) >= ABSOLUTE_TIMEOUT {
            self.delete(id).await?;
            return Ok(None);
        }
        if idle >= TOUCH_INTERVAL {
            let mut tx = self.0.db.begin().await.map_err(backend)?;
            sql("UPDATE sessions SET last_seen_at = $1 WHERE hash = $2")
                .bind(now)
                .bind(hash_session_id(*id))
                .execute(&mut tx, &SESSIONS)
                .await
                .map_err(backend)?;
            tx.commit().await.map_err(backend)?;
        }
        let data = serde_json::from_str(&row.data).map_err(|error| Error::Decode(error.to_string()))?;
        // The crate compares this with the machine's clock. The expiry by our own clock was checked above.
        let expiry_date = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(365 * 1000);
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let mut tx = self.0.db.begin().await.map_err(backend)?;
        sql("DELETE FROM sessions WHERE hash = $1")
            .bind(hash_session_id(*id))
            .execute(&mut tx, &SESSIONS)
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }
}
