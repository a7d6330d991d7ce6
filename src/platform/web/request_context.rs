//! What handlers know of the request that they answer. It carries no time: a
//! change takes its moment inside its transaction, after it waited for others.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use super::envelope::RequestMeta;
use super::idempotency::IdempotencyKey;
use crate::platform::Label;

/// Who sent a request, from where, and under which id it is logged.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The client's IP address, where it is known.
    pub ip: Option<IpAddr>,
    /// The first 120 bytes of `User-Agent`.
    pub user_agent: Option<String>,
    /// The id in the log and in `X-Request-Id`.
    pub request_id: Label,
    /// The request's `Idempotency-Key`, where its operation reads one.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The longest part of a `User-Agent` that is kept, in bytes.
const MAX_USER_AGENT: usize = 120;

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    // `to_str` lets visible ASCII through, so any byte ends a character.
    text.get(..text.len().min(MAX_USER_AGENT)).filter(|text| !text.is_empty()).map(str::to_owned)
}

impl RequestContext {
    /// Reads it from a request.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let arrival = RequestMeta::of(&parts.extensions);
        Self {
            ip: arrival.from.0,
            user_agent: user_agent(&parts.headers),
            request_id: arrival.id,
            idempotency_key: None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}
