//! The credential that a request presents in its `Authorization` header
//! (RFC 6750, RFC 7617). Tokens are read from nowhere else: not from the query
//! and not from a cookie.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::token_format::PlainToken;
use crate::platform::{Error, Result};

/// Reads the token that a request presents in its only `Authorization` header:
/// `Bearer <token>`, `Token <token>`, or Basic with the token as the password.
///
/// # Errors
/// [`Error::Unauthenticated`] if there is no header, more than one, or one that
/// contains no well-formed token.
pub fn read_token(headers: &HeaderMap) -> Result<PlainToken> {
    read_token_from(headers, &AUTHORIZATION).map(|(_, token)| token)
}

/// Reads a token from another header, with the user name if the credentials are
/// Basic.
///
/// # Errors
/// As [`read_token`].
pub(super) fn read_token_from(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<(Option<String>, PlainToken)> {
    let mut all = headers.get_all(name).iter();
    let Some(header) = all.next() else { return Err(Error::Unauthenticated { presented: false }) };
    let bad = Error::Unauthenticated { presented: true };
    if all.next().is_some() {
        return Err(bad);
    }
    header.to_str().ok().and_then(parse_credential).ok_or(bad)
}

/// Reads the client credentials of an OAuth request (RFC 6749, 2.3.1): id and
/// secret. `None` without an `Authorization` header, `Some(None)` if the header
/// contains no valid Basic credentials.
#[must_use]
pub fn read_client_credentials(headers: &HeaderMap) -> Option<Option<(String, PlainToken)>> {
    headers.get(AUTHORIZATION)?;
    let read = read_token_from(headers, &AUTHORIZATION).ok();
    Some(read.and_then(|(user, token)| user.map(|user| (user, token))))
}

/// Decodes form encoding: `%5F` becomes `_`.
fn form_decode(text: &str) -> String {
    let pair = format!("x={text}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn parse_credential(header: &str) -> Option<(Option<String>, PlainToken)> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") {
        return PlainToken::parse(rest).map(|token| (None, token));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = zeroize::Zeroizing::new(STANDARD.decode(rest).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        // OAuth clients form-encode both values (RFC 6749, 2.3.1). Ids and tokens of
        // other clients contain no character that decoding would change.
        let plain = |text: &str| zeroize::Zeroizing::new(form_decode(text));
        return PlainToken::parse(&plain(password)).map(|token| (Some(plain(user).to_string()), token));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::TokenKind;
    use crate::platform::Random;

    #[test]
    fn a_token_is_taken_from_one_authorization_header_in_three_forms() {
        let token = PlainToken::generate(TokenKind::ServiceAccount, &Random::seeded(6));
        let text = token.expose();
        let basic = STANDARD.encode(format!("sa_whoever:{text}"));
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header"));
            }
            read_token(&headers).ok().map(|token| token.hash())
        };
        for good in [
            format!("Bearer {text}"),
            format!("bearer {text}"),
            format!("Token {text}"),
            format!("Basic {basic}"),
            format!("Basic {}", STANDARD.encode(format!("sa%5Fwhoever:{}", text.replace('_', "%5F")))),
        ] {
            assert_eq!(read(&[&good]), Some(token.hash()), "{good}");
        }
        for bad in [
            text.to_owned(),
            format!("Bearer{text}"),
            format!("Digest {text}"),
            "Basic !!!".to_owned(),
            "Bearer".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&[&bad]), None, "{bad}");
        }
        let good = format!("Bearer {text}");
        assert_eq!(read(&[&good, &good]), None);
    }
}
