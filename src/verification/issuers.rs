//! Issuers of identities: what they say of themselves (OpenID Connect Discovery
//! 1.0, section 4), and their keys (RFC 7517), kept in memory for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::signature::{SignatureAlgorithm, VerificationKey};
use crate::platform::Timestamp;
use crate::platform::outbound::Outbound;

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(600);
/// How long they are still used where the issuer cannot be asked.
const STALE: Duration = Duration::from_secs(3600);
/// For signatures that no known key verifies an issuer is asked at most once in
/// this span, whatever is presented; after a failure as well.
const WINDOW: Duration = Duration::from_secs(60);
/// How many usable keys of an issuer are tried. Others, for encryption or of
/// kinds that are not known here, are left out before they are counted.
const MOST: usize = 100;

/// What is read of an issuer's metadata.
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    /// Must be the issuer itself.
    issuer: String,
    /// Where its keys are.
    jwks_uri: String,
}

#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

/// Fetches an issuer's metadata, then its keys.
async fn fetch(outbound: &Outbound, issuer: &str) -> Result<Vec<VerificationKey>, String> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let found: Metadata = outbound.json(&address).await.map_err(|told| format!("{address}: {told}"))?;
    if found.issuer != issuer {
        return Err(format!(
            "{address}: The metadata names the issuer “{}”. Enter exactly that issuer.",
            found.issuer
        ));
    }
    let address = found.jwks_uri;
    let keys: Keys = outbound.json(&address).await.map_err(|told| format!("{address}: {told}"))?;
    // A key of a kind that is not known here is no reason to refuse the others.
    let usable: Vec<_> = keys.keys.iter().filter_map(VerificationKey::from_jwk).take(MOST).collect();
    if usable.is_empty() {
        return Err(format!(
            "{address}: No key can be used. Supported keys are RSA with 2048 to 4096 bits, EC with P-256, P-384 or P-521, and Ed25519."
        ));
    }
    Ok(usable)
}

/// Tries an issuer: its metadata, and that it has keys to verify with.
///
/// # Errors
/// A sentence: what was asked and what came back.
pub async fn try_out(outbound: &Outbound, issuer: &str) -> Result<(), String> {
    fetch(outbound, issuer).await.map(drop)
}

/// What is known of one issuer.
#[derive(Debug, Default)]
struct Known {
    /// Another allocation after each fetch, also of the same keys.
    keys: Arc<[VerificationKey]>,
    fetched_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    /// When it was last asked because no key verified a signature.
    searched_at: Option<Timestamp>,
}

impl Known {
    /// Asks the issuer for its keys.
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

/// What was found out about a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// A key of the issuer made it.
    Verified,
    /// Keys that fit did not make it.
    Wrongly,
    /// No key fits.
    Unknown,
}

/// The keys of issuers, in memory. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>>);

impl Issuers {
    /// Whether one of the keys of a trusted issuer verifies a signature by `id`
    /// with `algorithm`, as `verifies` says. If none does, the issuer may have
    /// replaced its keys, even under the same name: it is asked again, once a
    /// minute at most. Who comes meanwhile waits for that one answer.
    ///
    /// # Errors
    /// A sentence, where the issuer cannot be asked and nothing recent is known.
    pub async fn check(
        &self,
        outbound: &Outbound,
        issuer: &str,
        (id, algorithm): (Option<&str>, SignatureAlgorithm),
        now: Timestamp,
        verifies: impl Fn(&VerificationKey) -> bool,
    ) -> Result<Signed, String> {
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(issuer.to_owned()).or_default().clone()
        };
        let mut found = Signed::Unknown;
        let mut seen = None;
        loop {
            let keys = {
                let mut known = known.lock().await;
                let is_first = seen.is_none();
                let is_old = !Known::is_within(known.fetched_at, FRESH, now);
                // Another request may have fetched them since this one looked.
                let is_new = seen.as_ref().is_some_and(|seen| !Arc::ptr_eq(seen, &known.keys));
                let searches = !is_first && !is_new && !Known::is_within(known.searched_at, WINDOW, now);
                let mut told = None;
                if ((is_first && is_old) || searches) && !Known::is_within(known.failed_at, WINDOW, now) {
                    if searches {
                        known.searched_at = Some(now);
                    }
                    told = known.fetch(outbound, issuer, now).await.err();
                }
                if !Known::is_within(known.fetched_at, STALE, now) {
                    let told = told.unwrap_or_else(|| {
                        "It did not answer a moment ago. Try again in a minute.".to_owned()
                    });
                    return Err(format!("The keys of the identity provider are not available. {told}"));
                }
                known.keys.clone()
            };
            if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &keys)) {
                return Ok(found);
            }
            // Not under the lock: others need not wait for this computation.
            for key in keys.iter().filter(|key| key.fits(id, algorithm)) {
                if verifies(key) {
                    return Ok(Signed::Verified);
                }
                found = Signed::Wrongly;
            }
            seen = Some(keys);
        }
    }
}
