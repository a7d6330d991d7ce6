//! The published keys of identity providers: the key set (RFC 7517) that the
//! issuer's metadata names (OpenID Connect Discovery 1.0, section 4), kept in
//! memory. Keys are fetched only for issuers that an organization trusts, at
//! most once a minute when no key verifies a signature, and concurrent requests
//! wait for one fetch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::signature::{SignatureAlgorithm, VerificationKey};
use crate::platform::Timestamp;
use crate::platform::outbound::Outbound;

/// How long keys are used before they are fetched again.
const MAX_KEY_AGE: Duration = Duration::from_secs(600);
/// How long keys are used if they cannot be fetched again.
const MAX_STALE_KEY_AGE: Duration = Duration::from_secs(3600);
/// The shortest time between two fetches because no key verifies a signature,
/// and after a failed fetch.
const REFETCH_INTERVAL: Duration = Duration::from_secs(60);
/// The largest number of usable keys of an issuer. Keys for encryption or of an
/// unknown kind do not count.
const MAX_KEYS: usize = 100;

/// The part of an issuer's metadata that is used.
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    /// Must be equal to the issuer whose metadata was fetched.
    issuer: String,
    /// The URL of the key set.
    jwks_uri: String,
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Fetches an issuer's metadata, then its keys.
async fn fetch(outbound: &Outbound, issuer: &str) -> Result<Vec<VerificationKey>, String> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let found: Metadata = outbound.json(&address).await.map_err(|error| format!("{address}: {error}"))?;
    if found.issuer != issuer {
        return Err(format!(
            "{address}: The metadata names the issuer “{}”. Enter exactly that issuer.",
            found.issuer
        ));
    }
    let address = found.jwks_uri;
    let keys: KeySet = outbound.json(&address).await.map_err(|error| format!("{address}: {error}"))?;
    // Keys of an unknown kind are ignored, so that the others can be used.
    let usable: Vec<_> = keys.keys.iter().filter_map(VerificationKey::from_jwk).take(MAX_KEYS).collect();
    if usable.is_empty() {
        return Err(format!(
            "{address}: No key can be used. Supported keys are RSA with 2048 to 4096 bits, EC with P-256, P-384 or P-521, and Ed25519."
        ));
    }
    Ok(usable)
}

/// Checks that an issuer can be used: fetches its metadata and keys.
///
/// # Errors
/// A message that says what was fetched and what the answer was.
pub async fn check_issuer(outbound: &Outbound, issuer: &str) -> Result<(), String> {
    fetch(outbound, issuer).await.map(drop)
}

/// The keys of one issuer, with the times of their fetches.
#[derive(Debug, Default)]
struct IssuerKeys {
    /// A new allocation after each fetch, so that pointers tell fetches apart.
    keys: Arc<[VerificationKey]>,
    fetched_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    /// The last fetch because no key verified a signature.
    searched_at: Option<Timestamp>,
}

impl IssuerKeys {
    /// Fetches the issuer's keys and records the outcome.
    async fn fetch(&mut self, outbound: &Outbound, issuer: &str, now: Timestamp) -> Result<(), String> {
        match fetch(outbound, issuer).await {
            Ok(keys) => {
                self.keys = keys.into();
                self.fetched_at = Some(now);
                Ok(())
            }
            Err(text) => {
                self.failed_at = Some(now);
                tracing::warn!(issuer, text, "an identity provider does not answer as it should");
                Err(text)
            }
        }
    }

    fn is_within(at: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
        at.is_some_and(|at| now.since(at) < span)
    }
}

/// The result of checking a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureCheck {
    /// A key of the issuer verifies the signature.
    Verified,
    /// Keys with the right id and algorithm do not verify the signature.
    Invalid,
    /// The issuer publishes no key with the right id and algorithm.
    UnknownKey,
}

/// The keys of all issuers that were used since the start. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<IssuerKeys>>>>>);

impl Issuers {
    /// Checks a signature with the keys of a trusted issuer. `id` and `algorithm`
    /// select the keys; `verifies` checks the signature with one of them. If no
    /// key verifies it, the issuer may have replaced its keys, even under the
    /// same id, so they are fetched again, at most once a minute. Concurrent
    /// calls wait for that fetch.
    ///
    /// # Errors
    /// A message for the client, if the keys cannot be fetched and there are none
    /// that are younger than an hour.
    pub async fn check_signature(
        &self,
        outbound: &Outbound,
        issuer: &str,
        (id, algorithm): (Option<&str>, SignatureAlgorithm),
        now: Timestamp,
        verifies: impl Fn(&VerificationKey) -> bool,
    ) -> Result<SignatureCheck, String> {
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(issuer.to_owned()).or_default().clone()
        };
        let mut found = SignatureCheck::UnknownKey;
        let mut seen = None;
        loop {
            let keys = {
                let mut known = known.lock().await;
                let is_first = seen.is_none();
                let is_old = !IssuerKeys::is_within(known.fetched_at, MAX_KEY_AGE, now);
                // Another request may have fetched them since this one looked.
                let is_new = seen.as_ref().is_some_and(|seen| !Arc::ptr_eq(seen, &known.keys));
                let searches =
                    !is_first && !is_new && !IssuerKeys::is_within(known.searched_at, REFETCH_INTERVAL, now);
                let mut error = None;
                if ((is_first && is_old) || searches)
                    && !IssuerKeys::is_within(known.failed_at, REFETCH_INTERVAL, now)
                {
                    if searches {
                        known.searched_at = Some(now);
                    }
                    error = known.fetch(outbound, issuer, now).await.err();
                }
                if !IssuerKeys::is_within(known.fetched_at, MAX_STALE_KEY_AGE, now) {
                    let error = error.unwrap_or_else(|| {
                        "It did not answer a moment ago. Try again in a minute.".to_owned()
                    });
                    return Err(format!("The keys of the identity provider are not available. {error}"));
                }
                known.keys.clone()
            };
            if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &keys)) {
                return Ok(found);
            }
            // Outside the lock, so that other requests do not wait for this computation.
            for key in keys.iter().filter(|key| key.may_have_signed(id, algorithm)) {
                if verifies(key) {
                    return Ok(SignatureCheck::Verified);
                }
                found = SignatureCheck::Invalid;
            }
            seen = Some(keys);
        }
    }
}
