//! Streamed response bodies, for responses that are too long for memory. A task
//! writes parts into a bounded channel, as fast as the client reads them.
//!
//! The writer must call [`BodyWriter::finish`]. If the task fails, panics or is
//! dropped before, the connection is aborted, so that the client does not mistake a
//! part for the whole. The body can be polled after its end, as the compression
//! middleware does.

use axum::body::{Body, Bytes};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::platform::Error;

/// The number of parts that are produced before the client reads them.
const AHEAD: usize = 2;

#[derive(Debug)]
enum Part {
    Data(Bytes),
    Failure(Error),
    End,
}

/// The client has disconnected, so the writer can stop.
#[derive(Debug)]
pub struct ReaderGone;

/// Writes the parts of a body.
#[derive(Debug)]
pub struct BodyWriter(mpsc::Sender<Part>);

impl BodyWriter {
    /// Sends a part. Waits if the client is slower.
    ///
    /// # Errors
    /// [`ReaderGone`] if the client has disconnected.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), ReaderGone> {
        self.0.send(Part::Data(bytes.into())).await.map_err(|_| ReaderGone)
    }

    /// Marks the body as complete.
    pub async fn finish(self) {
        let _ = self.0.send(Part::End).await;
    }

    /// Aborts the response.
    pub async fn fail(self, error: Error) {
        let _ = self.0.send(Part::Failure(error)).await;
    }
}

/// Creates a streamed body with its writer.
#[must_use]
pub fn streamed_body() -> (BodyWriter, Body) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let parts = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Data(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Part::End) => None,
            Some(Part::Failure(error)) => Some((Err(error), None)),
            None => Some((Err(Error::internal("the task that produced the answer ended early")), None)),
        }
    });
    // Without `fuse`, polling after the end would panic.
    (BodyWriter(sender), Body::from_stream(parts.fuse()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::HttpBody as _;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_body_is_complete_only_if_its_writer_says_so() {
        for finishes in [true, false] {
            let (writer, body) = streamed_body();
            let task = tokio::spawn(async move {
                for part in ["a", "b", "c"] {
                    writer.write(part).await.expect("a reader");
                }
                if finishes {
                    writer.finish().await;
                }
            });
            let read = body.collect().await.map(http_body_util::Collected::to_bytes);
            task.await.expect("joined");
            assert_eq!(read.ok(), finishes.then(|| Bytes::from("abc")));
        }
        let (writer, body) = streamed_body();
        writer.write("a").await.expect("a reader");
        writer.fail(Error::NotFound).await;
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_body_may_be_polled_after_its_end() {
        let (writer, mut body) = streamed_body();
        writer.write("a").await.expect("a reader");
        writer.finish().await;
        assert!(body.frame().await.is_some());
        for _ in 0..3 {
            assert!(body.frame().await.is_none());
        }
        assert!(body.size_hint().upper().is_none());
    }

    #[tokio::test]
    async fn a_writer_learns_that_its_reader_went_away() {
        let (writer, body) = streamed_body();
        drop(body);
        assert!(writer.write("a").await.is_err());
    }
}
