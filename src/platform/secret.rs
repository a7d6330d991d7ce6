//! The type of secrets such as passwords. It has no `Display`, no `Serialize` and
//! no conversion to SQL, its `Debug` shows nothing, and its memory is wiped on
//! drop. Token values have a type of their own, `verification::PlainToken`.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
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

/// A secret on its way into the one answer that shows it: a token's value, the
/// link of an invitation. Serializing it is the only way out; `Debug` says
/// nothing, and its memory is wiped when the answer was written.
#[derive(Clone)]
pub struct RevealedSecret(Zeroizing<String>);

impl RevealedSecret {
    /// The secret of an answer.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for RevealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RevealedSecret(…)")
    }
}

impl Serialize for RevealedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl schemars::JsonSchema for RevealedSecret {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "RevealedSecret".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_by_its_serializer_and_by_nothing_else() {
        let secret = RevealedSecret::new("tsra_value".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "RevealedSecret(…) Some(RevealedSecret(…))");
        assert_eq!(serde_json::to_string(&secret).expect("text"), "\"tsra_value\"");
        assert!(!format!("{:?}", Secret::new("hunter2".to_owned())).contains("hunter2"));
    }
}
