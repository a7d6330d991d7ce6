//! The setting `listen`: an IP address and port, a host name and port, or the
//! path of a Unix socket.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and a port; port 0 selects a free port.
    Address(SocketAddr),
    /// A host name and a port. The name is resolved at the start.
    Name(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// Parses the setting; `None` if it has none of these forms.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let (name, port) = text.rsplit_once(':')?;
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
            // A name without letters is a mistyped IP address.
            && name.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_name.then_some(())?;
        Some(Self::Name(name.to_owned(), port.parse().ok()?))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_listen_on_is_an_address_a_name_or_a_path() {
        for (text, listen) in [
            ("127.0.0.1:80", Some(Listen::Address(([127, 0, 0, 1], 80).into()))),
            ("[::1]:80", Some(Listen::Address("[::1]:80".parse().expect("an address")))),
            ("localhost:8080", Some(Listen::Name("localhost".to_owned(), 8080))),
            ("id.example.com:0", Some(Listen::Name("id.example.com".to_owned(), 0))),
            ("unix:/run/tessera.sock", Some(Listen::Unix("/run/tessera.sock".into()))),
            ("unix:", None),
            ("localhost", None),
            (":8080", None),
            ("localhost:x", None),
            ("localhost:99999", None),
            ("127.0.0.300:80", None),
            ("::1:80", None),
            ("a b:80", None),
        ] {
            assert_eq!(Listen::parse(text), listen, "{text}");
        }
    }
}
