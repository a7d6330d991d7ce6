//! Reads request bodies, with a limit for their size and a timeout. Forms and JSON
//! bodies are read here only.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::platform::{Error, Result};

/// The longest accepted body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a whole body.
///
/// # Errors
/// [`Error::Malformed`] if the body is incomplete, too long or too slow.
pub async fn read(body: Body) -> Result<Bytes> {
    match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        _ => Err(Error::Malformed(
            "The body is incomplete or longer than 64 KB. Send a complete, shorter one.".to_owned(),
        )),
    }
}
