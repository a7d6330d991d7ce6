//! IP allow-lists: the addresses from which a token can be used. A token, a
//! service account and the organization can each have one. This module parses
//! and compares them; `verification` enforces them on every request.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::parse_ip_range;

/// Ranges of IP addresses (CIDR, IPv4 and IPv6), sorted and without
/// duplicates. Stored and shown as text with one range per line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IpAllowList(Vec<IpNet>);

/// The largest number of ranges in one list.
const MAX_RANGES: usize = 100;

impl IpAllowList {
    /// Parses ranges that are separated by spaces, commas or line breaks. An
    /// address without a prefix length is a range with one address.
    ///
    /// # Errors
    /// A message that names the first text that is not a range, or that says
    /// how many ranges a list may have.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(|c: char| c.is_whitespace() || c == ',').filter(|part| !part.is_empty());
        Self::parse_all(parts)
    }

    /// Parses one range from each text.
    ///
    /// # Errors
    /// As [`IpAllowList::parse`].
    pub fn parse_all<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut ranges = Vec::new();
        for part in parts {
            let range = parse_ip_range(part).ok_or_else(|| {
                format!("Enter addresses or ranges like 10.0.0.0/8 or 2001:db8::/32. “{part}” is neither.")
            })?;
            ranges.push(range);
        }
        ranges.sort_unstable();
        ranges.dedup();
        if ranges.len() > MAX_RANGES {
            return Err(format!("Enter at most {MAX_RANGES} addresses or ranges."));
        }
        Ok(Self(ranges))
    }

    /// Whether the list has no range. An empty list allows every address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges as text, one per line.
    #[must_use]
    pub fn lines(&self) -> String {
        self.list().join("\n")
    }

    /// Each range in CIDR notation.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether this list allows the address. An empty list allows every
    /// address; a list with ranges never allows an unknown address (`None`).
    #[must_use]
    pub fn allows(&self, ip: Option<IpAddr>) -> bool {
        self.0.is_empty() || ip.is_some_and(|ip| self.narrowest_prefix(ip).is_some())
    }

    /// Whether each range of this list lies within a range of `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|range| other.0.iter().any(|wide| wide.contains(range)))
    }

    /// The prefix length of the narrowest range that contains the address;
    /// `None` if no range does.
    fn narrowest_prefix(&self, ip: IpAddr) -> Option<u8> {
        let ip = ip.to_canonical();
        self.0.iter().filter(|range| range.contains(&ip)).map(IpNet::prefix_len).max()
    }
}

/// Whether the organization's two lists allow an address. If both have a range
/// that contains it, the narrower range takes precedence; with equal prefix
/// lengths the address is blocked.
#[must_use]
pub fn ip_allowed(allow: &IpAllowList, block: &IpAllowList, ip: Option<IpAddr>) -> bool {
    let Some(ip) = ip else { return allow.is_empty() };
    match (allow.narrowest_prefix(ip), block.narrowest_prefix(ip)) {
        (Some(allowed), Some(blocked)) => allowed > blocked,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => allow.is_empty(),
    }
}

impl schemars::JsonSchema for IpAllowList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Addresses".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "items": { "type": "string" }, "maxItems": MAX_RANGES })
    }
}

impl serde::Serialize for IpAllowList {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list())
    }
}

impl<'de> serde::Deserialize<'de> for IpAllowList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Vec::<String>::deserialize(deserializer)?;
        Self::parse_all(parts.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_no_more_ranges_than_can_be_compared_with_every_call() {
        let list = |count: usize| {
            (0..count).map(|number| format!("10.0.{}.{}\n", number / 250, number % 250)).collect::<String>()
        };
        assert!(IpAllowList::parse(&list(MAX_RANGES)).is_ok());
        assert!(IpAllowList::parse(&list(MAX_RANGES + 1)).expect_err("too many").contains("at most"));
    }

    #[test]
    fn the_narrower_range_wins_and_of_equals_the_block() {
        let list = |text: &str| IpAllowList::parse(text).expect("ranges");
        let none = list("");
        let peer = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        let cases = [
            (&none, &none, "10.1.1.1", true),
            (&list("10.0.0.0/8"), &none, "10.1.1.1", true),
            (&list("10.0.0.0/8"), &none, "11.1.1.1", false),
            (&list("10.0.0.0/8"), &list("10.1.0.0/16"), "10.1.1.1", false),
            (&list("10.0.0.0/8"), &list("10.1.0.0/16"), "10.2.1.1", true),
            (&list("10.1.1.0/24"), &list("10.1.0.0/16"), "10.1.1.1", true),
            (&list("10.1.1.1"), &list("10.1.1.1/32"), "10.1.1.1", false),
            (&none, &list("10.1.0.0/16"), "10.2.1.1", true),
            (&list("2001:db8::/32"), &none, "2001:db8::1", true),
            (&list("2001:db8::/32"), &none, "10.1.1.1", false),
            (&list("10.0.0.0/8"), &none, "::ffff:10.1.1.1", true),
            // Ranges of IPv4-mapped addresses are those of IPv4, whichever way the address is written.
            (&none, &list("::ffff:203.0.113.0/120"), "203.0.113.9", false),
            (&none, &list("::ffff:203.0.113.0/120"), "::ffff:203.0.113.9", false),
            (&none, &list("::ffff:203.0.113.0/120"), "203.0.114.9", true),
            (&list("::ffff:203.0.113.0/120"), &none, "203.0.113.9", true),
            (&list("::ffff:203.0.113.7"), &list("203.0.113.0/24"), "203.0.113.7", true),
            (&none, &list("::ffff:0:0/90"), "203.0.113.9", false),
            // All of IPv6 is not all of IPv4.
            (&list("::/0"), &none, "203.0.113.9", false),
            (&none, &list("::/0"), "203.0.113.9", true),
        ];
        for (allow, block, address, expected) in cases {
            assert_eq!(ip_allowed(allow, block, peer(address)), expected, "{allow:?} {block:?} {address}");
        }
        assert!(
            ip_allowed(&none, &list("10.0.0.0/8"), None) && !ip_allowed(&list("10.0.0.0/8"), &none, None)
        );
    }

    #[test]
    fn ranges_are_read_from_lines_and_commas_and_anything_else_is_named() {
        let read = IpAllowList::parse(" 10.1.2.3/8,\n192.0.2.7  ::1 ").expect("ranges");
        assert_eq!(read.lines(), "10.0.0.0/8\n192.0.2.7/32\n::1/128");
        for bad in ["10.0.0.0/33", "localhost", "10.0.0", "10.0.0.0/8;"] {
            assert!(IpAllowList::parse(bad).is_err_and(|message| message.contains(bad)), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_ranges_panic(text in ".{0,60}") {
            let _ = IpAllowList::parse(&text);
        }
    }
}
