//! The data about a request that handlers and actions need. It contains no time: a
//! change takes the time inside its transaction, after waiting for other changes.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use super::idempotency::IdempotencyKey;
use super::response_middleware::RequestMeta;
use crate::platform::Label;

/// The client of a request, the request's id and its idempotency key.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The client's IP address, if it is known.
    pub ip: Option<IpAddr>,
    /// The first 120 bytes of `User-Agent`.
    pub user_agent: Option<String>,
    /// The id in the log and in `X-Request-Id`.
    pub request_id: Label,
    /// The key in `Idempotency-Key`. `None` after extraction; the verification of an API request sets it.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The longest part of a `User-Agent` that is kept, in bytes.
const MAX_USER_AGENT: usize = 120;

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    // `to_str` accepts visible ASCII only, so the text can be cut at any byte.
    text.get(..text.len().min(MAX_USER_AGENT)).filter(|text| !text.is_empty()).map(str::to_owned)
}

impl RequestContext {
    /// Reads it from a request.
    #[must_use]
    pub fn from_parts(parts: &Parts) -> Self {
        let arrival = RequestMeta::from_extensions(&parts.extensions);
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
        Ok(Self::from_parts(parts))
    }
}
