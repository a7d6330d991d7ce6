//! The listener: takes connections, and ends those that waste a place.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;

use super::Front;

/// A connection on which nothing is asked whole, answered or under way for so
/// long, and at most twice that, is closed: longer than proxies keep theirs,
/// short enough that nobody holds many with half a request each.
const IDLE: Duration = Duration::from_secs(75);
/// How long answers under way may take when the process is to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How long to wait where the machine gives no more connections.
const EXHAUSTED: Duration = Duration::from_secs(1);

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
    listener: TcpListener,
    front: Front<S>,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Clone + Send + Sync + 'static,
{
    let graceful = GracefulShutdown::new();
    let elsewhere = Handle::current();
    let attendants: Vec<_> = (0..std::thread::available_parallelism().map_or(1, usize::from))
        .map(|_| Attendant::start())
        .collect::<io::Result<_>>()?;
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are written whole, so there is nothing to wait for.
                let _ = stream.set_nodelay(true);
                let least = attendants.iter().min_by_key(|attendant| attendant.connections());
                let (Some(attendant), Ok(stream)) = (least, stream.into_std()) else { continue };
                let asked =
                    Asked { front: front.clone(), peer, elsewhere: elsewhere.clone(), life: Arc::default() };
                attendant.take(attend(stream, asked, graceful.watcher()));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some answers were not finished");
    }
    Ok(())
}

/// Whether it was this connection's own failure.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// A thread that attends to connections.
struct Attendant {
    runtime: Handle,
    connections: Arc<()>,
}

impl Attendant {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let attendant = Self { runtime: runtime.handle().clone(), connections: Arc::new(()) };
        std::thread::Builder::new()
            .name("attendant".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(attendant)
    }

    fn connections(&self) -> usize {
        Arc::strong_count(&self.connections)
    }

    fn take(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let held = self.connections.clone();
        self.runtime.spawn(async move {
            connection.await;
            drop(held);
        });
    }
}

async fn attend<S: Clone + Send + Sync + 'static>(stream: StdStream, asked: Asked<S>, watcher: Watcher) {
    let (peer, life) = (asked.peer, asked.life.clone());
    // Readiness is told to the thread that registers it: this one.
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => Watched { stream, life: life.clone() },
        Err(error) => return tracing::debug!(%error, %peer, "a connection failed"),
    };
    // One write for head and body: both are short.
    let connection = http1::Builder::new().writev(false).serve_connection(TokioIo::new(stream), asked);
    let mut connection = std::pin::pin!(watcher.watch(connection));
    let mut known = life.signs();
    loop {
        match tokio::time::timeout(IDLE, &mut connection).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => return tracing::debug!(%error, %peer, "a connection failed"),
            Err(_) => {
                let signs = life.signs();
                if signs == known && life.under_way.load(Ordering::Relaxed) == 0 {
                    return tracing::debug!(%peer, "an idle connection is closed");
                }
                known = signs;
            }
        }
    }
}

/// Signs of life of a connection.
#[derive(Debug, Default)]
struct Life {
    asked: AtomicU32,
    written: AtomicU32,
    under_way: AtomicU32,
}

impl Life {
    fn signs(&self) -> (u32, u32) {
        (self.asked.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// What is asked on one connection.
struct Asked<S> {
    front: Front<S>,
    peer: SocketAddr,
    /// Where what is no verification is answered.
    elsewhere: Handle,
    life: Arc<Life>,
}

impl<S: Clone + Send + Sync + 'static> hyper::service::Service<Request<Incoming>> for Asked<S> {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Answered;

    fn call(&self, request: Request<Incoming>) -> Answered {
        self.life.asked.fetch_add(1, Ordering::Relaxed);
        self.life.under_way.fetch_add(1, Ordering::Relaxed);
        let body = |incoming: Incoming| {
            if incoming.is_end_stream() { Body::empty() } else { Body::new(incoming) }
        };
        let mut request = request.map(body);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answering = self.front.answer_or(request, |answering| {
            let mut answer = JoinSet::new();
            answer.spawn_on(answering, &self.elsewhere);
            // Ends with the connection, as what is answered here does.
            Box::pin(async move {
                match answer.join_next().await {
                    Some(Ok(response)) => response,
                    _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                }
            })
        });
        Answered { answering, life: self.life.clone() }
    }
}

/// An answer under way on a connection.
struct Answered {
    answering: super::direct::Answering,
    life: Arc<Life>,
}

impl Future for Answered {
    type Output = Result<Response, std::convert::Infallible>;
    fn poll(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Self::Output> {
        self.answering.poll_unpin(waker).map(Ok)
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.life.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells of what could be written.
struct Watched {
    stream: TcpStream,
    life: Arc<Life>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        waker: &mut Waker<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(waker, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, waker: &mut Waker<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(waker, bytes);
        if written.is_ready() {
            self.life.written.fetch_add(1, Ordering::Relaxed);
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
