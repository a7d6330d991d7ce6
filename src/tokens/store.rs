//! The SQL of tokens and their values.

use super::model::{Holder, Token};
use crate::audit::Actor;
use crate::identity::PlainToken;
use crate::platform::db::Source;
use crate::platform::id::{ServiceAccountId, TokenId};
use crate::platform::{Result, Timestamp, Tx, sql};

pub(super) async fn insert(
    tx: &mut Tx,
    id: TokenId,
    holder: Holder,
    name: &str,
    expires_at: Option<Timestamp>,
    (actor, now): (&Actor, Timestamp),
) -> Result<()> {
    sql("INSERT INTO tokens (id, kind, service_account_id, person_id, name, created_by, created_by_name, \
            created_at, regenerated_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)")
    .bind(id)
    .bind(holder.kind)
    .bind(holder.account)
    .bind(holder.person)
    .bind(name)
    .bind(actor.id.clone())
    .bind(actor.name.clone())
    .bind(now)
    .bind(expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_value(tx: &mut Tx, id: TokenId, value: &PlainToken) -> Result<()> {
    sql("INSERT INTO token_values (hash, token_id, hint) VALUES ($1, $2, $3)")
        .bind(value.hash())
        .bind(id)
        .bind(value.hint())
        .execute(tx)
        .await?;
    Ok(())
}

/// Marks a new value; of two at once the second waits here. False if the token
/// is revoked.
pub(super) async fn renew(
    tx: &mut Tx,
    id: TokenId,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<bool> {
    let touched =
        sql("UPDATE tokens SET regenerated_at = $1, expires_at = $2 WHERE id = $3 AND revoked_at IS NULL")
            .bind(now)
            .bind(expires_at)
            .bind(id)
            .execute(tx)
            .await?;
    Ok(touched == 1)
}

/// Ends every value but the one in force.
pub(super) async fn drop_previous(tx: &mut Tx, id: TokenId) -> Result<u64> {
    Ok(sql("DELETE FROM token_values WHERE token_id = $1 AND stops_at IS NOT NULL")
        .bind(id)
        .execute(tx)
        .await?)
}

/// Lets the value in force live on until `stops_at`.
pub(super) async fn retire(tx: &mut Tx, id: TokenId, stops_at: Timestamp) -> Result<()> {
    sql("UPDATE token_values SET stops_at = $1 WHERE token_id = $2 AND stops_at IS NULL")
        .bind(stops_at)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Revokes; false if it was.
pub(super) async fn revoke(tx: &mut Tx, id: TokenId, now: Timestamp) -> Result<bool> {
    let touched = sql("UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
        .bind(now)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(touched == 1)
}

/// The keys of a service account, oldest first, dead ones too.
///
/// # Errors
/// When the database cannot.
pub async fn of_account(source: impl Into<Source<'_>>, account: ServiceAccountId) -> Result<Vec<Token>> {
    Ok(sql("SELECT t.id, t.kind, t.service_account_id, t.person_id, t.name, v.hint, t.created_by_name, \
            t.created_at, t.regenerated_at, t.expires_at, t.revoked_at, t.last_used_at, t.last_used_address, \
            p.hint AS previous_hint, p.stops_at AS previous_stops_at, p.last_used_at AS previous_last_used_at \
         FROM tokens t \
         LEFT JOIN token_values v ON v.token_id = t.id AND v.stops_at IS NULL \
         LEFT JOIN token_values p ON p.token_id = t.id AND p.stops_at IS NOT NULL \
         WHERE t.service_account_id = $1 ORDER BY t.id")
        .bind(account)
        .all(source)
        .await?)
}

/// One token, with a fresh look at its ends.
///
/// # Errors
/// When the database cannot.
pub async fn find(source: impl Into<Source<'_>>, id: TokenId) -> Result<Option<Token>> {
    Ok(sql("SELECT t.id, t.kind, t.service_account_id, t.person_id, t.name, v.hint, t.created_by_name, \
            t.created_at, t.regenerated_at, t.expires_at, t.revoked_at, t.last_used_at, t.last_used_address, \
            p.hint AS previous_hint, p.stops_at AS previous_stops_at, p.last_used_at AS previous_last_used_at \
         FROM tokens t \
         LEFT JOIN token_values v ON v.token_id = t.id AND v.stops_at IS NULL \
         LEFT JOIN token_values p ON p.token_id = t.id AND p.stops_at IS NOT NULL \
         WHERE t.id = $1")
        .bind(id)
        .optional(source)
        .await?)
}
