//! The middleware around every response. It assigns a request id, writes a log
//! line, renders an [`Error`] in the [`ErrorFormat`] of the router that it stands
//! around, and adds the security headers. The fast path calls [`ResponseMiddleware`]
//! directly, without the router.

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
use crate::platform::error::FieldError;
use crate::platform::{Context, Error, Label, ValidationErrors};

/// The data that the middleware stores in the extensions of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestMeta {
    /// The request's id, as in the log, in `X-Request-Id` and in problem+json.
    pub id: Label,
    /// The client's IP address.
    pub from: ClientAddress,
}

impl RequestMeta {
    /// Reads it from the extensions of a request.
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Self {
        extensions.get::<Self>().copied().unwrap_or_default()
    }
}

/// How the errors of a router are rendered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorFormat {
    /// As an HTML page, for people.
    Page,
    /// As problem+json (RFC 9457), for programs.
    Problem,
}

/// The state of the middleware between request and response.
pub(in crate::platform) struct ResponseMiddleware {
    /// The request's id.
    pub(in crate::platform) id: Label,
    format: ErrorFormat,
    client_request_id: Option<HeaderValue>,
}

impl ResponseMiddleware {
    /// Prepares a request: assigns its id and determines the client's IP address.
    /// A request id from the client is not used, so that it cannot be forged.
    pub(in crate::platform) fn open(context: &Context, format: ErrorFormat, request: &mut Request) -> Self {
        let path = request.uri().path();
        // Access evaluation answers with the request id that it was asked with (AuthZEN 1.0, 10.1.3).
        let client_request_id =
            if path.starts_with("/access/") { request.headers().get("x-request-id") } else { None };
        let client_request_id =
            client_request_id.filter(|id| id.len() <= 200 && id.to_str().is_ok()).cloned();
        let id = context.random.label();
        let from = ClientAddress::from_request(request, &context.config.trusted_proxies);
        request.extensions_mut().insert(RequestMeta { id, from });
        Self { id, format, client_request_id }
    }

    /// Completes a response: renders an error, and adds the headers.
    pub(in crate::platform) fn close(self, context: &Context, mut response: Response) -> Response {
        if let Some(error) = take_failure(&mut response) {
            response = render(&error, self.format, self.id.as_str(), &response);
        }
        add_headers(response.headers_mut(), context, &self);
        response
    }
}

