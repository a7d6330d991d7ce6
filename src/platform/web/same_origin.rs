//! Protection against cross-site request forgery: an unsafe request to a page must
//! prove by `Sec-Fetch-Site` or `Origin` that it comes from a page of this site.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower_http::csrf::CsrfLayer;

use crate::platform::Error;

/// The middleware of the library, which checks the two headers. It accepts requests
/// without them; [`require_origin`] refuses those.
#[must_use]
pub fn layer() -> CsrfLayer {
    CsrfLayer::new()
}

/// Middleware that refuses unsafe requests without `Sec-Fetch-Site` and `Origin`.
pub async fn require_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if request.method().is_safe() || headers.contains_key("sec-fetch-site") || headers.contains_key("origin")
    {
        next.run(request).await
    } else {
        Error::Forbidden(
            "Send this form from a page of this site. In a program, use the API with a token.".to_owned(),
        )
        .into_response()
    }
}
