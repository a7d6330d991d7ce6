//! The fast path: routes for the few endpoints that services call for every request
//! of theirs (verification and `whoami`). They are found by comparing the path,
//! before the router, and have only the response middleware (`web::response_middleware`).
//! They belong to the API, so their errors are problem+json.
//! docs/performance.md shows how much time this saves.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use futures_util::FutureExt as _;
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;

use crate::platform::Context;
use crate::platform::web::response_middleware::{ErrorFormat, ResponseMiddleware};
use crate::platform::web::{body, handle_panic, method_not_allowed, mount};

/// A response in progress.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler with the response middleware around it. It logs at the level debug.
#[derive(Clone, Debug)]
struct FastHandler<H> {
    handler: H,
    body: BodyPolicy,
}

/// How a request's body is treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BodyPolicy {
    /// The handler may read the body.
    Read,
    /// The body is not read. In forward auth, a proxy may send the headers of a
    /// request without its body, so that `Content-Length` is wrong. It is then
    /// unknown whether the next bytes are a new request or this body, so the
    /// connection is closed.
    Ignore,
}

impl<H, T, S> Handler<(Self, T), S> for FastHandler<H>
where
    H: Handler<T, S>,
    T: 'static,
    S: AsRef<Context> + Clone + Send + Sync + 'static,
{
    type Future = ResponseFuture;

    fn call(self, mut request: Request, state: S) -> ResponseFuture {
        Box::pin(async move {
            let middleware = ResponseMiddleware::open(state.as_ref(), ErrorFormat::Problem, &mut request);
            let (method, path) = (request.method(), request.uri().path());
            let span = tracing::debug_span!("request", id = %middleware.id, %method, route = path);
            let declared_length = declared_length(request.headers());
            let ignores_body = self.body == BodyPolicy::Ignore
                && (declared_length > 0 || request.headers().contains_key(TRANSFER_ENCODING));
            let response = if declared_length > body::MAX_BODY_BYTES && !ignores_body {
                StatusCode::PAYLOAD_TOO_LARGE.into_response()
            } else {
                let state = state.clone();
                let answer = async move { self.handler.call(request, state).await };
                let answer = AssertUnwindSafe(answer).catch_unwind().instrument(span.clone()).await;
                answer.unwrap_or_else(handle_panic)
            };
            let mut response = middleware.close(state.as_ref(), response);
            if ignores_body {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
            response
        })
    }
}

/// The length of the body according to `Content-Length`, in bytes.
fn declared_length(headers: &HeaderMap) -> usize {
    let text = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A route of the fast path.
struct FastRoute<S> {
    /// `None` for every method and every path below `path`.
    method: Option<Method>,
    path: String,
    answer: Box<dyn Fn(Request, S) -> ResponseFuture + Send + Sync>,
}

impl<S> FastRoute<S> {
    fn matches(&self, method: &Method, path: &str) -> bool {
        match &self.method {
            Some(own) => self.path == path && own == method,
            None => {
                path.strip_prefix(&*self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// The routes of the fast path.
pub struct FastPath<S> {
    entries: Vec<FastRoute<S>>,
    /// The same routes for requests that do not match exactly, such as `HEAD` and
    /// unsupported methods.
    router: Router<S>,
}

impl<S> std::fmt::Debug for FastPath<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.path)).finish()
    }
}

impl<S: AsRef<Context> + Clone + Send + Sync + 'static> Default for FastPath<S> {
    fn default() -> Self {
        Self { entries: Vec::new(), router: Router::new() }
    }
}

impl<S: AsRef<Context> + Clone + Send + Sync + 'static> FastPath<S> {
    /// Adds a route for a path and one of the standard HTTP methods.
    #[must_use]
    pub fn route<H: Handler<T, S>, T: 'static>(mut self, path: &str, method: Method, handler: H) -> Self {
        let handler = FastHandler { handler, body: BodyPolicy::Read };
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.router = self.router.route(path, on(filter, handler.clone()));
        let answer = Box::new(move |request, state| handler.clone().call(request, state));
        self.entries.push(FastRoute { method: Some(method), path: path.to_owned(), answer });
        self
    }

    /// Adds a route for a path and all paths below it, for any method. The body is
    /// ignored.
    #[must_use]
    pub fn route_any<H: Handler<T, S>, T: 'static>(mut self, path: &str, handler: H) -> Self {
        let handler = FastHandler { handler, body: BodyPolicy::Ignore };
        let answer = Box::new(move |request, state| handler.clone().call(request, state));
        self.entries.push(FastRoute { method: None, path: path.to_owned(), answer });
        self
    }

    /// Combines the routes of both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.entries.extend(other.entries);
        self
    }

    /// Builds the service: these routes first, then the router for everything else.
    #[must_use]
    pub fn before(self, rest: Router<S>, state: S) -> AppService<S> {
        let router = self
            .router
            .method_not_allowed_fallback(FastHandler { handler: method_not_allowed, body: BodyPolicy::Read })
            .fallback_service(rest.with_state(state.clone()))
            .with_state(state.clone());
        let base = Arc::from(mount::base_path_of(&state.as_ref().config.public_url));
        AppService { entries: Arc::from(self.entries), router, state, base }
    }
}

/// The service that answers all requests. Cheap to clone.
#[derive(Clone)]
pub struct AppService<S> {
    entries: Arc<[FastRoute<S>]>,
    router: Router,
    state: S,
    /// The path of `public_url`; empty at the root.
    base: Arc<str>,
}

impl<S> std::fmt::Debug for AppService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AppService")
    }
}

impl<S: Clone> AppService<S> {
    /// The state of the handlers.
    pub(super) const fn state(&self) -> &S {
        &self.state
    }

    /// Answers a request.
    pub fn answer(&self, request: Request) -> ResponseFuture {
        self.answer_with(request, |answering| answering)
    }

    /// Answers a request. `others` decides where requests that are not on the fast
    /// path are answered.
    pub(super) fn answer_with(
        &self,
        mut request: Request,
        others: impl FnOnce(ResponseFuture) -> ResponseFuture,
    ) -> ResponseFuture {
        if !self.base.is_empty() {
            mount::remove_base_path(&self.base, &mut request);
        }
        let (method, path) = (request.method(), request.uri().path());
        let found = self.entries.iter().find(|entry| entry.matches(method, path));
        if let Some(entry) = found {
            return (entry.answer)(request, self.state.clone());
        }
        let base = self.base.clone();
        if !base.is_empty() {
            mount::disable_compression(&mut request);
        }
        let answer = self.router.clone().oneshot(request);
        let answer = answer.map(|answer| answer.unwrap_or_else(|never| match never {}));
        others(if base.is_empty() {
            Box::pin(answer)
        } else {
            Box::pin(answer.then(async move |answer| mount::add_base_path(&base, answer).await))
        })
    }
}

impl<S: Clone> Service<Request> for AppService<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Waker<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(self.answer(request).map(Ok))
    }
}
