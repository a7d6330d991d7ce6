//! Errors of the OAuth endpoints (RFC 6749, section 5.2), and how these endpoints read forms and client
//! credentials.
//!
//! The token, introspection and revocation endpoints use it. Errors must not reveal why a token cannot be
//! used.

use axum::Json;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::access::TokenKind;
use crate::platform::Error;
use crate::platform::web::{Form, RequestContext};
use crate::state::AppState;
use crate::verification::credentials::read_client_credentials;
use crate::verification::service::authenticate_as;
use crate::verification::{PlainToken, VerifiedToken, verify_rate_limited};

/// Error codes of RFC 6749 (section 5.2), RFC 7009 (section 2.2.1) and RFC 8693 (section 2.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
    UnsupportedTokenType,
}

/// An error with an OAuth code and description, or any other error, which is rendered as everywhere else.
#[derive(Debug)]
pub(super) enum OAuthError {
    Oauth(Code, String),
    Other(Error),
}

impl OAuthError {
    /// Converts a failed authentication of a service into `invalid_client` (RFC 7662, section 2.3).
    pub(super) fn client(error: Error) -> Self {
        match error {
            Error::Unauthenticated { .. } => {
                Self::Oauth(Code::InvalidClient, "Authenticate with the secret of a service.".to_owned())
            }
            other => Self::Other(other),
        }
    }
}

impl From<Error> for OAuthError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

#[derive(Serialize)]
struct Body {
    error: Code,
    error_description: String,
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let (code, text) = match self {
            Self::Other(error) => return error.into_response(),
            Self::Oauth(code, text) => (code, text),
        };
        // RFC 6749 allows neither quotes, backslashes nor characters outside ASCII in `error_description`.
        let plain =
            |c: char| if c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ' { c } else { '\'' };
        let body = Json(Body { error: code, error_description: text.chars().map(plain).collect() });
        if code != Code::InvalidClient {
            return (StatusCode::BAD_REQUEST, body).into_response();
        }
        let challenge = HeaderValue::from_static("Basic realm=\"tessera\"");
        (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)], body).into_response()
    }
}

/// Returns an OAuth error.
pub(super) fn refuse<T>(code: Code, text: impl Into<String>) -> Result<T, OAuthError> {
    Err(OAuthError::Oauth(code, text.into()))
}

/// The submitted form. Any other body is an `invalid_request`.
pub(super) fn parse_form(form: Result<Form, Error>) -> Result<Form, OAuthError> {
    form.or_else(|_| {
        refuse(Code::InvalidRequest, "Send a form with Content-Type: application/x-www-form-urlencoded.")
    })
}

/// An optional parameter, which must not occur twice (RFC 6749, section 3.2). An empty value counts as
/// missing.
pub(super) fn optional_param(form: &Form, name: &str) -> Result<Option<String>, OAuthError> {
    if form.all(name).count() > 1 {
        return refuse(Code::InvalidRequest, format!("Send {name} only once."));
    }
    Ok(form.filled(name))
}

/// A required parameter.
pub(super) fn required_param(form: &Form, name: &str) -> Result<String, OAuthError> {
    match optional_param(form, name)? {
        Some(value) => Ok(value),
        None => refuse(Code::InvalidRequest, format!("Send {name}.")),
    }
}

/// Verifies a token that a request depends on, and counts failures for the rate limit. A failure becomes the
/// OAuth error `code`. The reason is given only if the token cannot be used from this IP address.
pub(super) async fn verify_credential(
    app: &AppState,
    facts: &RequestContext,
    value: Option<PlainToken>,
    code: Code,
) -> Result<VerifiedToken, OAuthError> {
    let bad = Error::Unauthenticated { presented: true };
    let checked = match value {
        Some(value) => verify_rate_limited(&app.verifier, &value, facts.clone()).await,
        None => Err(bad),
    };
    match checked {
        Ok(verified) => Ok(verified),
        Err(Error::Forbidden(text)) => refuse(code, text),
        Err(error @ Error::Unauthenticated { .. }) => match app.rate_limits.count_failure(facts.ip, error) {
            Error::Unauthenticated { .. } => refuse(
                code,
                "The token is unknown, has expired or was revoked, or cannot be used for this request.",
            ),
            other => Err(other.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The client credentials in the `Authorization` header or in the form. Both at once are an error (RFC 6749,
/// section 2.3).
pub(super) fn client(headers: &HeaderMap, form: &Form) -> Result<Option<(String, PlainToken)>, OAuthError> {
    let (id, secret) = (optional_param(form, "client_id")?, optional_param(form, "client_secret")?);
    let wrong = "Authenticate with the credentials of a service account or service.";
    match (read_client_credentials(headers), secret) {
        (Some(_), Some(_)) => refuse(
            Code::InvalidRequest,
            "Send the client's credentials in the header or in the form, not in both.",
        ),
        (Some(Some((user, token))), None) => match id {
            Some(id) if id != user => refuse(
                Code::InvalidRequest,
                "Send the same client_id in the form and in the header, or only in the header.",
            ),
            _ => Ok(Some((user, token))),
        },
        (Some(None), None) => refuse(Code::InvalidClient, wrong),
        (None, Some(secret)) => match (id, PlainToken::parse(&secret)) {
            (Some(id), Some(token)) => Ok(Some((id, token))),
            _ => refuse(Code::InvalidClient, wrong),
        },
        (None, None) => Ok(None),
    }
}

/// Verifies client credentials where they are optional: if they are present, they must be valid. They are a
/// service's id and secret, or a service account's UID and key.
pub(super) async fn check_client(
    app: &AppState,
    facts: &RequestContext,
    headers: &HeaderMap,
    form: &Form,
) -> Result<(), OAuthError> {
    let Some((id, token)) = client(headers, form)? else { return Ok(()) };
    let good = if token.kind() == TokenKind::ServiceSecret {
        match authenticate_as(&app.verifier, facts, &id, &token).await {
            Ok(_) => true,
            Err(Error::Unauthenticated { .. }) => false,
            Err(error) => return Err(error.into()),
        }
    } else {
        verify_credential(app, facts, Some(token), Code::InvalidClient).await?.facts().principal.id() == id
    };
    if good {
        Ok(())
    } else {
        refuse(Code::InvalidClient, "The client's id and secret do not belong together.")
    }
}
