//! One form or request, carried out once: a second submit finds the outcome
//! of the first.

use sha2::{Digest, Sha256};

use axum::http::HeaderMap;

use crate::audit::Change;
use crate::platform::{Error, Mistakes, Result, Timestamp, Tx, sql};

/// What came of claiming a submission.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the first: go on.
    First,
    /// It was carried out before, with this outcome (an id).
    Repeat(String),
}

/// Claims a submission for an actor, inside the transaction that carries it
/// out: of two at once the second waits for the first. Without a nonce every
/// submission is a first one.
///
/// # Errors
/// [`Error::Invalid`] for a nonce over 200 characters; when the database cannot.
pub async fn claim(
    tx: &mut Tx,
    now: Timestamp,
    actor: &str,
    purpose: &str,
    nonce: Option<&str>,
    outcome: &str,
) -> Result<Claim> {
    let Some(nonce) = nonce.filter(|nonce| !nonce.is_empty()) else { return Ok(Claim::First) };
    if nonce.len() > 200 {
        return Err(Error::Invalid(Mistakes::one("Idempotency-Key", "may have at most 200 characters")));
    }
    let mut digest = Sha256::new();
    for part in [actor, purpose, nonce] {
        digest.update(u64::try_from(part.len()).unwrap_or(0).to_be_bytes());
        digest.update(part);
    }
    let key = digest.finalize().to_vec();
    let inserted = sql("INSERT INTO submissions (key, outcome, created_at) VALUES ($1, $2, $3) \
                        ON CONFLICT (key) DO NOTHING")
    .bind(key.clone())
    .bind(outcome)
    .bind(now)
    .execute(tx)
    .await?;
    if inserted == 1 {
        return Ok(Claim::First);
    }
    let (outcome,): (String,) =
        sql("SELECT outcome FROM submissions WHERE key = $1").bind(key).one(tx).await?;
    Ok(Claim::Repeat(outcome))
}

/// What an earlier request with the same `Idempotency-Key` made, if there was
/// one; otherwise this one is remembered with `outcome`, an id. `purpose` tells
/// what is done, and to what.
///
/// # Errors
/// As [`claim`].
pub async fn repeats<T: std::fmt::Display + std::str::FromStr>(
    change: &mut Change<'_>,
    purpose: &str,
    outcome: &T,
) -> Result<Option<T>> {
    let Some(key) = change.actor().once.clone() else { return Ok(None) };
    let (actor, now) = (change.actor().id.clone(), change.now);
    let organization = change.organization().map(|id| id.to_string()).unwrap_or_default();
    let purpose = format!("{purpose} {organization}");
    match claim(change.tx(), now, &actor, &purpose, Some(&key), &outcome.to_string()).await? {
        Claim::First => Ok(None),
        Claim::Repeat(first) => match first.parse() {
            Ok(first) => Ok(Some(first)),
            Err(_) => Err(Error::internal("a submission's outcome is no id")),
        },
    }
}

/// The request's `Idempotency-Key`, if it has one.
#[must_use]
pub fn key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("idempotency-key")?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}
