//! Randomness as an argument: a [`Random`] is handed to whoever needs it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

/// A cryptographically secure generator: seeded by the operating system in
/// production, by a number in tests, so that those can be repeated.
#[derive(Clone)]
pub struct Random(Arc<Source>);

struct Source {
    secret: Mutex<StdRng>,
    labels: Labels,
}

/// Numbers that this process gives once each, without a lock: a random start,
/// moved on by a random odd step.
struct Labels {
    process: u64,
    step: u64,
    next: AtomicU64,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl Random {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn system() -> std::io::Result<Self> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(std::io::Error::other)?;
        Ok(Self::of(rng))
    }

    /// The same values every time, for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    fn of(mut secret: StdRng) -> Self {
        let mut number = || {
            let mut bytes = [0; 8];
            secret.fill_bytes(&mut bytes);
            u64::from_be_bytes(bytes)
        };
        let labels = Labels { process: number(), step: number() | 1, next: AtomicU64::new(number()) };
        Self(Arc::new(Source { secret: Mutex::new(secret), labels }))
    }

    /// A label that this process gives once, and other processes as good as
    /// never: for what must be told apart and need not be secret.
    #[must_use]
    pub fn label(&self) -> Label {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let Labels { process, step, next } = &self.0.labels;
        let mut rest = u128::from(*process) << 60 | u128::from(next.fetch_add(*step, Ordering::Relaxed) >> 4);
        let mut text = [0; 20];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(rest % 32) as usize];
            rest /= 32;
        }
        Label(text)
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.secret.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }

    /// `length` characters of `alphabet` (at most 256 of them), each as likely
    /// as any other: bytes that would favour the first ones are thrown away.
    #[must_use]
    pub fn characters(&self, alphabet: &[u8], length: usize) -> String {
        let fair = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(length);
        while text.len() < length {
            for byte in self.bytes::<64>() {
                if usize::from(byte) < fair && text.len() < length {
                    text.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
                }
            }
        }
        text
    }
}

/// Twenty characters, digits and small letters; the default is empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Label([u8; 20]);

impl Label {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if self.0[0] == 0 { "" } else { std::str::from_utf8(&self.0).unwrap_or_default() }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_given_twice() {
        let (one, other) = (Random::seeded(1), Random::seeded(2));
        let all = || (0..50_000).flat_map(|_| [one.label(), other.label()]);
        assert_eq!(all().collect::<std::collections::HashSet<_>>().len(), 100_000);
        assert!(one.label().as_str().len() == 20 && Label::default().as_str().is_empty());
    }
}
