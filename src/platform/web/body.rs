//! Bodies: the one place where one is read, as far as is taken.

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Limited};

use crate::platform::{Error, Result};

/// The longest body that is taken, in bytes.
pub const MOST: usize = 64 * 1024;

/// The whole of a body.
///
/// # Errors
/// [`Error::Malformed`] for one that breaks off or is too long.
pub async fn read(body: Body) -> Result<Bytes> {
    match Limited::new(body, MOST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(Error::Malformed("The body did not arrive whole, or is too long.".to_owned())),
    }
}
