//! Answers of pages.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};

use crate::platform::Error;

/// A rendered template.
pub fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => Error::internal(error).into_response(),
    }
}

/// 303 to an address of this site: the one place that redirects. Anything else
/// leads home.
#[must_use]
pub fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(safe_next(to)).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// The address, if it is a path of this site; `/` otherwise. `//host`,
/// `/\host` and control characters (which browsers drop) are not paths.
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
