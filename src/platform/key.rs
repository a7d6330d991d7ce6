//! The installation's key, which all nodes share. It encrypts values that must be
//! readable again, and derives MACs and other values that every node can compute
//! without storing them.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Random, private_file};

/// The key: 32 random bytes from `key_file`. Cheap to clone, wiped on drop.
#[derive(Clone)]
pub struct Key(Arc<Zeroizing<[u8; 32]>>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// Reads the key, or creates the file with mode 0600 if it does not exist. If
    /// several processes start at once, one creates it and all read the same key.
    ///
    /// # Errors
    /// If the file cannot be read or created, does not contain a key, or can be
    /// read by others than its owner.
    pub fn load(path: &Path, random: &Random) -> std::io::Result<Self> {
        if !path.exists() {
            let text: Zeroizing<String> =
                Zeroizing::new(random.bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect());
            let written = path.with_extension(format!("{:016x}.new", u64::from_be_bytes(random.bytes())));
            let mut file =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&written)?;
            writeln!(file, "{}", *text)?;
            file.sync_all()?;
            // A hard link fails if the name exists, so that the second process reads the key of the first.
            let linked = std::fs::hard_link(&written, path);
            std::fs::remove_file(&written)?;
            if let Err(error) = linked
                && error.kind() != std::io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
        }
        private_file::ensure_private(path)?;
        let text = Zeroizing::new(std::fs::read_to_string(path)?);
        Self::parse(text.trim()).ok_or_else(|| {
            std::io::Error::other("This file does not contain a key of 64 hexadecimal digits.")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self::from_bytes(bytes))
    }

    /// Derives a value: the HMAC-SHA-256 of `purpose` and `secret` under this
    /// key. Each use must have its own `purpose`.
    #[must_use]
    pub fn derive(&self, purpose: &str, secret: &[u8]) -> Zeroizing<[u8; 32]> {
        // HMAC fills a key up to its block with zeros (RFC 2104, 2), so this is the key itself.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&self.0[..]);
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(secret);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// Encrypts `plain` (XChaCha20-Poly1305) so that only [`Key::open`] with the
    /// same `holder` can decrypt it: a secret that is not stored, such as a
    /// session's id. `about` is authenticated but not encrypted.
    #[must_use]
    pub fn seal(&self, random: &Random, holder: &[u8], about: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; 24] = random.bytes();
        let key = self.derive("seal", holder);
        let cipher = XChaCha20Poly1305::new((&*key).into());
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: about.as_bytes() })
            .unwrap_or_default();
        [&nonce[..], &sealed].concat()
    }

    /// Decrypts the result of [`Key::seal`]; `None` if `holder` or `about` differ.
    #[must_use]
    pub fn open(&self, holder: &[u8], about: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(24)?;
        let nonce: [u8; 24] = nonce.try_into().ok()?;
        let key = self.derive("seal", holder);
        let cipher = XChaCha20Poly1305::new((&*key).into());
        cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: body, aad: about.as_bytes() })
            .ok()
            .map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_holder_opens_what_was_sealed() {
        let key = Key::from_bytes([7; 32]);
        let random = Random::seeded(1);
        let sealed = key.seal(&random, b"session", "tok_1", b"value");
        assert_eq!(key.open(b"session", "tok_1", &sealed).as_deref().map(Vec::as_slice), Some(&b"value"[..]));
        assert!(key.open(b"another", "tok_1", &sealed).is_none());
        assert!(key.open(b"session", "tok_2", &sealed).is_none());
        assert!(Key::from_bytes([8; 32]).open(b"session", "tok_1", &sealed).is_none());
        assert!(key.open(b"session", "tok_1", &sealed[..20]).is_none());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = std::env::temp_dir().join(format!("tessera-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        let path = folder.join("key");
        let random = Random::seeded(2);
        let made = Key::load(&path, &random).expect("made");
        let read = Key::load(&path, &random).expect("read");
        assert_eq!(made.derive("x", b"y"), read.derive("x", b"y"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let refused = Key::load(&path, &random).expect_err("refused").to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        std::fs::remove_dir_all(&folder).expect("cleaned");
    }
}