/// The outermost middleware of the console and of the API.
pub async fn response_middleware(
    State((context, format)): State<(Context, ErrorFormat)>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = context.clock.now();
    let middleware = ResponseMiddleware::open(&context, format, &mut request);
    // Log the route, not the path: paths contain set-up and invitation codes.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!("request", id = %middleware.id, method = %request.method(), route);
    async move {
        let has_long_part = request.uri().path().split('/').any(|part| part.len() > MAX_VALUE_BYTES);
        let response = if has_long_part {
            let message = format!("Shorten every part of the path to at most {MAX_VALUE_BYTES} bytes.");
            Error::Invalid(ValidationErrors::one("", message)).into_response()
        } else {
            next.run(request).await
        };
        let response = middleware.close(&context, response);
        let took = context.clock.now().since(started);
        tracing::info!(status = response.status().as_u16(), micros = took.as_micros(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// The error of a failed response that must be rendered: our own error, or the
/// status of a library's response without a body of ours.
fn take_failure(response: &mut Response) -> Option<Failure> {
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        return Some(Failure::App(error));
    }
    let status = response.status();
    if response.extensions().get::<csrf::ProtectionError>().is_some() {
        return Some(Failure::App(Error::Forbidden(
            "This form was sent from another site. Open it on this site and send it again.".to_owned(),
        )));
    }
    if response.extensions().get::<CustomBody>().is_some() {
        return None;
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let has_default_body = content_type.is_none_or(|kind| kind.starts_with("text/plain"));
    ((status.is_client_error() || status.is_server_error()) && has_default_body)
        .then_some(Failure::Library(status))
}

/// An extension of a failed response whose body must not be replaced.
#[derive(Clone, Copy, Debug)]
pub struct CustomBody;

enum Failure {
    App(Error),
    Library(StatusCode),
}

impl IntoResponse for Error {
    /// A response with the status only; [`response_middleware`] renders the body.
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
    /// Shown for failures of the server only.
    request_id: Option<&'a str>,
}

fn render(failure: &Failure, format: ErrorFormat, id: &str, was: &Response) -> Response {
    let (status, detail) = match failure {
        Failure::App(error) => (status(error), detail(error)),
        Failure::Library(status) => (*status, Cow::Borrowed(default_detail(*status))),
    };
    let detail = match status {
        StatusCode::NOT_FOUND if format == ErrorFormat::Page => {
            Cow::Borrowed("This page does not exist, or you do not have access to it.")
        }
        _ => detail,
    };
    if let Failure::App(Error::Internal(cause)) = failure {
        tracing::error!(%cause, id, "internal error");
    }
    if let (Failure::App(Error::SignInFirst { next }), ErrorFormat::Page) = (failure, format) {
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let to = if next.is_empty() { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
        return super::page::redirect(&to);
    }
    let title = title(status);
    let mut response = match format {
        ErrorFormat::Page => {
            let request_id = status.is_server_error().then_some(id);
            html(status, &ErrorPage { title, detail: &detail, request_id })
        }
        ErrorFormat::Problem => {
            let errors = match failure {
                Failure::App(Error::Invalid(errors) | Error::Conflict(errors)) => errors.all(),
                _ => &[],
            };
            let code = status.as_u16();
            let problem = Problem {
                r#type: "about:blank",
                title,
                status: code,
                detail: &detail,
                errors,
                request_id: id,
            };
            let body = serde_json::to_vec(&problem).unwrap_or_default();
            let kind = HeaderValue::from_static("application/problem+json");
            (status, [(CONTENT_TYPE, kind)], body).into_response()
        }
    };
    let headers = response.headers_mut();
    match failure {
        Failure::App(Error::Unauthenticated { presented }) => {
            // RFC 6750, 3: no error code if the request has no credentials.
            let challenge = if *presented {
                "Bearer realm=\"tessera\", error=\"invalid_token\", error_description=\"The token is not valid.\""
            } else {
                "Bearer realm=\"tessera\""
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Failure::App(Error::TooMany { retry_after } | Error::Busy { retry_after }) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(*retry_after)));
        }
        _ => {}
    }
    // Keep `Allow`, which the router adds to a 405.
    if let Some(allow) = was.headers().get(header::ALLOW) {
        headers.insert(header::ALLOW, allow.clone());
    }
    response
}

/// A duration for `Retry-After`: whole seconds, rounded up, at least one.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(60)
}

fn detail(error: &Error) -> Cow<'_, str> {
    Cow::Borrowed(match error {
        Error::Invalid(errors) | Error::Conflict(errors) => return Cow::Owned(errors.to_string()),
        Error::Malformed(text) | Error::Forbidden(text) | Error::Stale(text) | Error::Precondition(text) => {
            text
        }
        Error::NotFound => default_detail(StatusCode::NOT_FOUND),
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
        Error::Internal(_) => default_detail(StatusCode::INTERNAL_SERVER_ERROR),
    })
}

fn default_detail(status: StatusCode) -> &'static str {
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

/// The headers of every response, for http and for https.
static SECURITY_HEADERS: LazyLock<[HeaderMap; 2]> =
    LazyLock::new(|| [security_headers(false), security_headers(true)]);

/// The content security policy of every response, also of those that are not
/// documents, in case a browser treats one as a document.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The security headers (OWASP ASVS 5.0, 3.4).
fn security_headers(https: bool) -> HeaderMap {
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

/// The headers of every response, for a handler that adds its own to them. The
/// middleware then does not add them again.
#[must_use]
pub fn headers(context: &Context) -> HeaderMap {
    SECURITY_HEADERS[usize::from(context.config.https())].clone()
}

fn add_headers(headers: &mut HeaderMap, context: &Context, middleware: &ResponseMiddleware) {
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let own = std::mem::replace(headers, self::headers(context));
        // The response's own headers take precedence, such as `Cache-Control`.
        headers.extend(own);
    }
    let id =
        middleware.client_request_id.clone().or_else(|| HeaderValue::from_str(middleware.id.as_str()).ok());
    if let Some(id) = id {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    if headers.contains_key(LOCATION) {
        headers.remove(CONTENT_TYPE);
    }
}

/// The handler for unknown paths.
pub async fn not_found() -> Error {
    Error::NotFound
}

/// The handler for methods that a path does not support.
pub async fn method_not_allowed() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// Converts a panic in a handler to an internal error of that request.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "the shape that the layer asks for")]
pub fn handle_panic(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic");
    Error::internal(text.to_owned()).into_response()
}
