//! Digests of several parts, such as the parts of a lookup key.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of parts, each hashed with its length, so that different lists of
/// parts have different digests.
pub fn digest_parts<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        digest.update(u64::try_from(part.len()).unwrap_or(0).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::digest_parts;

    #[test]
    fn the_same_text_in_other_parts_has_another_digest() {
        assert_eq!(digest_parts(["ab", "c"]), digest_parts(["ab", "c"]));
        assert_ne!(digest_parts(["ab", "c"]), digest_parts(["a", "bc"]));
        assert_ne!(digest_parts(["abc"]), digest_parts(["abc", ""]));
    }
}
