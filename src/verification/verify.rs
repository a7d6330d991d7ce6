//! The hot path: from the value of a token to a [`VerifiedToken`] with everything
//! that `decide` must know. A wrong checksum costs no database work; a right one
//! is looked up in the cache first. Ends, IP addresses and policies are checked
//! anew for every request.

use std::net::IpAddr;

use axum::http::request::Parts;

use super::credentials::presented;
use super::loader;
use super::principal::{Principal, VerifiedToken, passed};
use super::token_format::PlainToken;
use super::verifier::Verifier;
use crate::access::{Policy, TokenKind};
use crate::platform::rate_limits::Admission;
use crate::platform::web::{IdempotencyKey, RequestContext};
use crate::platform::{Error, Result};

const REFUSED: Error = Error::Unauthenticated { presented: true };

/// Refuses a value, and records that in the audit log where it belongs to a token.
async fn refuse(verifier: &Verifier, value: &PlainToken, request: &RequestContext) -> Result<VerifiedToken> {
    Box::pin(verifier.refused_tokens.record(&verifier.context, value, request)).await;
    Err(REFUSED)
}

/// Looks a value up, and refuses it if anything that it depends on has ended.
///
/// # Errors
/// [`Error::Unauthenticated`] for one that is not good, [`Error::Forbidden`]
/// for one that is used from outside its IP allow-list; when the database cannot.
pub async fn verify(
    verifier: &Verifier,
    value: &PlainToken,
    request: RequestContext,
) -> Result<VerifiedToken> {
    // A service secret opens the verification endpoints and nothing else.
    if value.kind() == TokenKind::ServiceSecret {
        return Err(REFUSED);
    }
    let (hash, now) = (value.hash(), verifier.context.clock.now());
    let facts = match verifier.cache.tokens.get(verifier.context.db.invalidations(), &hash, now) {
        Some(facts) => facts,
        // On the heap: a cache hit needs no room for the way to the database.
        None => match Box::pin(loader::load_token(verifier, value, hash, now)).await? {
            Some(facts) => facts,
            None => return refuse(verifier, value, &request).await,
        },
    };
    if passed(facts.expires_at, now) {
        return refuse(verifier, value, &request).await;
    }
    if !facts.addresses.iter().all(|list| list.allows(request.ip)) {
        return Err(ip_refused(request.ip));
    }
    if let Principal::Machine(machine) = &facts.principal {
        ensure_ip_allowed(&machine.organization.policy, request.ip)?;
    }
    let (kind, hint) = (value.kind(), value.hint());
    Ok(VerifiedToken { facts, value: hash, at: now, kind, hint, request })
}

/// [`verify`] for what counts as a request with the token.
///
/// # Errors
/// As [`verify`]; [`Error::TooMany`] above the limits.
pub async fn verify_rate_limited(
    verifier: &Verifier,
    value: &PlainToken,
    request: RequestContext,
) -> Result<VerifiedToken> {
    let token = verify(verifier, value, request).await?;
    match admit(verifier, &token).await? {
        Admission::AtOnce => Ok(token),
        // It may have ended meanwhile.
        Admission::Waited => verify(verifier, value, token.request).await,
    }
}

/// Counts a request with a token, for its person and for the token itself. An
/// access token counts as what it was exchanged for.
async fn admit(verifier: &Verifier, token: &VerifiedToken) -> Result<Admission> {
    let person = match &token.principal {
        Principal::Person { id, .. } => verifier.rate_limits.admit_person(*id).await?,
        Principal::Machine(_) => Admission::AtOnce,
    };
    let counted = token.source.as_ref().map_or(token.token, |source| source.0);
    let own = verifier.rate_limits.admit_token(counted).await?;
    Ok(if own == Admission::Waited { own } else { person })
}

/// Verifies the token of a request to the API. The caller records its use.
///
/// # Errors
/// As [`verify_rate_limited`]; [`Error::Invalid`] for an `Idempotency-Key` that
/// cannot be read.
pub async fn verify_request(verifier: &Verifier, parts: &Parts) -> Result<VerifiedToken> {
    let request = RequestContext::of(parts);
    let ip = request.ip;
    let verified = match presented(&parts.headers) {
        Ok(value) => verify_rate_limited(verifier, &value, request).await,
        Err(error) => Err(error),
    };
    let mut token = verified.map_err(|error| verifier.rate_limits.count_failure(ip, error))?;
    token.request.idempotency_key = IdempotencyKey::of(parts)?;
    Ok(token)
}

/// Checks an IP address against what an organization's policy allows.
///
/// # Errors
/// [`Error::Forbidden`] from elsewhere.
pub fn ensure_ip_allowed(policy: &Policy, ip: Option<IpAddr>) -> Result<()> {
    if policy.ip_allowed(ip) { Ok(()) } else { Err(ip_refused(ip)) }
}

/// The error for a token that is used from outside its IP allow-list.
#[must_use]
pub fn ip_refused(ip: Option<IpAddr>) -> Error {
    let ip = ip.map_or_else(|| "an unknown IP address".to_owned(), |ip| ip.to_string());
    Error::Forbidden(format!("This token cannot be used from {ip}."))
}
