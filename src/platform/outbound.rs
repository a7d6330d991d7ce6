//! The HTTP client for all outgoing requests. It follows no redirects, limits the
//! time and the size of responses, and connects only to public IP addresses over
//! https, unless the setting `allow_private_issuers` allows others. This prevents
//! server-side request forgery.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// The longest response body, in bytes.
const MAX_RESPONSE_BYTES: usize = 512 * 1024;
/// How long connecting, and the whole request, may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest URL, in bytes. Some are stored, and PostgreSQL refuses index
/// entries of more than 2,704 bytes.
const MAX_URL_BYTES: usize = 1024;

/// Makes requests to other servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client,
    private: bool,
}

/// A resolver that returns public IP addresses only.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = all.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("its address is private or loopback".into());
            }
            let public: Addrs = Box::new(public.into_iter());
            Ok(public)
        })
    }
}

/// Whether an IP address is globally reachable (IANA special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || (a == 192 && b == 0))
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // Global unicast, without documentation and the tunnels that hide an IPv4 address.
            (0x2000..0x4000).contains(&first)
                && first != 0x2002
                && !(first == 0x2001 && v6.segments()[1] < 0x200)
                && !(first == 0x2001 && v6.segments()[1] == 0xdb8)
        }
    }
}

impl Outbound {
    /// Creates a client. `private` also allows plain http and private addresses.
    ///
    /// # Errors
    /// If the HTTP client cannot be created.
    pub fn new(private: bool) -> Result<Self> {
        // Another part of the process may have chosen the same one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .https_only(!private)
            .no_proxy()
            .user_agent(concat!("tessera/", env!("CARGO_PKG_VERSION")));
        if !private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Self { client: builder.build().map_err(Error::internal)?, private })
    }

    /// Checks the URL of an issuer, which must have no query, because the path of
    /// the metadata is appended.
    ///
    /// # Errors
    /// The message for the form or API field.
    pub fn check(&self, address: &str) -> std::result::Result<Url, String> {
        let url = self.check_document(address)?;
        if url.query().is_some() {
            return Err(
                "Enter an address of scheme, host and path only, like https://idp.example.com.".to_owned()
            );
        }
        Ok(url)
    }

    /// Checks the URL of a document before it is fetched. It may have a query,
    /// as the `jwks_uri` of some issuers has.
    ///
    /// # Errors
    /// A message that says what is wrong.
    pub fn check_document(&self, address: &str) -> std::result::Result<Url, String> {
        if address.len() > MAX_URL_BYTES {
            return Err(format!("Enter an address of at most {MAX_URL_BYTES} bytes."));
        }
        let url: Url =
            address.parse().map_err(|_| "Enter an address like https://idp.example.com.".to_owned())?;
        if url.scheme() != "https" && !(self.private && url.scheme() == "http") {
            return Err("Enter an address that begins with https://.".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("Remove the user name, password and fragment from the address.".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        if !self.private && literal.is_some_and(|address| !is_public(address)) {
            return Err(
                "Enter a public address. Private and loopback addresses are not allowed here.".to_owned()
            );
        }
        Ok(url)
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// A whole sentence that says what went wrong with the server.
    pub async fn json<T: DeserializeOwned>(&self, address: &str) -> std::result::Result<T, String> {
        let url = self.check_document(address)?;
        let mut answer = self.client.get(url).send().await.map_err(|error| describe_error(&error))?;
        if !answer.status().is_success() {
            return Err(format!("The server answered with the status {}.", answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| describe_error(&error))? {
            body.extend_from_slice(&part);
            if body.len() > MAX_RESPONSE_BYTES {
                return Err(format!("The server answered more than {} KB.", MAX_RESPONSE_BYTES / 1024));
            }
        }
        serde_json::from_slice(&body)
            .map_err(|error| format!("The server did not answer with the expected JSON: {error}."))
    }
}

/// Describes an error by its innermost cause, which is the most helpful one.
fn describe_error(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("The server did not answer within {} s.", TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("The server could not be reached: {cause}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_the_internet() {
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fc00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "2002:a00:1::",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }

    #[test]
    fn plain_http_and_private_addresses_take_the_setting() {
        let (strict, lenient) = (Outbound::new(false).expect("made"), Outbound::new(true).expect("made"));
        for (address, when_strict, when_lenient) in [
            ("https://idp.example.com", true, true),
            ("https://idp.example.com/realms/a", true, true),
            ("http://idp.example.com", false, true),
            ("https://127.0.0.1:8443", false, true),
            ("https://[::1]", false, true),
            ("https://u:p@idp.example.com", false, false),
            ("https://idp.example.com?x", false, false),
            ("ftp://idp.example.com", false, false),
            ("idp", false, false),
        ] {
            assert_eq!(strict.check(address).is_ok(), when_strict, "{address}");
            assert_eq!(lenient.check(address).is_ok(), when_lenient, "{address}");
        }
        for (address, good) in [
            ("https://idp.example.com/keys?p=b2c_1_signin", true),
            ("https://idp.example.com/keys", true),
            ("http://idp.example.com/keys?p=1", false),
            ("https://127.0.0.1/keys?p=1", false),
            ("https://u@idp.example.com/keys?p=1", false),
            ("https://idp.example.com/keys?p=1#f", false),
        ] {
            assert_eq!(strict.check_document(address).is_ok(), good, "{address}");
        }
        assert!(lenient.check(&format!("https://idp.example.com/{}", "a".repeat(MAX_URL_BYTES))).is_err());
    }
}
