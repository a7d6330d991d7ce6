//! The listening socket: a TCP port, a Unix socket, or a socket that systemd passes
//! (`LISTEN_FDS`).
//!
//! A Unix socket is created with the mode 0660. A stale socket of an earlier process
//! is replaced; one on which another process listens is not. The socket is removed
//! on drop, unless systemd created it. A peer on a Unix socket has the address
//! 127.0.0.1, so that `trusted_proxies` can name it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdTcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as Waker, Poll};

use listenfd::ListenFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Listen;

/// The mode of a Unix socket: its owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// The socket file to remove on drop.
    created_path: Option<PathBuf>,
}

impl Listener {
    /// Opens the socket that systemd passes or, without one, the socket that the
    /// setting names.
    ///
    /// # Errors
    /// If the address or path is in use, or the system refuses it.
    pub async fn open(listen: &Listen) -> io::Result<Self> {
        match Self::from_systemd()? {
            Some(listener) => Ok(listener),
            None => Self::bind(listen).await,
        }
    }

    /// The first socket that systemd passes to this process, if there is one.
    fn from_systemd() -> io::Result<Option<Self>> {
        let mut sockets = ListenFd::from_env();
        if sockets.len() == 0 {
            return Ok(None);
        }
        // The library refuses a socket of another kind.
        let socket = match sockets.take_tcp_listener(0) {
            Ok(Some(listener)) => {
                listener.set_nonblocking(true)?;
                Socket::Tcp(TcpListener::from_std(listener)?)
            }
            _ => match sockets.take_unix_listener(0)? {
                Some(listener) => {
                    listener.set_nonblocking(true)?;
                    Socket::Unix(UnixListener::from_std(listener)?)
                }
                None => return Ok(None),
            },
        };
        Ok(Some(Self { socket, created_path: None }))
    }

    async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Address(address) => {
                Ok(Self { socket: Socket::Tcp(TcpListener::bind(address).await?), created_path: None })
            }
            Listen::Name(name, port) => {
                let listener = TcpListener::bind((name.as_str(), *port)).await?;
                Ok(Self { socket: Socket::Tcp(listener), created_path: None })
            }
            Listen::Unix(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
                Ok(Self { socket: Socket::Unix(listener), created_path: Some(path.clone()) })
            }
        }
    }

    /// The address, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Responses are written in one piece, so Nagle's algorithm would only delay them.
                let _ = stream.set_nodelay(true);
                Ok(Accepted { stream: StdStream::Tcp(stream.into_std()?), peer, is_local: false })
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                Ok(Accepted { stream: StdStream::Unix(stream.into_std()?), peer, is_local: true })
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.created_path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes the file of a Unix socket on which no process listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "The file is there, and is no socket."));
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "Another process listens on this socket.")),
        Err(error) => Err(error),
    }
}

/// An accepted connection that is not yet registered with a runtime.
pub(super) struct Accepted {
    stream: StdStream,
    pub(super) peer: SocketAddr,
    /// Whether the connection is on a Unix socket.
    pub(super) is_local: bool,
}

enum StdStream {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
}

impl Accepted {
    /// Registers the connection with the runtime of the current thread.
    pub(super) fn register(self) -> io::Result<Stream> {
        Ok(match self.stream {
            StdStream::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            StdStream::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// The byte stream of a connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

macro_rules! on_stream {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        waker: &mut Waker<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(&mut *self, stream => Pin::new(stream).poll_read(waker, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, waker: &mut Waker<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(&mut *self, stream => Pin::new(stream).poll_write(waker, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<io::Result<()>> {
        on_stream!(&mut *self, stream => Pin::new(stream).poll_flush(waker))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<io::Result<()>> {
        on_stream!(&mut *self, stream => Pin::new(stream).poll_shutdown(waker))
    }
}
