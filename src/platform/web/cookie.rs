//! Reads and writes cookies other than the session's. Every cookie is HttpOnly,
//! SameSite=Lax and valid for the whole site, and Secure if `public_url` is https.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, Entry, HeaderValue, SET_COOKIE};
use axum::middleware::Next;
use axum::response::Response;

use crate::config::Config;
use crate::platform::Context;

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieLifetime {
    /// Until the browser is closed.
    Session,
    /// For this duration (`Max-Age`, in seconds).
    For(Duration),
    /// The browser deletes the cookie.
    Gone,
}

/// Adds a cookie to a response. Name and value must be visible ASCII without `;`.
pub fn set(response: &mut Response, config: &Config, (name, value): (&str, &str), lasts: CookieLifetime) {
    let secure = if config.https() { "; Secure" } else { "" };
    let age = match lasts {
        CookieLifetime::Session => String::new(),
        CookieLifetime::For(age) => format!("; Max-Age={}", age.as_secs()),
        CookieLifetime::Gone => "; Max-Age=0".to_owned(),
    };
    let cookie = format!("{name}={value}; Path=/{age}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Middleware that adds missing attributes to the cookies of a response. The
/// session library deletes its cookie without them, which browsers reject for a
/// `__Host-` cookie.
pub async fn add_missing_attributes(
    State(context): State<Context>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Entry::Occupied(mut cookies) = response.headers_mut().entry(SET_COOKIE) {
        for cookie in cookies.iter_mut() {
            let mut text = cookie.to_str().unwrap_or_default().to_owned();
            let secure = if context.config.https() { "; Secure" } else { "" };
            for attribute in ["; HttpOnly", "; SameSite=Lax", secure] {
                if !text.contains(attribute) {
                    text += attribute;
                }
            }
            if let Ok(whole) = HeaderValue::from_str(&text) {
                *cookie = whole;
            }
        }
    }
    response
}

/// The value of the request's cookie with this name.
#[must_use]
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("theme2=x; theme=dark;other=a=b"));
        headers.append(COOKIE, HeaderValue::from_static("last=z"));
        for (name, value) in [
            ("theme", Some("dark")),
            ("other", Some("a=b")),
            ("last", Some("z")),
            ("them", None),
            ("none", None),
        ] {
            assert_eq!(get(&headers, name), value, "{name}");
        }
    }
}
