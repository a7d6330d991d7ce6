//! Issuers of identities: what they say of themselves (OpenID Connect Discovery
//! 1.0, section 4), and their keys (RFC 7517), kept in memory for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::platform::Timestamp;
use crate::platform::outbound::Outbound;

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(600);
/// How long they are still used where the issuer cannot be asked.
const STALE: Duration = Duration::from_secs(3600);
/// For unknown keys an issuer is asked at most once in this span, whatever is
/// presented; after a failure as well.
const WINDOW: Duration = Duration::from_secs(60);
/// How many keys of an issuer are looked at.
const MOST: usize = 100;
/// The shortest modulus of an RSA key, in bytes: 2048 bits (RFC 7518, 3.3).
const MODULUS: usize = 256;

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
async fn fetch(outbound: &Outbound, issuer: &str) -> Result<Vec<Jwk>, String> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let found: Metadata = outbound.json(&address).await.map_err(|told| format!("{address} {told}"))?;
    if found.issuer != issuer {
        return Err(format!(
            "{address} says that it is “{}”: write the issuer exactly like that",
            found.issuer
        ));
    }
    let address = found.jwks_uri;
    let keys: Keys =
        outbound.json(&address).await.map_err(|told| format!("its keys at {address}: it {told}"))?;
    // A key of a kind that is not known here is no reason to refuse the others.
    let known = keys.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok());
    let usable: Vec<Jwk> = known.filter(verifies).collect();
    if usable.is_empty() {
        return Err(format!("its keys at {address} hold none that could sign (RSA, EC or OKP)"));
    }
    Ok(usable)
}

/// Whether a key is one that verifies signatures: of a public kind, long
/// enough, and not meant for something else.
fn verifies(key: &Jwk) -> bool {
    let purpose = key.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    let operations = key.common.key_operations.as_ref();
    let operation = operations.is_none_or(|all| all.contains(&KeyOperations::Verify));
    let kind = match &key.algorithm {
        AlgorithmParameters::RSA(key) => key.n.len() * 3 / 4 >= MODULUS,
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => true,
        _ => false,
    };
    purpose && operation && kind
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
    keys: Vec<Jwk>,
    fetched_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    /// When it was last asked because of a key that was not known.
    searched_at: Option<Timestamp>,
}

impl Known {
    /// The keys that a signature by `kid` with `algorithm` can be checked with.
    fn fitting(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |key: &&Jwk| {
            let named = match (kid, &key.common.key_id) {
                (Some(wanted), Some(id)) => wanted == id,
                (Some(_), None) => false,
                (None, _) => true,
            };
            let declared =
                key.common.key_algorithm.is_none_or(|it| it.to_string() == format!("{algorithm:?}"));
            named && declared
        };
        let keys = self.keys.iter().filter(fits).filter_map(|key| DecodingKey::from_jwk(key).ok());
        keys.filter(|key| key.family() == algorithm.family()).take(4).collect()
    }

    /// Whether a key is published under this name; any, where none is named.
    fn knows(&self, kid: Option<&str>) -> bool {
        self.keys.iter().any(|key| kid.is_none() || key.common.key_id.as_deref() == kid)
    }

    fn is_within(at: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
        at.is_some_and(|at| now.since(at) < span)
    }
}

/// The keys of issuers, in memory. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>>);

impl Issuers {
    /// The keys of a trusted issuer that fit. An unknown key makes it ask again,
    /// once a minute at most; who comes meanwhile waits for that one answer.
    ///
    /// # Errors
    /// A sentence, where the issuer cannot be asked and nothing recent is known.
    pub async fn keys(
        &self,
        outbound: &Outbound,
        issuer: &str,
        (kid, algorithm): (Option<&str>, Algorithm),
        now: Timestamp,
    ) -> Result<Vec<DecodingKey>, String> {
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(issuer.to_owned()).or_default().clone()
        };
        let mut known = known.lock().await;
        let mut told = None;
        let is_old = !Known::is_within(known.fetched_at, FRESH, now);
        let is_unknown = !known.knows(kid);
        let searches = !is_old && is_unknown && !Known::is_within(known.searched_at, WINDOW, now);
        if (is_old || searches) && !Known::is_within(known.failed_at, WINDOW, now) {
            if searches {
                known.searched_at = Some(now);
            }
            match fetch(outbound, issuer).await {
                Ok(keys) => {
                    known.keys = keys;
                    known.fetched_at = Some(now);
                }
                Err(text) => {
                    known.failed_at = Some(now);
                    tracing::warn!(issuer, text, "an identity provider does not answer as it should");
                    told = Some(text);
                }
            }
        }
        if !Known::is_within(known.fetched_at, STALE, now) {
            let told =
                told.unwrap_or_else(|| "it did not answer a moment ago; it is asked again soon".to_owned());
            return Err(format!("the identity provider's keys are not to be had: {told}"));
        }
        Ok(known.fitting(kid, algorithm))
    }
}
