//! Around every answer: a request id, a log line, the security headers, and
//! the one place where an [`Error`] becomes a page or problem+json.

use std::any::Any;
use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    self, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::csrf;
use tracing::Instrument as _;

use super::client::ClientAddress;
use super::form::MAX_VALUE_BYTES;
use super::page::html;
use crate::platform::Context;
use crate::platform::error::FieldError;
use crate::platform::{Error, Label, ValidationErrors};

/// What is known of a request as soon as it arrives; handlers find it among
/// the request's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestMeta {
    /// The request's id: in the log, in `X-Request-Id`, in every problem.
    pub id: Label,
    /// Where it comes from.
    pub from: ClientAddress,
}

impl RequestMeta {
    /// Of this request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().copied().unwrap_or_default()
    }
}

/// What the addresses for programs begin with: their errors are problem+json.
const API_PREFIXES: [&str; 5] = ["/api/", "/oauth2/", "/access/", "/forward-auth", "/.well-known/"];

/// What is done alike around every answer.
pub(in crate::platform) struct Envelope {
    /// The request's id.
    pub(in crate::platform) id: Label,
    for_programs: bool,
    given: Option<HeaderValue>,
}

impl Envelope {
    /// Takes no request id from outside, so none is forged.
    pub(in crate::platform) fn open(context: &Context, request: &mut Request) -> Self {
        let path = request.uri().path();
        let for_programs = API_PREFIXES.iter().any(|start| path.starts_with(start));
        // Access evaluation answers with the request id that it was asked with (AuthZEN 1.0, 10.1.3).
        let given = if path.starts_with("/access/") { request.headers().get("x-request-id") } else { None };
        let given = given.filter(|id| id.len() <= 200 && id.to_str().is_ok()).cloned();
        let id = context.random.label();
        let from = ClientAddress::of(request, &context.config.trusted_proxies);
        request.extensions_mut().insert(RequestMeta { id, from });
        Self { id, for_programs, given }
    }

    /// Gives an error its words, and an answer its headers.
    pub(in crate::platform) fn close(self, context: &Context, mut response: Response) -> Response {
        if let Some(error) = failure(&mut response) {
            response = render(&error, self.for_programs, self.id.as_str(), &response);
        }
        protect(response.headers_mut(), context, &self);
        response
    }
}

