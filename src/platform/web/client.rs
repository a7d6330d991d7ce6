//! The IP address of the client: that of the connection or, behind trusted proxies,
//! the one in `X-Forwarded-For` or `Forwarded`. Headers from other peers are
//! ignored, so that a client cannot forge its address.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use ipnet::IpNet;

/// The IP address of the client, if it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// Determines the client's IP address; `trusted` are the trusted proxies.
    #[must_use]
    pub fn from_request(request: &Request, trusted: &[IpNet]) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Self(peer.map(|peer| client_ip(peer.0.ip().to_canonical(), request.headers(), trusted)))
    }
}

/// The nearest address that does not belong to a trusted proxy. Addresses beyond it
/// were added by somebody who is not trusted.
fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(&address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut nearest = peer;
    for hop in list_hops(headers).into_iter().rev() {
        // Beyond a hop that is not an IP address, nothing is known.
        let Some(address) = hop else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// The hops in the headers, the nearest one last, from `X-Forwarded-For` or, without
/// it, `Forwarded` (RFC 7239). `None` for a hop that is not an IP address.
fn list_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let all = |name: &str| {
        // A line with invalid UTF-8 must yield unknown hops; it must not be skipped.
        let lines = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let parts = |line: std::borrow::Cow<'_, str>| -> Vec<String> {
            line.split(',').map(|part| part.trim().to_owned()).collect()
        };
        lines.flat_map(parts).collect::<Vec<_>>()
    };
    let listed = all("x-forwarded-for");
    if headers.contains_key("x-forwarded-for") {
        return listed.iter().map(|part| parse_ip(part)).collect();
    }
    let named = |part: &String| {
        let pair = part.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for").then(|| value.trim_matches('"').to_owned())
        });
        pair.as_deref().and_then(parse_ip)
    };
    all("forwarded").iter().map(named).collect()
}

/// Parses an IP address, with or without a port.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let plain = text.trim_start_matches('[').split(']').next().unwrap_or_default();
    let found = plain.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    found.map(|address| address.to_canonical())
}

/// Whether a host, with or without a port, is this machine: a loopback address or
/// `localhost` with its subdomains (RFC 6761, 6.3). Case and a dot at the end are
/// ignored (RFC 9110, 4.2.3).
#[must_use]
pub fn is_local_host(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let name = match bracketed {
        Some((address, rest)) if rest.is_empty() || rest.starts_with(':') => address,
        Some(_) => return false,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bracketed.is_none() && (name == "localhost" || name.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_this_machine_however_it_is_written() {
        for local in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "LocalHost.:8080",
            "localhost:80",
            "[::1]",
            "[::1]:8080",
            "127.0.0.1",
            "127.1.2.3:8080",
            "console.localhost",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(is_local_host(local), "{local}");
        }
        for foreign in [
            "",
            ".",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "notlocalhost",
            "[::2]",
            "[::1]x",
            "[localhost]",
            "192.0.2.1",
            "example.com:80",
            "localhost..",
        ] {
            assert!(!is_local_host(foreign), "{foreign}");
        }
    }

    #[test]
    fn only_what_trusted_proxies_say_is_believed() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "2001:db8::/32"].iter().map(|range| range.parse().expect("a range")).collect();
        let ask = |peer: &str, name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header"));
            client_ip(peer.parse().expect("an address"), &headers, &trusted).to_string()
        };
        for (peer, name, value, expected) in [
            // Who is not trusted is not believed.
            ("192.0.2.1", "x-forwarded-for", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9", "203.0.113.9"),
            // What the caller wrote itself stands further out, and is not believed.
            ("10.0.0.1", "x-forwarded-for", "127.0.0.1, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
            ("10.0.0.1", "x-forwarded-for", "garbage, 10.0.0.7", "10.0.0.7"),
            ("10.0.0.1", "x-forwarded-for", "203.0.113.9:4711", "203.0.113.9"),
            ("10.0.0.1", "forwarded", "for=203.0.113.9;proto=https", "203.0.113.9"),
            ("10.0.0.1", "forwarded", "for=\"[2001:db8:1::9]:80\", for=192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "forwarded", "For=\"[2a00::9]\"", "2a00::9"),
            ("10.0.0.1", "x-other", "203.0.113.9", "10.0.0.1"),
            ("10.0.0.1", "x-forwarded-for", "", "10.0.0.1"),
        ] {
            assert_eq!(ask(peer, name, value), expected, "{peer} {name}: {value}");
        }
    }

    #[test]
    fn what_a_caller_writes_beside_the_proxys_line_is_not_read() {
        let trusted = ["10.0.0.0/8".parse().expect("a range")];
        let mut headers = HeaderMap::new();
        let line = axum::http::HeaderValue::from_bytes(b"\xe9, 198.51.100.7").expect("a header");
        headers.insert("x-forwarded-for", line);
        headers.insert("forwarded", "for=10.1.2.3".parse().expect("a header"));
        let found = client_ip(IpAddr::from([10, 0, 0, 1]), &headers, &trusted);
        assert_eq!(found.to_string(), "198.51.100.7");
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_the_address_panic(text in "[ -~]{0,60}") {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", text.parse().expect("a header"));
            let _ = client_ip(IpAddr::from([10, 0, 0, 1]), &headers, &["10.0.0.0/8".parse().expect("a range")]);
        }
    }
}
