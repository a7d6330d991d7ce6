//! Passwords of people: argon2id, away from the async threads, a bounded
//! number at a time. Who waits for it, and how long, is the queue's matter
//! (`password_queue`); how often may be tried is `throttle`'s.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use super::password_queue::{Lane, MAX_WAIT, Queue, QueuePlace, Turn};
use crate::platform::secret::Secret;
use crate::platform::text::casefold;
use crate::platform::{Error, Random, Result};

/// What OWASP's Password Storage Cheat Sheet asks of argon2id: 19 MiB, twice.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Hash of nothing that anybody knows, verified for unknown users so that they
/// take as long as known ones.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IHNvbWU$\
     bm8gcGFzc3dvcmQgaGFzaGVzIHRvIHRoaXMgdmFsdWU";

/// Hashes and verifies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords {
    random: Random,
    queue: Queue,
}

impl Passwords {
    /// With this randomness for salts.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        Self { random: random.clone(), queue: Queue::default() }
    }

    /// The PHC string to store.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many wait already.
    pub async fn hash(&self, password: Secret) -> Result<String> {
        let salt: [u8; 16] = self.random.bytes();
        let turn = self.join(Lane::NEW_PASSWORDS)?.turn(MAX_WAIT).await?;
        run_blocking(turn, move || {
            let hash = argon2id()?.hash_password_with_salt(password.expose().as_bytes(), &salt);
            Ok(hash.map_err(Error::internal)?.to_string())
        })
        .await
    }

    /// A place among those who wait to have a password verified.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many wait already.
    pub fn join(&self, lane: Lane) -> Result<QueuePlace> {
        self.queue.join(lane)
    }

    /// Whether the password is the one that was hashed. With no hash (there is
    /// no such person) it takes as long, and the answer is no.
    ///
    /// # Errors
    /// [`Error::Busy`] where the delay and the wait in the queue together would
    /// be longer than [`MAX_WAIT`].
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
        let turn = place.turn(MAX_WAIT.saturating_sub(delay)).await?;
        run_blocking(turn, move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
            let parsed = PasswordHash::new(&text).map_err(Error::internal)?;
            let fits = argon2id()?.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            Ok(known && fits)
        })
        .await
    }
}

/// Runs where blocking is allowed; the turn ends with the work, also where
/// nobody waits for it any more.
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

/// Checks a new password: 15 to 128 characters of any kind, no composition
/// rules, but nothing that stands at the head of every guesser's list: the
/// person's own names, one short piece over and over, a walk along the keyboard.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn check(password: &Secret, own: &[&str]) -> std::result::Result<(), String> {
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
    if is_repetition(&folded) || is_walk(&folded) {
        return Err(
            "Choose a password that is harder to guess. This one repeats a pattern or follows the keyboard."
                .to_owned(),
        );
    }
    Ok(())
}

/// One piece of up to eight characters (`password`, `abc123`), over and over.
fn is_repetition(text: &str) -> bool {
    let all: Vec<char> = text.chars().collect();
    (1..=8).any(|piece| all.iter().enumerate().all(|(place, c)| *c == all[place % piece]))
}

/// More than half of its steps go along a row of the keyboard or the alphabet.
fn is_walk(text: &str) -> bool {
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
            let verdict = check(&secret(good), &own);
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
            assert!(check(&secret(bad), &own).is_err(), "{bad}");
        }
    }
}