/// The outermost layer of pages and API.
pub async fn envelope(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let started = context.clock.now();
    let envelope = Envelope::open(&context, &mut request);
    // The route, not the address: addresses hold set-up and invitation codes.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!("request", id = %envelope.id, method = %request.method(), route);
    async move {
        let has_long_part = request.uri().path().split('/').any(|part| part.len() > MAX_VALUE_BYTES);
        let response = if has_long_part {
            let message = format!("Shorten every part of the path to at most {MAX_VALUE_BYTES} bytes.");
            Error::Invalid(ValidationErrors::one("", message)).into_response()
        } else {
            next.run(request).await
        };
        let response = envelope.close(&context, response);
        let took = context.clock.now().since(started);
        tracing::info!(status = response.status().as_u16(), micros = took.as_micros(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// What an answer that failed says: our own error, or one that a layer or the
/// router made and that has no words of ours yet.
fn failure(response: &mut Response) -> Option<Failure> {
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        return Some(Failure::Ours(error));
    }
    let status = response.status();
    if response.extensions().get::<csrf::ProtectionError>().is_some() {
        return Some(Failure::Ours(Error::Forbidden(
            "This form was sent from another site. Open it on this site and send it again.".to_owned(),
        )));
    }
    if response.extensions().get::<CustomBody>().is_some() {
        return None;
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let wordless = content_type.is_none_or(|kind| kind.starts_with("text/plain"));
    ((status.is_client_error() || status.is_server_error()) && wordless).then_some(Failure::Foreign(status))
}

/// Put into the extensions of an answer that failed and says in its own words
/// why: they are left as they are.
#[derive(Clone, Copy, Debug)]
pub struct CustomBody;

enum Failure {
    Ours(Error),
    Foreign(StatusCode),
}

impl IntoResponse for Error {
    /// The status alone; [`envelope`] gives it its words.
    fn into_response(self) -> Response {
        let mut response = status(&self).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

const fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Conflict(_) | Error::Stale(_) => StatusCode::CONFLICT,
        Error::Precondition(_) => StatusCode::PRECONDITION_FAILED,
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        Error::SignInFirst { .. } => StatusCode::SEE_OTHER,
        Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// RFC 9457, with the fields that are wrong and the request's id.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    errors: &'a [FieldError],
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: &'a str,
    /// Told where it helps: with what is our fault.
    request_id: Option<&'a str>,
}

fn render(failure: &Failure, speaks_json: bool, id: &str, was: &Response) -> Response {
    let (status, detail) = match failure {
        Failure::Ours(error) => (status(error), detail(error)),
        Failure::Foreign(status) => (*status, Cow::Borrowed(foreign(*status))),
    };
    let detail = match status {
        StatusCode::NOT_FOUND if !speaks_json => {
            Cow::Borrowed("This page does not exist, or you do not have access to it.")
        }
        _ => detail,
    };
    if let Failure::Ours(Error::Internal(cause)) = failure {
        tracing::error!(%cause, id, "internal error");
    }
    if let (Failure::Ours(Error::SignInFirst { next }), false) = (failure, speaks_json) {
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let to = if next.is_empty() { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
        return super::page::redirect(&to);
    }
    let title = title(status);
    let mut response = if speaks_json {
        let errors = match failure {
            Failure::Ours(Error::Invalid(mistakes) | Error::Conflict(mistakes)) => mistakes.all(),
            _ => &[],
        };
        let code = status.as_u16();
        let problem =
            Problem { r#type: "about:blank", title, status: code, detail: &detail, errors, request_id: id };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        (status, [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))], body).into_response()
    } else {
        let request_id = status.is_server_error().then_some(id);
        html(status, &ErrorPage { title, detail: &detail, request_id })
    };
    let headers = response.headers_mut();
    match failure {
        Failure::Ours(Error::Unauthenticated { presented }) => {
            // RFC 6750, 3: the error is named only to who presented something.
            let challenge = if *presented {
                "Bearer realm=\"tessera\", error=\"invalid_token\", error_description=\"The token is not valid.\""
            } else {
                "Bearer realm=\"tessera\""
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Failure::Ours(Error::TooMany { retry_after } | Error::Busy { retry_after }) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(*retry_after)));
        }
        _ => {}
    }
    // What a layer had to say besides its status, such as `Allow` with 405.
    if let Some(allow) = was.headers().get(header::ALLOW) {
        headers.insert(header::ALLOW, allow.clone());
    }
    response
}

/// Whole seconds, rounded up, at least one.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(60)
}

fn detail(error: &Error) -> Cow<'_, str> {
    Cow::Borrowed(match error {
        Error::Invalid(mistakes) | Error::Conflict(mistakes) => return Cow::Owned(mistakes.to_string()),
        Error::Malformed(text) | Error::Forbidden(text) | Error::Stale(text) | Error::Precondition(text) => {
            text
        }
        Error::NotFound => foreign(StatusCode::NOT_FOUND),
        Error::Unauthenticated { presented: false } => {
            "Send a token in the header “Authorization: Bearer <token>”."
        }
        Error::Unauthenticated { presented: true } => {
            "The token is not valid. It is unknown, has expired or was revoked, or its account was \
             disabled or deleted."
        }
        Error::SignInFirst { .. } => "Sign in first.",
        Error::TooMany { retry_after } => {
            return Cow::Owned(format!("Too many requests. Try again in {} s.", seconds(*retry_after)));
        }
        Error::Busy { retry_after } => {
            return Cow::Owned(format!("The server is busy. Try again in {} s.", seconds(*retry_after)));
        }
        Error::Internal(_) => foreign(StatusCode::INTERNAL_SERVER_ERROR),
    })
}

fn foreign(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "This does not exist, or you do not have access to it.",
        StatusCode::METHOD_NOT_ALLOWED => "This path does not support the method of the request.",
        StatusCode::PAYLOAD_TOO_LARGE => "The request is too large. Send a shorter one.",
        status if status.is_server_error() => {
            "Something went wrong on the server. Try again later. The operator can find the cause in the \
             log by the ID of this request."
        }
        _ => "The server cannot process this request.",
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::UNAUTHORIZED => "Not authenticated",
        StatusCode::UNPROCESSABLE_ENTITY => "Invalid input",
        status => status.canonical_reason().unwrap_or("Error"),
    }
}

/// The headers of every answer, made once: without and with TLS.
static EVERYWHERE: LazyLock<[HeaderMap; 2]> = LazyLock::new(|| [everywhere(false), everywhere(true)]);

/// One policy for every answer, document or not: what a browser is led to take
/// for a document is one that may do no more than ours.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// ASVS 5.0, 3.4: on every answer alike.
fn everywhere(https: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(24);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        let a_year = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    headers
}

/// The headers of every answer, for one that adds many to them: nothing is done
/// twice.
#[must_use]
pub fn headers(context: &Context) -> HeaderMap {
    EVERYWHERE[usize::from(context.config.https())].clone()
}

fn protect(headers: &mut HeaderMap, context: &Context, envelope: &Envelope) {
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let own = std::mem::replace(headers, self::headers(context));
        // What an answer says itself of its caching stands.
        headers.extend(own);
    }
    let id = envelope.given.clone().or_else(|| HeaderValue::from_str(envelope.id.as_str()).ok());
    if let Some(id) = id {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    if headers.contains_key(LOCATION) {
        headers.remove(CONTENT_TYPE);
    }
}

/// For addresses that lead nowhere.
pub async fn not_found() -> Error {
    Error::NotFound
}

/// For methods that an address does not take.
pub async fn method_not_allowed() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// A panic in a handler is our fault and ends that request only.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the shape that the layer asks for")]
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic");
    Error::internal(text.to_owned()).into_response()
}
