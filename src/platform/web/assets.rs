//! The static assets: style sheet, script and icons. The build embeds them in the
//! binary, compresses them and adds a hash of their content to their names, so that
//! browsers can cache them for ever. tower-http serves them and selects the
//! encoding.

use std::io::{self, Cursor};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::response::Response;
use axum::routing::get_service;
use std::future::{Ready, ready};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, File, Metadata};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The path of an asset: `asset("app.css")` is `/assets/app.3f2a….css`.
#[must_use]
pub fn asset(name: &str) -> &'static str {
    ADDRESSES.iter().find(|(plain, _)| *plain == name).map_or("/assets/missing", |(_, address)| address)
}

/// The route that serves all assets.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let files = ServeDir::with_backend("", Embedded)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip();
    Router::new()
        .nest_service("/assets", get_service(files))
        .layer(axum::middleware::map_response(set_cache_headers))
}

async fn set_cache_headers(mut response: Response) -> Response {
    if response.status().is_success() {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, forever);
    }
    response
}

/// The backend of `ServeDir` for embedded files.
#[derive(Clone, Copy, Debug)]
struct Embedded;

#[derive(Debug)]
struct EmbeddedFile(Cursor<&'static [u8]>);

#[derive(Debug)]
struct Length(u64);

impl Metadata for Length {
    fn is_dir(&self) -> bool {
        false
    }
    fn modified(&self) -> io::Result<SystemTime> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn len(&self) -> u64 {
        self.0
    }
}

fn find_file(path: &std::path::Path) -> io::Result<&'static [u8]> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let file = FILES.iter().find(|(known, _)| *known == name);
    file.map(|(_, bytes)| *bytes).ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Backend for Embedded {
    type File = EmbeddedFile;
    type Metadata = Length;
    type OpenFuture = Ready<io::Result<EmbeddedFile>>;
    type MetadataFuture = Ready<io::Result<Length>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        ready(find_file(&path).map(|bytes| EmbeddedFile(Cursor::new(bytes))))
    }
    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        ready(find_file(&path).map(|bytes| Length(bytes.len() as u64)))
    }
}

impl File for EmbeddedFile {
    type Metadata = Length;
    type MetadataFuture<'a> = Ready<io::Result<Length>>;
    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(Length(self.0.get_ref().len() as u64)))
    }
}

impl AsyncRead for EmbeddedFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncSeek for EmbeddedFile {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.0).start_seek(position)
    }
    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.0).poll_complete(cx)
    }
}
