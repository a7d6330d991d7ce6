//! The server: takes connections, has each attended to by one thread, and
//! closes those that waste a place.
//!
//! A request must have exactly one `Host` header (RFC 9112, 3.2); its head must
//! be no longer than 32 KB. What else is limited, `connections` says.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{HeaderMap, Request, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Handle};
use tokio::task::{AbortHandle, JoinSet};

use super::connections::{Activity, ConnectionLimits, ConnectionSlot, Connections};
use super::fast_path::AppService;
use super::listener::{Accepted, Listener, Stream};
use crate::platform::Context;

/// The longest head of a request, in bytes; 431 for a longer one.
const MAX_HEAD: usize = 32 * 1024;
/// The most that is kept of a connection's bytes in each direction.
const MAX_BUFFER: usize = 64 * 1024;
/// How long answers under way may take when the process is to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait where the machine gives no more connections.
const RETRY_ACCEPT_AFTER: Duration = Duration::from_millis(100);
/// How often overdue connections are looked for: the clock of `connections`.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Serves until `stop`; answers under way are finished then.
///
/// Connections stay with one thread each, one thread for each core, so that a
/// token is verified without another thread being woken. Everything else is
/// answered where this is awaited, so that a page that takes its time holds up
/// no verification.
///
/// The threads last as long as the process: connections to the database that
/// they opened are theirs.
///
/// # Errors
/// When the system gives no threads.
pub async fn serve<S>(
    listener: Listener,
    app_service: AppService<S>,
    limits: ConnectionLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: AsRef<Context> + Clone + Send + Sync + 'static,
{
    let graceful = GracefulShutdown::new();
    let main_runtime = Handle::current();
    let workers: Vec<_> = (0..std::thread::available_parallelism().map_or(1, usize::from))
        .map(|_| Worker::start())
        .collect::<io::Result<_>>()?;
    let connections = Connections::new(limits);
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                connections.sweep();
                continue;
            }
            () = &mut stop => break,
        };
        match accepted {
            Ok(accepted) => {
                let peer = (!accepted.is_local).then_some(accepted.peer.ip());
                let least = workers.iter().min_by_key(|worker| worker.connections());
                let (Some(worker), Some(slot)) = (least, connections.admit(peer)) else { continue };
                let service = ConnectionService {
                    app_service: app_service.clone(),
                    peer: accepted.peer,
                    main_runtime: main_runtime.clone(),
                    activity: slot.activity.clone(),
                };
                let id = slot.id;
                let abort = worker.take(serve_connection(accepted, slot, service, graceful.watcher()));
                connections.set_abort(id, abort);
            }
            Err(error) if is_connection_error(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken; some that are idle are closed");
                connections.evict_some();
                tokio::time::sleep(RETRY_ACCEPT_AFTER).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some answers were not finished");
    }
    Ok(())
}

/// Whether it was this connection's own failure.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// A thread that attends to connections.
struct Worker {
    runtime: Handle,
    connections: Arc<()>,
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let worker = Self { runtime: runtime.handle().clone(), connections: Arc::new(()) };
        std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(worker)
    }

    fn connections(&self) -> usize {
        Arc::strong_count(&self.connections)
    }

    fn take(&self, connection: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let held = self.connections.clone();
        let attended = self.runtime.spawn(async move {
            connection.await;
            drop(held);
        });
        attended.abort_handle()
    }
}

async fn serve_connection<S: AsRef<Context> + Clone + Send + Sync + 'static>(
    accepted: Accepted,
    slot: ConnectionSlot,
    service: ConnectionService<S>,
    watcher: Watcher,
) {
    let peer = service.peer;
    // Readiness is told to the thread that registers it: this one.
    let stream = match accepted.register() {
        Ok(stream) => TrackedStream { stream, activity: slot.activity.clone() },
        Err(error) => return tracing::debug!(%error, %peer, "a connection failed"),
    };
    let mut http = http1::Builder::new();
    // One write for head and body: both are short.
    http.writev(false).max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFER);
    // How long a head may take, `connections` knows.
    let connection = http.header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, %peer, "a connection failed");
    }
}

/// What is asked on one connection.
struct ConnectionService<S> {
    app_service: AppService<S>,
    peer: SocketAddr,
    /// Where what is no verification is answered.
    main_runtime: Handle,
    activity: Arc<Activity>,
}

impl<S> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: AsRef<Context> + Clone + Send + Sync + 'static,
{
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = TrackedResponse;

    fn call(&self, request: Request<Incoming>) -> TrackedResponse {
        self.activity.begin_answer();
        if !has_one_host(request.version(), request.headers()) {
            let response = Box::pin(std::future::ready(wrong_host(self.app_service.state())));
            return TrackedResponse { response, activity: self.activity.clone() };
        }
        let body = |incoming: Incoming| {
            if incoming.is_end_stream() { Body::empty() } else { Body::new(incoming) }
        };
        let mut request = request.map(body);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.app_service.answer_with(request, |response| {
            let mut answer = JoinSet::new();
            answer.spawn_on(response, &self.main_runtime);
            // Ends with the connection, as what is answered here does.
            Box::pin(async move {
                match answer.join_next().await {
                    Some(Ok(response)) => response,
                    _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                }
            })
        });
        TrackedResponse { response, activity: self.activity.clone() }
    }
}

/// Whether a request names its host once. HTTP/1.0 may leave it out.
fn has_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    (hosts.next().is_some() || version == Version::HTTP_10) && hosts.next().is_none()
}

/// Ends the connection: who sends such a request may mean two by it.
fn wrong_host(state: &impl AsRef<Context>) -> Response {
    let body = "Send exactly one Host header.\n";
    let mut response = (StatusCode::BAD_REQUEST, body).into_response();
    *response.headers_mut() = crate::platform::web::headers(state.as_ref());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer under way on a connection.
struct TrackedResponse {
    response: super::fast_path::ResponseFuture,
    activity: Arc<Activity>,
}

impl Future for TrackedResponse {
    type Output = Result<Response, std::convert::Infallible>;
    fn poll(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Self::Output> {
        self.response.poll_unpin(waker).map(Ok)
    }
}

impl Drop for TrackedResponse {
    fn drop(&mut self) {
        self.activity.end_answer();
    }
}

/// A stream that tells of what arrives and of what could be written.
struct TrackedStream {
    stream: Stream,
    activity: Arc<Activity>,
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        waker: &mut Waker<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(waker, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(mut self: Pin<&mut Self>, waker: &mut Waker<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(waker, bytes);
        if written.is_ready() {
            self.activity.sent();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(waker)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(waker)
    }
}
