//! Passwords: hashing and verification with argon2id, and the rules for new
//! passwords. Hashing is expensive, so it runs on blocking threads, and
//! `password_queue` limits how many hashes are computed at once. `throttle`
//! limits how often a password can be tried.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use super::password_queue::{Lane, MAX_WAIT, PasswordQueue, QueuePlace, Turn};
use crate::platform::secret::Secret;
use crate::platform::text::casefold;
use crate::platform::{Error, Random, Result};

/// The memory of argon2id (OWASP Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;
/// The iterations of argon2id (the same source).
const PASSES: u32 = 2;

/// The hash that is verified for unknown users, so that the duration does not
/// reveal whether an account exists. No password is known for it.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IHNvbWU$\
     bm8gcGFzc3dvcmQgaGFzaGVzIHRvIHRoaXMgdmFsdWU";

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords {
    random: Random,
    queue: PasswordQueue,
}

impl Passwords {
    /// A hasher with an empty queue. `random` generates the salts.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        Self { random: random.clone(), queue: PasswordQueue::default() }
    }

    /// Hashes a new password. Returns the PHC string to store.
    ///
    /// # Errors
    /// [`Error::Busy`] if the queue is full or the wait exceeds [`MAX_WAIT`].
    pub async fn hash(&self, password: Secret) -> Result<String> {
        let salt: [u8; 16] = self.random.bytes();
        let turn = self.join(Lane::NEW_PASSWORDS)?.wait_for_turn(MAX_WAIT).await?;
        run_blocking(turn, move || {
            let hash = argon2id()?.hash_password_with_salt(password.expose().as_bytes(), &salt);
            Ok(hash.map_err(Error::internal)?.to_string())
        })
        .await
    }

    /// Reserves a place in the queue for [`Passwords::verify`].
    ///
    /// # Errors
    /// [`Error::Busy`] if the lane or the queue is full.
    pub fn join(&self, lane: Lane) -> Result<QueuePlace> {
        self.queue.join(lane)
    }

    /// Verifies a password after the given delay. Without a hash (there is no
    /// such person) it takes equally long and returns false.
    ///
    /// # Errors
    /// [`Error::Busy`] if the delay and the wait in the queue together exceed
    /// [`MAX_WAIT`].
    pub async fn verify(
        &self,
        place: QueuePlace,
        delay: Duration,
        password: Secret,
        hash: Option<String>,
    ) -> Result<bool> {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let turn = place.wait_for_turn(MAX_WAIT.saturating_sub(delay)).await?;
        run_blocking(turn, move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
            let parsed = PasswordHash::new(&text).map_err(Error::internal)?;
            let is_correct = argon2id()?.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            Ok(known && is_correct)
        })
        .await
    }
}

/// Runs work on a blocking thread. The turn ends with the work, even if the
/// caller has stopped waiting for the result.
async fn run_blocking<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    })
    .await
    .map_err(Error::internal)?
}

fn argon2id() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Checks a new password: 15 to 128 characters of any kind, without composition
/// rules (NIST SP 800-63B-4). Rejected are passwords that contain one of the
/// person's own names (`own`, of four characters or more), repeat one short
/// piece, or follow the keyboard.
///
/// # Errors
/// The message for the form field.
pub fn check_new(password: &Secret, own: &[&str]) -> std::result::Result<(), String> {
    let text = password.expose();
    let count = text.chars().count();
    if count < 15 {
        return Err("Enter a password of at least 15 characters, such as several words.".to_owned());
    }
    if count > 128 {
        return Err("Enter a password of at most 128 characters.".to_owned());
    }
    let folded = casefold(text);
    if own.iter().map(|own| casefold(own)).any(|own| own.chars().count() >= 4 && folded.contains(&own)) {
        return Err(
            "Choose a password that does not contain your name, username or email address.".to_owned()
        );
    }
    if is_repetition(&folded) || follows_keyboard(&folded) {
        return Err(
            "Choose a password that is harder to guess. This one repeats a pattern or follows the keyboard."
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether the text repeats one piece of at most eight characters.
fn is_repetition(text: &str) -> bool {
    let all: Vec<char> = text.chars().collect();
    (1..=8).any(|piece| all.iter().enumerate().all(|(place, c)| *c == all[place % piece]))
}

/// Whether more than three quarters of the steps from one character to the next
/// stay on a key or go to a neighbour in a row of the keyboard or the alphabet.
fn follows_keyboard(text: &str) -> bool {
    const ROWS: [&str; 5] =
        ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz"];
    let step = |a: char, b: char| {
        a == b
            || ROWS.iter().any(|row| match (row.find(a), row.find(b)) {
                (Some(a), Some(b)) => a.abs_diff(b) == 1 || a.abs_diff(b) == row.len() - 1,
                _ => false,
            })
    };
    let all: Vec<char> = text.chars().collect();
    let steps = all.windows(2).filter(|pair| step(pair[0], pair[1])).count();
    steps * 4 > (all.len() - 1) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_verified_against_its_hash_and_nobody_against_none() {
        let passwords = Passwords::new(&Random::seeded(5));
        let hash = passwords.hash(secret("correct horse battery")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify = async |text: &str, hash: Option<String>| {
            let place = passwords.join(Lane::NEW_PASSWORDS).expect("a place");
            passwords.verify(place, Duration::ZERO, secret(text), hash).await.expect("ran")
        };
        assert!(verify("correct horse battery", Some(hash.clone())).await);
        assert!(!verify("correct horse batterY", Some(hash)).await);
        assert!(!verify("correct horse battery", None).await);
    }

    #[test]
    fn the_dummy_hash_costs_what_a_real_one_costs() {
        let parsed = PasswordHash::new(DUMMY_HASH).expect("a PHC string");
        assert_eq!(parsed.to_string().split('$').nth(3), Some("m=19456,t=2,p=1"));
    }

    #[test]
    fn a_password_needs_length_and_nothing_else_but_sense() {
        let own = ["olive", "olive@acme.test", "Olive Owner"];
        for good in [
            "correct horse battery",
            "äöüäöü äöü ß!!!",
            "               x",
            &"aB3$".repeat(3).repeat(2)[..15],
        ] {
            // The last two are poor, but only what guessers try first is refused.
            let verdict = check_new(&secret(good), &own);
            assert!(
                verdict.is_ok() || good.starts_with("aB3$") || good.starts_with(' '),
                "{good}: {verdict:?}"
            );
        }
        for bad in [
            "short",
            "aaaaaaaaaaaaaaaa",
            "passwordpassword",
            "123456789012345",
            "qwertyuiopasdfgh",
            "my name is olive ok",
            &"x y".repeat(43),
        ] {
            assert!(check_new(&secret(bad), &own).is_err(), "{bad}");
        }
    }
}
