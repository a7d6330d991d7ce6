//! What a token looks like, and how it is kept.
//!
//! Prefix, 30 random base62 characters (178 bits), and the CRC-32 (ISO HDLC,
//! the one of gzip and PNG) of those 30 as 6 base62 characters, most
//! significant first. Digits are `0-9A-Za-z`. A typo or a truncated copy is
//! refused by its checksum, before any database work; scanners for leaked
//! credentials can do the same.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::access::TokenKind;
use crate::platform::Random;
use crate::platform::secret::RevealedSecret;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 30;
const CHECK: usize = 6;
/// `tsra_` and the like.
const PREFIX: usize = 5;

/// The prefix of a kind.
#[must_use]
pub const fn prefix(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Organization => "tsro_",
        TokenKind::Team => "tsrt_",
        TokenKind::ServiceAccount => "tsra_",
        TokenKind::ServiceToken => "tsrs_",
        TokenKind::Personal => "tsrp_",
        TokenKind::Access => "tsrx_",
        TokenKind::ServiceSecret => "tsrr_",
    }
}

/// A token's value. Not shown, not serialized, not stored; wiped on drop. Its
/// only way out is [`PlainToken::reveal`], its only way into SQL its hash.
#[derive(Clone)]
pub struct PlainToken {
    kind: TokenKind,
    text: Zeroizing<String>,
}

impl std::fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}…", prefix(self.kind))
    }
}

/// SHA-256 of a value: right for 178 random bits, where a slow hash would only
/// slow down every call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenHash([u8; 32]);

impl From<Option<TokenHash>> for crate::platform::db::Value {
    fn from(hash: Option<TokenHash>) -> Self {
        Self::OptionalBytes(hash.map(|hash| hash.0.to_vec()))
    }
}

impl From<TokenHash> for crate::platform::db::Value {
    fn from(hash: TokenHash) -> Self {
        Self::Bytes(hash.0.to_vec())
    }
}

impl TokenHash {
    /// As it is stored.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// How a value is shown where it is not to be told: prefix and last four,
/// `tsra_…x7Qp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hint {
    kind: TokenKind,
    end: [u8; 4],
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}…", prefix(self.kind))?;
        self.end.iter().try_for_each(|byte| f.write_char(char::from(*byte)))
    }
}

impl serde::Serialize for Hint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PlainToken {
    /// A new value.
    #[must_use]
    pub fn generate(kind: TokenKind, random: &Random) -> Self {
        let body = Zeroizing::new(random.characters(BASE62, RANDOM));
        let check = checksum(body.as_bytes());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX + RANDOM + CHECK));
        text.push_str(prefix(kind));
        text.push_str(&body);
        text.extend(check.map(char::from));
        Self { kind, text }
    }

    /// Reads a value that somebody presents. `None` for anything that this
    /// installation cannot have made: no database is asked about it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != PREFIX + RANDOM + CHECK || !text.is_ascii() {
            return None;
        }
        let (start, rest) = text.split_at(PREFIX);
        let kind = TokenKind::ALL.iter().copied().find(|kind| prefix(*kind) == start)?;
        let (body, check) = rest.split_at(RANDOM);
        let whole = body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (whole && checksum(body.as_bytes()) == check.as_bytes())
            .then(|| Self { kind, text: Zeroizing::new(text.to_owned()) })
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// How it is shown afterwards.
    #[must_use]
    pub fn hint(&self) -> Hint {
        Hint { kind: self.kind, end: *self.text.as_bytes().last_chunk().unwrap_or(b"????") }
    }

    /// The value for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> RevealedSecret {
        RevealedSecret::new(self.text.to_string())
    }

    /// The value itself, to be sealed or written to a file for its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

fn checksum(body: &[u8]) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(body) as usize;
    let mut digits = [b'0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_what_it_was_made() {
        for kind in TokenKind::ALL {
            let made = PlainToken::generate(*kind, &Random::seeded(3));
            let read = PlainToken::parse(made.expose()).expect("valid");
            assert_eq!((read.kind(), read.hash()), (*kind, made.hash()));
            assert_eq!(made.expose().len(), 41);
            assert_eq!(made.hint().to_string().chars().count(), 10);
            assert_eq!(format!("{made:?}"), format!("{}…", prefix(*kind)));
        }
    }

    #[test]
    fn the_checksum_is_crc_32_of_the_random_part_in_base_62() {
        // CRC-32 of "123456789" is the check value of the algorithm: 0xCBF43926.
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
        assert_eq!(&checksum(b""), b"000000");
    }

    #[test]
    fn any_one_character_changed_is_refused() {
        let made = PlainToken::generate(TokenKind::ServiceAccount, &Random::seeded(4));
        let text = made.expose();
        for place in 0..text.len() {
            for other in [b'0', b'z', b'_', b' ', 0] {
                let mut bytes = text.as_bytes().to_vec();
                if bytes[place] == other {
                    continue;
                }
                bytes[place] = other;
                let changed = String::from_utf8(bytes).expect("ascii");
                // Prefixes differ in one letter; another kind's prefix still has a fitting checksum.
                assert!(
                    PlainToken::parse(&changed).is_none_or(|token| token.kind() != made.kind()),
                    "accepted {changed:?}"
                );
            }
        }
        for bad in [&text[..40], &format!("{text}0"), &format!(" {text}"), &text.to_lowercase(), "", "ä"] {
            assert!(PlainToken::parse(bad).is_none(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = PlainToken::parse(&text);
        }
    }
}
