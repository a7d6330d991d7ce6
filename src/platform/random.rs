//! Randomness as an argument. Code that needs randomness gets a [`Random`], so
//! that tests can seed it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

/// A cryptographically secure generator. Seeded by the operating system in
/// production, and by a number in tests. Cheap to clone.
#[derive(Clone)]
pub struct Random(Arc<Source>);

struct Source {
    secret: Mutex<StdRng>,
    labels: Labels,
}

/// A sequence of numbers without repetition, generated without a lock: it starts
/// at a random number and adds a random odd step.
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
    /// A generator that is seeded by the operating system.
    ///
    /// # Errors
    /// If the operating system provides no randomness.
    pub fn system() -> std::io::Result<Self> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(std::io::Error::other)?;
        Ok(Self::from_rng(rng))
    }

    /// A generator with the same values every time, for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::from_rng(StdRng::seed_from_u64(seed))
    }

    fn from_rng(mut secret: StdRng) -> Self {
        let mut number = || {
            let mut bytes = [0; 8];
            secret.fill_bytes(&mut bytes);
            u64::from_be_bytes(bytes)
        };
        let labels = Labels { process: number(), step: number() | 1, next: AtomicU64::new(number()) };
        Self(Arc::new(Source { secret: Mutex::new(secret), labels }))
    }

    /// Generates a unique label, for identifiers that need not be secret, such as
    /// request ids.
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

    /// `length` random characters from `alphabet` (at most 256 ASCII characters),
    /// uniformly distributed by rejection sampling.
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

/// A unique label of 20 digits and lower-case letters. The default is empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Label([u8; 20]);

impl Label {
    /// The label as text; empty for the default.
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
