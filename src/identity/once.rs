//! One form or request, carried out once: a second submit finds the outcome
//! of the first.

use sha2::{Digest, Sha256};

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::audit::{Change, Once};
use crate::platform::web::body;
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
    let Some(Once { key, digest }) = change.actor().once.clone() else { return Ok(None) };
    let (actor, now) = (change.actor().id.clone(), change.now);
    let organization = change.organization().map(|id| id.to_string()).unwrap_or_default();
    let purpose = format!("{purpose} {organization}");
    let outcome = format!("{outcome} {digest}");
    match claim(change.tx(), now, &actor, &purpose, Some(&key), &outcome).await? {
        Claim::First => Ok(None),
        Claim::Repeat(first) => {
            let (first, known) = first.split_once(' ').unwrap_or((&first, ""));
            if known != digest {
                let message = "was used for another request: take a new one";
                return Err(Error::Invalid(Mistakes::one("Idempotency-Key", message)));
            }
            first.parse().map(Some).map_err(|_| Error::internal("a submission's outcome is no id"))
        }
    }
}

/// The digest of a request's body, for [`of`].
#[derive(Clone, Debug)]
struct BodyDigest(String);

/// Reads the bodies of requests with an `Idempotency-Key`, so that another body
/// under the same key is noticed.
pub async fn digest(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(&KEY) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let bytes = match body::read(body).await {
        Ok(bytes) => bytes,
        Err(error) => return error.into_response(),
    };
    let digest = Sha256::digest(&bytes);
    parts.extensions.insert(BodyDigest(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()));
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request's `Idempotency-Key`, if it has one.
///
/// # Errors
/// [`Error::Invalid`] for one that cannot be read.
pub fn of(parts: &Parts) -> Result<Option<Once>> {
    let wrong = |message: &str| Error::Invalid(Mistakes::one("Idempotency-Key", message));
    let mut all = parts.headers.get_all(&KEY).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let key = value.to_str().map_err(|_| wrong("takes visible ASCII characters"))?;
    if all.next().is_some() {
        return Err(wrong("may be there once"));
    }
    let body = parts.extensions.get::<BodyDigest>().map(|digest| digest.0.as_str()).unwrap_or_default();
    let digest = format!("{body}{}", parts.uri.path().len());
    Ok((!key.is_empty()).then(|| Once { key: key.to_owned(), digest }))
}
