//! SQL for a person's profile, password and sessions.
//!
//! Statements that write take the permit for the person's own account and are called by `actions` only. Rows
//! of `sessions` are created by [`crate::authn`].

use crate::access::Permit;
use crate::directory::own_account::OwnAccount;
use crate::directory::search::Members;
use crate::platform::id::PersonId;
use crate::platform::search::Searched as _;
use crate::platform::text::{casefold, taken};
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};

/// A session, as the page *Sessions* lists it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    /// Hash of the session id. The id itself is not stored.
    pub hash: Vec<u8>,
    /// Time of the sign-in.
    pub created_at: Timestamp,
    /// Last use, accurate to a minute.
    pub last_seen_at: Timestamp,
}

impl Session {
    /// Identifier in forms: the first 16 bytes of the hash in hexadecimal.
    #[must_use]
    pub fn name(&self) -> String {
        self.hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A person's sessions that were used after `since`, latest first, at most 100.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn sessions(db: &Db, person: PersonId, since: Timestamp) -> Result<Vec<Session>> {
    Ok(sql("SELECT hash, created_at, last_seen_at FROM sessions WHERE person_id = $1 AND last_seen_at > $2 \
         ORDER BY last_seen_at DESC LIMIT 100")
    .bind(person)
    .bind(since)
    .all(db)
    .await?)
}

/// Deletes a session of the person. Returns the number of deleted rows.
pub(super) async fn end(tx: &mut Tx, owner: &Permit<OwnAccount>, hash: &[u8]) -> Result<u64> {
    Ok(sql("DELETE FROM sessions WHERE person_id = $1 AND hash = $2")
        .bind(owner.0)
        .bind(hash)
        .execute(tx, owner)
        .await?)
}

/// Deletes all sessions of the person except the current one (`own`). Returns their number.
pub(super) async fn end_others(tx: &mut Tx, owner: &Permit<OwnAccount>, own: &[u8]) -> Result<u64> {
    Ok(sql("DELETE FROM sessions WHERE person_id = $1 AND hash <> $2")
        .bind(owner.0)
        .bind(own)
        .execute(tx, owner)
        .await?)
}

/// The person's password hash. `None` if there is no such person.
pub(super) async fn password_hash(db: &Db, person: PersonId) -> Result<Option<String>> {
    let row: Option<(String,)> =
        sql("SELECT password_hash FROM people WHERE id = $1").bind(person).optional(db).await?;
    Ok(row.map(|(hash,)| hash))
}

pub(super) async fn set_password(tx: &mut Tx, owner: &Permit<OwnAccount>, hash: String) -> Result<()> {
    sql("UPDATE people SET password_hash = $1 WHERE id = $2")
        .bind(hash)
        .bind(owner.0)
        .execute(tx, owner)
        .await?;
    Ok(())
}

pub(super) async fn set_profile(
    tx: &mut Tx,
    owner: &Permit<OwnAccount>,
    name: &str,
    email: &str,
) -> Result<()> {
    sql("UPDATE people SET name = $1, email = $2, email_folded = $3 WHERE id = $4")
        .bind(name)
        .bind(email)
        .bind(casefold(email))
        .bind(owner.0)
        .execute(&mut *tx, owner)
        .await
        .map_err(|error| Error::unique(error, "email", &taken("email address", "account")))?;
    Members::renew(tx, owner, &owner.0.to_string()).await
}
