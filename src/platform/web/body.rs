//! Bodies: the one place where one is read, as far as is taken.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::platform::{Error, Result};

/// The longest body that is taken, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long one may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole of a body.
///
/// # Errors
/// [`Error::Malformed`] for one that breaks off, takes too long, or is too long.
pub async fn read(body: Body) -> Result<Bytes> {
    match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        _ => Err(Error::Malformed(
            "The body is incomplete or longer than 64 KB. Send a complete, shorter one.".to_owned(),
        )),
    }
}
