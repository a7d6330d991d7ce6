//! Verification, the hot path: from the value of a token to a [`VerifiedToken`]
//! with everything that `decide` needs. A value with a wrong checksum is refused
//! without database work; others are looked up in the cache first. Expiry, IP
//! allow-lists and policies are checked for every request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;

use super::credentials::read_token;
use super::loader;
use super::principal::{Principal, TokenFacts, VerifiedToken, has_ended};
use super::refused_tokens::RefusedToken;
use super::token_format::PlainToken;
use super::usage::{Check, CountedCall, Outcome};
use super::verifier::Verifier;
use crate::access::{Policy, TokenKind};
use crate::platform::rate_limits::Admission;
use crate::platform::web::{IdempotencyKey, RequestContext};
use crate::platform::{Error, Result};

const REFUSED: Error = Error::Unauthenticated { presented: true };

/// Why a value cannot be used.
#[derive(Debug)]
pub enum Refusal {
    /// It is not valid. If it belongs to a token, that is known.
    Value(Option<Arc<RefusedToken>>),
    /// Its token cannot be used from the IP address of the request.
    Address(Arc<TokenFacts>, Option<IpAddr>),
}

/// Looks a value up: its token, source and principal must exist and be active, and all IP allow-lists must allow
/// the request. If a refused value belongs to a token, the audit log records the refusal.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn look_up(
    verifier: &Verifier,
    value: &PlainToken,
    request: RequestContext,
) -> Result<Result<VerifiedToken, Refusal>> {
    // A service secret authenticates at the verification endpoints only.
    if value.kind() == TokenKind::ServiceSecret {
        return Ok(Err(Refusal::Value(None)));
    }
    let (hash, now) = (value.hash(), verifier.context.clock.now());
    let known = match verifier.cache.tokens.get(verifier.context.db.invalidations(), &hash, now) {
        Some(facts) => Some(facts),
        // Boxed, so that the future of a cache hit stays small.
        None => Box::pin(loader::load_token(verifier, value, hash, now)).await?,
    };
    let Some(facts) = known.filter(|facts| !has_ended(facts.expires_at, now)) else {
        let token = Box::pin(verifier.refused_tokens.record(&verifier.context, value, &request)).await;
        return Ok(Err(Refusal::Value(token)));
    };
    let lists_allow = facts.addresses.iter().all(|list| list.allows(request.ip));
    let policy_allows = match &facts.principal {
        Principal::Machine(machine) => machine.organization.policy.ip_allowed(request.ip),
        Principal::Person { .. } => true,
    };
    if !lists_allow || !policy_allows {
        return Ok(Err(Refusal::Address(facts, request.ip)));
    }
    let (kind, hint) = (value.kind(), value.hint());
    Ok(Ok(VerifiedToken { facts, value: hash, at: now, kind, hint, request }))
}

/// What is known about a value that works, whatever the IP address. Nothing is recorded: the value was not presented.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn load_facts(verifier: &Verifier, value: &PlainToken) -> Result<Option<Arc<TokenFacts>>> {
    let (hash, now) = (value.hash(), verifier.context.clock.now());
    let facts = match verifier.cache.tokens.get(verifier.context.db.invalidations(), &hash, now) {
        Some(facts) => Some(facts),
        None => loader::load_token(verifier, value, hash, now).await?,
    };
    Ok(facts.filter(|facts| !has_ended(facts.expires_at, now)))
}

/// Verifies a value that was presented to Tessera itself, and counts a refusal.
///
/// # Errors
/// [`Error::Unauthenticated`] for an invalid value, [`Error::Forbidden`] for an
/// IP address that is not allowed; when the database cannot.
pub async fn verify(
    verifier: &Verifier,
    value: &PlainToken,
    request: RequestContext,
) -> Result<VerifiedToken> {
    let address = request.ip;
    let (counted, organization, outcome, error) = match look_up(verifier, value, request).await? {
        Ok(token) => return Ok(token),
        Err(Refusal::Value(None)) => return Err(REFUSED),
        Err(Refusal::Value(Some(token))) => (token.value, token.organization, token.outcome, REFUSED),
        Err(Refusal::Address(facts, ip)) => {
            let counted = facts.counted_value(value.kind());
            (counted, facts.principal.organization(), Outcome::Address, ip_refused(ip))
        }
    };
    let check = Check::refused(outcome);
    verifier.usage.record_refused(Some(counted), CountedCall { organization, address, service: None, check });
    Err(error)
}

/// Verifies a value, and counts the request for the rate limits of the token and
/// its person.
///
/// # Errors
/// As [`verify`]; [`Error::TooMany`] above a limit.
pub async fn verify_rate_limited(
    verifier: &Verifier,
    value: &PlainToken,
    request: RequestContext,
) -> Result<VerifiedToken> {
    let token = verify(verifier, value, request).await?;
    match admit(verifier, &token).await? {
        Admission::AtOnce => Ok(token),
        // The token may have been revoked while the request waited.
        Admission::Waited => verify(verifier, value, token.request).await,
    }
}

/// Counts a request for the token's person and for the token. A request with an
/// access token counts for the token for which it was exchanged.
async fn admit(verifier: &Verifier, token: &VerifiedToken) -> Result<Admission> {
    let person = match &token.facts().principal {
        Principal::Person { id, .. } => verifier.rate_limits.admit_person(*id).await?,
        Principal::Machine(_) => Admission::AtOnce,
    };
    let counted = token.facts().source.as_ref().map_or(token.facts().token, |source| source.0);
    let token_admission = verifier.rate_limits.admit_token(counted).await?;
    Ok(if token_admission == Admission::Waited { token_admission } else { person })
}

/// Verifies the token in the `Authorization` header of a request to the API. The
/// caller must record the usage.
///
/// # Errors
/// As [`verify_rate_limited`]; [`Error::Invalid`] for an `Idempotency-Key` that
/// is malformed.
pub async fn verify_request(verifier: &Verifier, parts: &Parts) -> Result<VerifiedToken> {
    let request = RequestContext::from_parts(parts);
    let ip = request.ip;
    let verified = match read_token(&parts.headers) {
        Ok(value) => verify_rate_limited(verifier, &value, request).await,
        Err(error) => Err(error),
    };
    let mut token = verified.map_err(|error| verifier.rate_limits.count_failure(ip, error))?;
    token.request.idempotency_key = IdempotencyKey::from_request(parts)?;
    Ok(token)
}

/// Checks that the organization's policy allows an IP address.
///
/// # Errors
/// [`Error::Forbidden`] if it does not.
pub fn ensure_ip_allowed(policy: &Policy, ip: Option<IpAddr>) -> Result<()> {
    if policy.ip_allowed(ip) { Ok(()) } else { Err(ip_refused(ip)) }
}

/// The error for a token that is used from an IP address that is not allowed.
#[must_use]
pub fn ip_refused(ip: Option<IpAddr>) -> Error {
    let ip = ip.map_or_else(|| "an unknown IP address".to_owned(), |ip| ip.to_string());
    Error::Forbidden(format!("This token cannot be used from {ip}."))
}
