//! Where connections come from: a TCP port, a Unix socket, or a socket that
//! systemd passed on (`LISTEN_FDS`).
//!
//! A Unix socket has the mode 0660. One that a process left behind is replaced;
//! one that another process listens on is not. The socket is removed when the
//! listener is dropped, except where systemd made it. A peer on a Unix socket
//! counts as 127.0.0.1: it is on this machine, and `trusted_proxies` can name it.

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

/// Who may connect to the socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket that connections are taken from.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// The file to remove in the end.
    made: Option<PathBuf>,
}

impl Listener {
    /// The socket that systemd passed on; otherwise one at this place.
    ///
    /// # Errors
    /// When the place is taken, or the system refuses it.
    pub async fn open(listen: &Listen) -> io::Result<Self> {
        match Self::inherited()? {
            Some(listener) => Ok(listener),
            None => Self::bind(listen).await,
        }
    }

    /// The first socket that systemd passed on to this process, if there is one.
    fn inherited() -> io::Result<Option<Self>> {
        let mut passed = ListenFd::from_env();
        if passed.len() == 0 {
            return Ok(None);
        }
        // The library refuses a socket of another kind.
        let socket = match passed.take_tcp_listener(0) {
            Ok(Some(listener)) => {
                listener.set_nonblocking(true)?;
                Socket::Tcp(TcpListener::from_std(listener)?)
            }
            _ => match passed.take_unix_listener(0)? {
                Some(listener) => {
                    listener.set_nonblocking(true)?;
                    Socket::Unix(UnixListener::from_std(listener)?)
                }
                None => return Ok(None),
            },
        };
        Ok(Some(Self { socket, made: None }))
    }

    async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Address(address) => {
                Ok(Self { socket: Socket::Tcp(TcpListener::bind(address).await?), made: None })
            }
            Listen::Name(name, port) => {
                let listener = TcpListener::bind((name.as_str(), *port)).await?;
                Ok(Self { socket: Socket::Tcp(listener), made: None })
            }
            Listen::Unix(path) => {
                remove_stale(path)?;
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
                Ok(Self { socket: Socket::Unix(listener), made: Some(path.clone()) })
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
                // Answers are written whole, so there is nothing to wait for.
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
        if let Some(path) = &self.made {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes a socket that nobody listens on any more.
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

/// A connection that was taken, not yet bound to a thread.
pub(super) struct Accepted {
    stream: StdStream,
    pub(super) peer: SocketAddr,
    /// Whether it came over a Unix socket.
    pub(super) is_local: bool,
}

enum StdStream {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
}

impl Accepted {
    /// Registers the connection with the thread that this is called on.
    pub(super) fn register(self) -> io::Result<Stream> {
        Ok(match self.stream {
            StdStream::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            StdStream::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// The bytes of a connection.
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
