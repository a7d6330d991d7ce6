//! The outcomes of requests with an `Idempotency-Key`, remembered in the
//! transaction that carries them out: of two requests at once, the second waits
//! for the first and finds its outcome. An outcome is an id, never a secret.

use super::change::Change;
use super::event::Channel;
use crate::access::{System, SystemReason};
use crate::platform::digest::digest_parts;
use crate::platform::web::IdempotencyKey;
use crate::platform::{Error, Result, ValidationErrors, sql};

/// Every request with a key leaves its outcome.
const OUTCOMES: System = System::new(SystemReason::AuditLog);

/// The outcome of an earlier request with the same key, or `None` for the first
/// one, which is remembered with `outcome`. `purpose` names the operation and
/// what it is done to.
///
/// # Errors
/// [`Error::Invalid`] where the key was used for a request with another method,
/// path or body, [`Error::Conflict`] where that was a form; when the database cannot.
pub async fn find_or_record_outcome<T: std::fmt::Display + std::str::FromStr>(
    change: &mut Change<'_>,
    purpose: &str,
    outcome: &T,
) -> Result<Option<T>> {
    let Some(IdempotencyKey { key, digest }) = change.actor().idempotency_key.clone() else {
        return Ok(None);
    };
    let organization = change.organization().map(|id| id.to_string()).unwrap_or_default();
    let hash = digest_parts([&change.actor().id, &format!("{purpose} {organization}"), &key]);
    let now = change.now;
    let inserted = sql("INSERT INTO submissions (key, outcome, created_at) VALUES ($1, $2, $3) \
                        ON CONFLICT (key) DO NOTHING")
    .bind(hash.as_slice())
    .bind(format!("{outcome} {digest}"))
    .bind(now)
    .execute(change.tx(), &OUTCOMES)
    .await?;
    if inserted == 1 {
        return Ok(None);
    }
    let (earlier,): (String,) =
        sql("SELECT outcome FROM submissions WHERE key = $1").bind(hash.as_slice()).one(change.tx()).await?;
    let (earlier, known_digest) = earlier.split_once(' ').unwrap_or((&earlier, ""));
    if known_digest != digest {
        if change.actor().through == Channel::Console {
            return Err(Error::conflict(
                "This form was submitted already. Open it again to submit another one.",
            ));
        }
        let message = "This Idempotency-Key was used for another request. Use a new one.";
        return Err(Error::Invalid(ValidationErrors::one("Idempotency-Key", message)));
    }
    earlier.parse().map(Some).map_err(|_| Error::internal("a submission's outcome is no id"))
}
