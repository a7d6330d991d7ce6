//! Browsers that signed in before. Each carries a cookie with an id of its own,
//! bound to the account by a MAC under the installation's key (OWASP calls it a
//! device cookie). The cookie proves nothing but that somebody signed in to the
//! account from this browser: attempts with it are counted apart from those of
//! everybody else. It is not a session, survives signing out, and stays good
//! for 180 days after the last sign-in.

use std::time::Duration;

use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::known_network::remember_network;
use crate::access::{System, SystemReason};
use crate::platform::Context;
use crate::platform::clock::DAY;
use crate::platform::id::PersonId;
use crate::platform::web::cookie::{self, CookieLifetime};
use crate::platform::{Result, Timestamp};

const MAX_AGE: Duration = Duration::from_secs(180 * DAY.as_secs());
/// A browser stays known to so many accounts, the latest ones.
const MAX_ACCOUNTS: usize = 3;

const fn name(https: bool) -> &'static str {
    if https { "__Host-tessera-device" } else { "tessera-device" }
}

/// What the request's cookie says: an entry for each account.
#[derive(Clone, Default)]
pub struct KnownBrowsers(Vec<String>);

impl std::fmt::Debug for KnownBrowsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Devices(…)")
    }
}

/// A browser, as one account knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserId(String);

impl std::fmt::Debug for BrowserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceId(…)")
    }
}

impl BrowserId {
    /// The id as text: letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A signed-in browser without a cookie of its own, by the hash of its session.
    #[must_use]
    pub fn of_session(hash: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(hash))
    }
}

/// An entry of the cookie: id, when the person signed in (seconds since the
/// Unix epoch), and the MAC over both and the person.
fn entry(context: &Context, person: PersonId, id: &str, at: Timestamp) -> String {
    let seconds = at.millis() / 1000;
    let mac = context.key.derive("device cookie", format!("{person}\n{id}\n{seconds}").as_bytes());
    format!("{id}.{seconds}.{}", URL_SAFE_NO_PAD.encode(*mac))
}

impl KnownBrowsers {
    /// The browsers that the request's cookie names.
    #[must_use]
    pub fn of(parts: &Parts, context: &Context) -> Self {
        let value = cookie::get(&parts.headers, name(context.config.https())).unwrap_or_default();
        let entries = value.split('~').filter(|entry| !entry.is_empty() && entry.len() <= 100);
        Self(entries.take(MAX_ACCOUNTS).map(str::to_owned).collect())
    }

    /// The browser's id for this account, if the person signed in with it within
    /// the last 180 days.
    #[must_use]
    pub fn find(&self, context: &Context, person: PersonId) -> Option<BrowserId> {
        self.0.iter().find_map(|text| Self::read(context, person, text))
    }

    fn read(context: &Context, person: PersonId, text: &str) -> Option<BrowserId> {
        let (id, rest) = text.split_once('.')?;
        let seconds: i64 = rest.split_once('.')?.0.parse().ok()?;
        let at = Timestamp::from_micros(seconds.checked_mul(1_000_000)?);
        // Compared as derived values, so that the time it takes tells nothing.
        let digest = |text: &str| context.key.derive("compare", text.as_bytes());
        let genuine = digest(text) == digest(&entry(context, person, id, at));
        let current = context.clock.now().since(at) < MAX_AGE;
        (genuine && current).then(|| BrowserId(id.to_owned()))
    }

    /// Remembers the browser for this account, in a cookie, and the network, in
    /// the database. Called wherever somebody is signed in.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn remember(
        &self,
        context: &Context,
        address: Option<std::net::IpAddr>,
        person: PersonId,
        response: &mut Response,
    ) -> Result<()> {
        remember_network(context, System::new(SystemReason::SignIn), person, address).await?;
        let id = self.find(context, person).unwrap_or_else(|| {
            let bytes: [u8; 16] = context.random.bytes();
            BrowserId(URL_SAFE_NO_PAD.encode(bytes))
        });
        let new = entry(context, person, id.as_str(), context.clock.now());
        let others = self.0.iter().filter(|text| Self::read(context, person, text).is_none());
        let all: Vec<&str> =
            std::iter::once(new.as_str()).chain(others.map(String::as_str)).take(MAX_ACCOUNTS).collect();
        let name = name(context.config.https());
        cookie::set(response, &context.config, (name, &all.join("~")), CookieLifetime::For(MAX_AGE));
        Ok(())
    }
}
