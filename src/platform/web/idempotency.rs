//! Idempotency keys: a request that is sent twice is carried out once. This module
//! reads the key from the header `Idempotency-Key` or from a form, with a digest of
//! the request, so that a different request with the same key can be refused.
//! `audit::idempotency` stores the outcome.

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::body;
use super::form::Form;
use crate::platform::digest::digest_parts;
use crate::platform::text::too_long;
use crate::platform::{Error, Result, ValidationErrors};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest accepted key, in bytes.
const MAX_LENGTH: usize = 200;

/// The idempotency key of a request, with the digest of the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// The key that the client or the form chose.
    pub key: String,
    /// The first 16 bytes of a SHA-256 hash in hexadecimal: of method, path and
    /// body, or of the fields of a form.
    pub digest: String,
}

impl IdempotencyKey {
    /// Reads the key of a request to the API; `None` without the header. The
    /// middleware [`digest_request`] must have run before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that is malformed or too long.
    pub fn from_request(parts: &Parts) -> Result<Option<Self>> {
        let invalid = |message: &str| Error::Invalid(ValidationErrors::one("Idempotency-Key", message));
        let mut values = parts.headers.get_all(&HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key =
            value.to_str().map_err(|_| invalid("Use only visible ASCII characters in Idempotency-Key."))?;
        if values.next().is_some() {
            return Err(invalid("Send Idempotency-Key only once."));
        }
        if key.len() > MAX_LENGTH {
            return Err(invalid(&too_long("Idempotency-Key", MAX_LENGTH, key.len())));
        }
        let digest = parts.extensions.get::<RequestDigest>().map(|digest| digest.0.clone());
        let digest = digest.unwrap_or_default();
        Ok((!key.is_empty()).then(|| Self { key: key.to_owned(), digest }))
    }

    /// Reads the key of a form: the random `nonce` that the page put into it.
    /// `None` for a form without one.
    #[must_use]
    pub fn from_form(form: &Form) -> Option<Self> {
        let key = form.filled("nonce").filter(|key| key.len() <= MAX_LENGTH)?;
        let digest = digest_parts(form.pairs().flat_map(|(name, value)| [name, value]));
        Some(Self { key, digest: hex(digest) })
    }
}

/// The digest of a request, stored in its extensions.
#[derive(Clone, Debug)]
struct RequestDigest(String);

/// Middleware that computes the digest of requests with an `Idempotency-Key`.
pub async fn digest_request(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(&HEADER) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let bytes = match body::read(body).await {
        Ok(bytes) => bytes,
        Err(error) => return error.into_response(),
    };
    let digest = digest_parts([parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &bytes]);
    parts.extensions.insert(RequestDigest(hex(digest)));
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// The first half of a digest, in hexadecimal.
fn hex(digest: [u8; 32]) -> String {
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
