//! Pages are changed only from our own pages: every unsafe request must say
//! that it comes from here, by `Sec-Fetch-Site`, else by `Origin`.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower_http::csrf::CsrfLayer;

use crate::platform::Error;

/// The library's check. It lets a request pass that has neither header (a
/// program, not a browser); [`demand_origin`] does not.
#[must_use]
pub fn layer() -> CsrfLayer {
    CsrfLayer::new()
}

/// Refuses an unsafe request that does not say where it comes from.
pub async fn demand_origin(request: Request, next: Next) -> Response {
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
