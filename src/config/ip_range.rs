//! Ranges of IP addresses (CIDR) as people write them: in settings, and in the
//! limits of organizations, accounts and tokens. This is the one place that
//! reads them. Clients' addresses are compared in their canonical form, in which
//! an IPv4-mapped IPv6 address (`::ffff:203.0.113.7`) is an IPv4 address, so the
//! ranges have to be in that form too.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The length of the prefix `::ffff:0:0/96`, under which IPv6 writes IPv4 addresses.
const MAPPED: u8 = 96;
/// The length of the zeros before it.
const ZEROS: u8 = 80;

/// Reads a range, or an address as a range of one. Host bits are cleared.
///
/// A range of IPv4-mapped addresses becomes the IPv4 range that it stands for;
/// one that reaches beyond them, but not beyond `::/80`, becomes all of IPv4:
/// there are no other addresses in it. Wider ranges, such as `::/0`, are of
/// IPv6 addresses, and hold no IPv4 address.
#[must_use]
pub fn parse_ip_range(text: &str) -> Option<IpNet> {
    let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(canonical(range.trunc()))
}

fn canonical(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else { return range };
    if v6.prefix_len() >= MAPPED {
        let v4 = v6.addr().to_ipv4_mapped().and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - MAPPED).ok());
        return v4.map_or(range, IpNet::V4);
    }
    let mapped = std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    let covers = Ipv6Net::new(mapped, MAPPED).is_ok_and(|all| v6.contains(&all));
    if covers && v6.prefix_len() > ZEROS { IpNet::V4(Ipv4Net::default()) } else { range }
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
