//! `ETag` and `If-Match` (RFC 9110, 8.8.3 and 13.1.1): a client can make an edit
//! depend on the version that it read. The version of an object is its tag.

use std::convert::Infallible;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::platform::{Error, Result};

/// A response with status 200, this body and the `ETag` of this version.
pub fn tagged(version: impl std::fmt::Display, body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The tag in `If-Match`; `None` without the header and for `*`.
#[derive(Clone, Debug, Default)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// The tag as a version number. A malformed tag yields -1, which no object has.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        self.0.as_ref().map(|tag| tag.parse().unwrap_or(-1))
    }

    /// The tag as text, without quotes.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Converts the error of an edit of another version: 412 if the request has
    /// `If-Match`, 409 otherwise.
    ///
    /// # Errors
    /// The converted error of the edit.
    pub fn map_stale_error<T>(&self, edited: Result<T>) -> Result<T> {
        edited.map_err(|error| match error {
            Error::Stale(text) if self.0.is_some() => Error::Precondition(text),
            other => other,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut all = parts.headers.get_all(IF_MATCH).iter();
        let Some(value) = all.next() else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" && all.next().is_none() {
            return Ok(Self(None));
        }
        // A weak or malformed tag never matches.
        let tag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        Ok(Self(Some(tag.to_owned())))
    }
}
