//! Parses ranges of IP addresses (CIDR), in settings and in IP allow-lists.
//! Clients' addresses are compared in their canonical form, in which an
//! IPv4-mapped IPv6 address (`::ffff:203.0.113.7`) is an IPv4 address. Ranges
//! must therefore be converted to that form, too.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The prefix length of `::ffff:0:0/96`, the range of IPv4-mapped addresses
/// (RFC 4291, 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;
/// The number of zero bits at its beginning.
const ZERO_BITS: u8 = 80;

/// Parses a range, or an IP address as a range with one address. Host bits are
/// cleared. `None` if the text is neither.
///
/// A range of IPv4-mapped addresses becomes the corresponding IPv4 range. A
/// range that is wider, but not as wide as `::/80`, becomes all of IPv4, because
/// it contains no other addresses in use. Wider ranges, such as `::/0`, stay IPv6
/// ranges and contain no IPv4 address.
#[must_use]
pub fn parse_ip_range(text: &str) -> Option<IpNet> {
    let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(canonical_form(range.trunc()))
}

fn canonical_form(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else { return range };
    if v6.prefix_len() >= MAPPED_PREFIX {
        let v4 =
            v6.addr().to_ipv4_mapped().and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - MAPPED_PREFIX).ok());
        return v4.map_or(range, IpNet::V4);
    }
    let mapped = std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    let covers = Ipv6Net::new(mapped, MAPPED_PREFIX).is_ok_and(|all| v6.contains(&all));
    if covers && v6.prefix_len() > ZERO_BITS { IpNet::V4(Ipv4Net::default()) } else { range }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_mapped_addresses_are_ranges_of_ipv4() {
        for (text, expected) in [
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:cb00:7107/128", "203.0.113.7/32"),
            ("::ffff:203.0.113.9/120", "203.0.113.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:0:0/90", "0.0.0.0/0"),
            ("::ffff:0:0/81", "0.0.0.0/0"),
            ("::ffff:0:0/80", "::/80"),
            ("::/0", "::/0"),
            ("::1", "::1/128"),
            ("::fffe:0:0/96", "::fffe:0:0/96"),
            ("2001:db8::5/32", "2001:db8::/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
        ] {
            assert_eq!(
                parse_ip_range(text).map(|range| range.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in ["", "::ffff:203.0.113.0/129", "203.0.113.0/33", "::ffff:203.0.113/120"] {
            assert_eq!(parse_ip_range(text), None, "{text}");
        }
    }
}
