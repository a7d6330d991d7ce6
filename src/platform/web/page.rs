//! The responses of pages: HTML from a template, and redirects, which lead only to
//! paths of this site.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};

use crate::platform::Error;

/// A response with a rendered template.
pub fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => Error::internal(error).into_response(),
    }
}

/// A 303 redirect to a path of this site. Any other target is replaced by `/`.
#[must_use]
pub fn redirect(to: impl AsRef<str>) -> Response {
    let to = HeaderValue::from_str(safe_next(to.as_ref())).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// Returns `to` if it is a path of this site, and `/` otherwise, to prevent open
/// redirects. `//host`, `/\host` and paths with control characters (which browsers
/// ignore) are not paths of this site.
#[must_use]
pub fn safe_next(to: &str) -> &str {
    let path = to.starts_with('/')
        && !to[1..].starts_with(['/', '\\'])
        && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if path { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_site_are_followed() {
        for good in ["/", "/orgs/acme", "/orgs/acme?x=1#y", "/%09/e"] {
            assert_eq!(safe_next(good), good);
        }
        for bad in
            ["", "//e", "/\\e", "https://e", "javascript:x", "/\t/e", " /e", "/a b", "/\n", "orgs", "/ä"]
        {
            assert_eq!(safe_next(bad), "/", "{bad:?}");
        }
    }
}
