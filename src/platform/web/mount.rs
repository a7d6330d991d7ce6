//! Installations below a path: `public_url` is `https://host/tessera`.
//!
//! All routes and links are written for the root. This module removes the path from
//! the URL of a request (a proxy may already have removed it), and adds it to the
//! links of pages and to redirects. An installation at the root skips all of this.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use axum::http::uri::{PathAndQuery, Uri};
use axum::response::Response;

/// The HTML attributes that contain a path. `action` also matches `formaction`.
const ATTRIBUTES: [&str; 3] = ["href=\"/", "src=\"/", "action=\"/"];

/// The path of a URL like `https://host/tessera`; empty at the root.
#[must_use]
pub fn base_path_of(public_url: &str) -> &str {
    let host = public_url.find("://").map_or(0, |at| at + 3);
    public_url[host..].find('/').map_or("", |at| &public_url[host + at..])
}

/// Removes the path from the URL of a request.
pub(in crate::platform) fn remove_base_path(base: &str, request: &mut Request) {
    let uri = request.uri();
    let Some(rest) = uri.path_and_query().and_then(|it| it.as_str().strip_prefix(base)) else { return };
    let rest = match rest.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'/') => rest.to_owned(),
        Some(b'?') => format!("/{rest}"),
        // `/tesserae` is a different path.
        Some(_) => return,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(rest).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Prevents the compression of a page, because its links must still be changed. The
/// proxy in front of the installation can compress it.
pub(in crate::platform) fn disable_compression(request: &mut Request) {
    if !request.uri().path().starts_with("/assets/") {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
}

/// Adds the path to the links and the redirect of a response.
pub(in crate::platform) async fn add_base_path(base: &str, mut response: Response) -> Response {
    let own = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    if let Some(to) = own
        && to.starts_with('/')
        && !to.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && let Ok(to) = HeaderValue::try_from(format!("{base}{to}"))
    {
        response.headers_mut().insert(LOCATION, to);
    }
    let is_page =
        response.headers().get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Pages are complete strings, so this does not wait.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    for attribute in ATTRIBUTES {
        let own = attribute.replace('/', &format!("{base}/"));
        text = text.replace(attribute, &own);
    }
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_installation_is_what_follows_the_host() {
        assert_eq!(base_path_of("https://id.acme.test"), "");
        assert_eq!(base_path_of("https://acme.test:8443/tessera"), "/tessera");
        assert_eq!(base_path_of("http://acme.test/a/b"), "/a/b");
    }

    #[test]
    fn a_request_is_answered_with_and_without_the_path() {
        for (asked, answered) in [
            ("/tessera/orgs/acme?q=1", "/orgs/acme?q=1"),
            ("/tessera", "/"),
            ("/tessera/", "/"),
            ("/tessera?code=x", "/?code=x"),
            ("/orgs/acme", "/orgs/acme"),
            ("/tesserae/x", "/tesserae/x"),
        ] {
            let mut request = Request::get(asked).body(Body::empty()).expect("a request");
            remove_base_path("/tessera", &mut request);
            assert_eq!(request.uri().to_string(), answered);
        }
    }
}
