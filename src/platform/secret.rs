//! The type of secrets such as passwords. It has no `Display`, no `Serialize` and
//! no conversion to SQL, its `Debug` shows nothing, and its memory is wiped on
//! drop. Token values have a type of their own, `verification::PlainToken`.

use zeroize::Zeroizing;

/// A text that must not be shown, logged or stored: a password, a set-up code.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the code that must process it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
