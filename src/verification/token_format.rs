//! The format of token values and of their hashes.
//!
//! A value consists of the prefix of its kind, 30 random base62 characters
//! (178 bits), and 6 base62 characters with the CRC-32 (ISO HDLC, as in gzip and
//! PNG) of the random characters, most significant first. The digits are
//! `0-9A-Za-z`. A value with a wrong checksum is refused without any database
//! work, and scanners for leaked credentials can check it, too.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::access::TokenKind;
use crate::platform::Random;
use crate::platform::secret::RevealedSecret;

/// So many characters after a prefix are taken for a part of a value, not for a hint.
const FEWEST_OF_A_PART: usize = 8;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH: usize = 30;
const CHECKSUM_LENGTH: usize = 6;
/// The length of a prefix like `tsra_`.
const PREFIX_LENGTH: usize = 5;

/// The prefix of the values of this kind.
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

/// The value of a token. It cannot be displayed, serialized or bound to SQL, and
/// it is wiped on drop. Only [`PlainToken::reveal`] returns the text; only the
/// hash is stored.
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

/// The SHA-256 hash of a value. A fast hash is sufficient for 178 random bits.
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
    /// Converts stored bytes; `None` if there are not 32.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// The part of a value that can be shown after the reveal: prefix and last four
/// characters, `tsra_…x7Qp`.
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
    /// Generates a new value.
    #[must_use]
    pub fn generate(kind: TokenKind, random: &Random) -> Self {
        let body = Zeroizing::new(random.characters(BASE62, RANDOM_LENGTH));
        let check = checksum(body.as_bytes());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX_LENGTH + RANDOM_LENGTH + CHECKSUM_LENGTH));
        text.push_str(prefix(kind));
        text.push_str(&body);
        text.extend(check.map(char::from));
        Self { kind, text }
    }

    /// Parses a presented value. `None` if the length, the prefix or the checksum
    /// is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != PREFIX_LENGTH + RANDOM_LENGTH + CHECKSUM_LENGTH || !text.is_ascii() {
            return None;
        }
        let (start, rest) = text.split_at(PREFIX_LENGTH);
        let kind = TokenKind::ALL.iter().copied().find(|kind| prefix(*kind) == start)?;
        let (body, check) = rest.split_at(RANDOM_LENGTH);
        let whole = body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (whole && checksum(body.as_bytes()) == check.as_bytes())
            .then(|| Self { kind, text: Zeroizing::new(text.to_owned()) })
    }

    /// The first value within a text, such as a line of a log. `None` if none has a right checksum.
    #[must_use]
    pub fn find_in(text: &str) -> Option<Self> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let starts = words.flat_map(|word| word.match_indices("tsr").map(move |(start, _)| &word[start..]));
        let length = PREFIX_LENGTH + RANDOM_LENGTH + CHECKSUM_LENGTH;
        starts.filter_map(|rest| rest.get(..length)).find_map(Self::parse)
    }

    /// Whether a text contains a value or a part of one, also one with a mistake. Such a text belongs in no URL.
    #[must_use]
    pub fn is_part_in(text: &str) -> bool {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut starts =
            words.flat_map(|word| word.match_indices("tsr").map(move |(start, _)| &word[start..]));
        starts.any(|rest| {
            let mut chars = rest.chars().skip(3);
            let is_prefix =
                chars.next().is_some_and(|kind| kind.is_ascii_lowercase()) && chars.next() == Some('_');
            is_prefix && chars.take_while(char::is_ascii_alphanumeric).count() >= FEWEST_OF_A_PART
        })
    }

    /// The kind of the token, from its prefix.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The hash that is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The part that can be shown after the reveal.
    #[must_use]
    pub fn hint(&self) -> Hint {
        Hint { kind: self.kind, end: *self.text.as_bytes().last_chunk().unwrap_or(b"????") }
    }

    /// The value as text, for the one response that reveals it.
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

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(body) as usize;
    let mut digits = [b'0'; CHECKSUM_LENGTH];
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
