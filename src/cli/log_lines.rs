//! The log writer, which ensures that one event is one line.
//!
//! Errors and spans contain text from requests. A line break in such a text could
//! forge a log event, and a control character could change what a terminal shows.
//! The writer therefore escapes all control characters inside an event, except
//! the colour codes of the formatter.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Creates [`Line`] writers for `tracing_subscriber`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneLine<M> {
    /// Creates the underlying writers.
    pub(super) writer: M,
    /// Whether the formatter writes colour codes.
    pub(super) colours: bool,
}

/// A writer that turns each call of `write` into one line.
#[derive(Debug)]
pub(super) struct Line<W> {
    writer: W,
    colours: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self.writer.make_writer(), colours: self.colours }
    }
}

impl<W: Write> Write for Line<W> {
    /// Writes one event. The formatter passes each event in one call, with its
    /// line break.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (text, end) = match event.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (event, false),
        };
        let text = String::from_utf8_lossy(text);
        if text.contains(must_be_escaped) {
            let escaped: String = text
                .char_indices()
                .map(|(at, c)| {
                    let is_colour = self.colours && is_colour(&text[at..]);
                    if must_be_escaped(c) && !is_colour {
                        c.escape_default().to_string()
                    } else {
                        c.to_string()
                    }
                })
                .collect();
            self.writer.write_all(escaped.as_bytes())?;
        } else {
            self.writer.write_all(text.as_bytes())?;
        }
        if end {
            self.writer.write_all(b"\n")?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Whether a character is a control character, or one of the two Unicode
/// separators that some readers treat as a line break.
fn must_be_escaped(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether a text begins with a colour code: `ESC [ numbers m`.
fn is_colour(text: &str) -> bool {
    let numbers = |c: char| c.is_ascii_digit() || c == ';';
    text.strip_prefix("\u{1b}[").is_some_and(|rest| rest.trim_start_matches(numbers).starts_with('m'))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_request_says_cannot_forge_a_line_of_the_log() {
        let forged = "a\n2027-01-01T00:00:00Z  INFO tessera: signed in\r\u{85}\u{2028}\u{1b}[2J\u{7}=1";
        for colours in [false, true] {
            let kept = Kept::default();
            let writer = kept.clone();
            let lines = tracing_subscriber::fmt()
                .with_ansi(colours)
                .with_writer(OneLine { writer: move || writer.clone(), colours })
                .finish();
            tracing::subscriber::with_default(lines, || {
                let span = tracing::info_span!("request", path = forged);
                let _inside = span.enter();
                tracing::error!(error = %forged, text = ?forged, "{forged}");
                tracing::info!("and another");
            });
            let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(text.lines().count(), 2, "{text:?}");
            assert!(text.ends_with('\n') && text.contains("\\n2027"), "{text:?}");
            assert!(!text.contains(['\r', '\u{85}', '\u{2028}', '\u{7}']), "{text:?}");
            assert!(!text.contains("\u{1b}[2J"), "{text:?}");
        }
    }
}
