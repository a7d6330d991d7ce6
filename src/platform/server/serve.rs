//! The server loop: accepts connections and serves each on one worker thread.
//! `connections` limits and closes connections.
//!
//! A request must have exactly one `Host` header (RFC 9112, 3.2), and its head must
//! not be longer than 32 KiB.

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

/// The longest head of a request, in bytes. A longer one is answered with 431.
const MAX_HEAD: usize = 32 * 1024;
/// The size of the buffers of a connection in each direction, in bytes.
const MAX_BUFFER: usize = 64 * 1024;
/// How long responses in progress may take during a shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause after a failed accept, for example without free files.
const RETRY_ACCEPT_AFTER: Duration = Duration::from_millis(100);
/// How often overdue connections are closed. `connections` counts time in these
/// intervals, so it must be one second.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Serves until `stop` completes, and then finishes the responses in progress.
///
/// There is one worker thread per core, and a connection stays on one thread, so
/// that a token is verified without waking another thread. Requests that are not on
/// the fast path are answered on the runtime that awaits this function, so that slow
/// pages do not delay verification.
///
/// The worker threads run until the process ends, because their runtimes own the
/// database connections that they opened.
///
/// # Errors
/// If the system cannot create the threads.
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
                let least_loaded = workers.iter().min_by_key(|worker| worker.connections());
                let (Some(worker), Some(slot)) = (least_loaded, connections.admit(peer)) else { continue };
                let service = ConnectionService {
                    app_service: app_service.clone(),
                    peer: accepted.peer,
                    main_runtime: main_runtime.clone(),
                    activity: slot.activity.clone(),
                };
                let id = slot.id;
                let abort = worker.spawn(serve_connection(accepted, slot, service, graceful.watcher()));
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

/// Whether an accept failed because of this connection, and not of the socket.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// A thread that serves connections.
struct Worker {
    runtime: Handle,
    /// Each connection owns a clone, so that the reference count counts them.
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

    fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let counted = self.connections.clone();
        let task = self.runtime.spawn(async move {
            connection.await;
            drop(counted);
        });
        task.abort_handle()
    }
}

async fn serve_connection<S: AsRef<Context> + Clone + Send + Sync + 'static>(
    accepted: Accepted,
    slot: ConnectionSlot,
    service: ConnectionService<S>,
    watcher: Watcher,
) {
    let peer = service.peer;
    // Register here, so that this thread receives the readiness events.
    let stream = match accepted.register() {
        Ok(stream) => TrackedStream { stream, activity: slot.activity.clone() },
        Err(error) => return tracing::debug!(%error, %peer, "a connection failed"),
    };
    let mut http = http1::Builder::new();
    // Head and body are short, so they are copied into one buffer and written at once.
    http.writev(false).max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFER);
    // `connections` has its own timeout for heads.
    let connection = http.header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, %peer, "a connection failed");
    }
}

/// The service that answers the requests of one connection.
struct ConnectionService<S> {
    app_service: AppService<S>,
    peer: SocketAddr,
    /// The runtime for requests that are not on the fast path.
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
            let response = Box::pin(std::future::ready(wrong_host_response(self.app_service.state())));
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
            // Dropping the set cancels the request if the connection ends.
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

/// Whether a request has exactly one `Host` header; HTTP/1.0 may have none.
fn has_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    (hosts.next().is_some() || version == Version::HTTP_10) && hosts.next().is_none()
}

/// The response to a request with a wrong number of `Host` headers. It closes the
/// connection, because such a request can be an attempt at request smuggling.
fn wrong_host_response(state: &impl AsRef<Context>) -> Response {
    let body = "Send exactly one Host header.\n";
    let mut response = (StatusCode::BAD_REQUEST, body).into_response();
    *response.headers_mut() = crate::platform::web::headers(state.as_ref());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A response in progress, which updates the activity of its connection.
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

/// A stream that records the activity of its connection.
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
            self.activity.record_received();
        }
        read
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(mut self: Pin<&mut Self>, waker: &mut Waker<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(waker, bytes);
        if written.is_ready() {
            self.activity.record_sent();
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
