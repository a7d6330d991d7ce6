//! `Idempotency-Key`: a request that is sent twice is carried out once. The key
//! is read here, with a digest of method, path and body, so that another request
//! under the same key is noticed. `audit::idempotency` remembers the outcome.

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::body;
use super::form::Form;
use crate::platform::text::too_long;
use crate::platform::{Error, Result, ValidationErrors};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in bytes.
const MAX_LENGTH: usize = 200;

/// The key of a request, and the digest of the request itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// As the client chose it.
    pub key: String,
    /// Of method, path and body, in hexadecimal.
    pub digest: String,
}

impl IdempotencyKey {
    /// The key of a request to the API; `None` without the header.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that cannot be read or is too long.
    pub fn of(parts: &Parts) -> Result<Option<Self>> {
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

    /// The key of a form that a person submits: the page gave it a fresh `nonce`.
    /// `None` for a form without one.
    #[must_use]
    pub fn of_form(form: &Form) -> Option<Self> {
        let key = form.filled("nonce").filter(|key| key.len() <= MAX_LENGTH)?;
        let mut digest = Sha256::new();
        for part in form.pairs().flat_map(|(name, value)| [name, value]) {
            add(&mut digest, part.as_bytes());
        }
        Some(Self { key, digest: hex(digest) })
    }
}

/// The digest of a request, among its extensions.
#[derive(Clone, Debug)]
struct RequestDigest(String);

/// Middleware that digests requests with an `Idempotency-Key`.
pub async fn digest_request(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(&HEADER) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let bytes = match body::read(body).await {
        Ok(bytes) => bytes,
        Err(error) => return error.into_response(),
    };
    let mut digest = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &bytes] {
        add(&mut digest, part);
    }
    parts.extensions.insert(RequestDigest(hex(digest)));
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// Adds a part with its length, so that no two lists of parts look alike.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update(u64::try_from(part.len()).unwrap_or(0).to_be_bytes());
    digest.update(part);
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
