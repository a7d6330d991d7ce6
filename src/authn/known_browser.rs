//! Device cookies (OWASP): they mark browsers from which somebody signed in to
//! an account before. A cookie contains an id for the browser, bound to the
//! account by a MAC under the installation's key.
//!
//! The cookie grants no access. Sign-in attempts from a known browser have
//! their own rate limit, so that guessing by others does not slow down the
//! account's owner. The cookie survives signing out and is valid for 180 days
//! after the last sign-in.

use std::time::Duration;

use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::known_network::remember_network;
use crate::platform::clock::DAY;
use crate::platform::id::PersonId;
use crate::platform::web::cookie::{self, CookieLifetime};
use crate::platform::{Context, Result, Timestamp};

/// How long a cookie is valid after the last sign-in.
const MAX_AGE: Duration = Duration::from_secs(180 * DAY.as_secs());
/// The largest number of accounts in one cookie. The most recent ones are kept.
const MAX_ACCOUNTS: usize = 3;

const fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-tessera-device" } else { "tessera-device" }
}

/// The unverified entries of a request's device cookie, one for each account.
#[derive(Clone, Default)]
pub struct DeviceCookie(Vec<String>);

impl std::fmt::Debug for DeviceCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Devices(…)")
    }
}

/// The id of a browser for one account. It does not identify the browser to
/// other accounts.
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

    /// An id for a signed-in browser without a device cookie, from the hash of
    /// its session's id.
    #[must_use]
    pub fn from_session(hash: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(hash))
    }
}

/// An entry of the cookie: the browser's id, the time of the sign-in (seconds
/// since the Unix epoch), and the MAC of both and the person's id.
fn cookie_entry(context: &Context, person: PersonId, id: &str, at: Timestamp) -> String {
    let seconds = at.millis() / 1000;
    let mac = context.key.derive("device cookie", format!("{person}\n{id}\n{seconds}").as_bytes());
    format!("{id}.{seconds}.{}", URL_SAFE_NO_PAD.encode(*mac))
}

impl DeviceCookie {
    /// Reads the device cookie of a request. The entries are not verified yet.
    #[must_use]
    pub fn from_request(parts: &Parts, context: &Context) -> Self {
        let value = cookie::get(&parts.headers, cookie_name(context.config.https())).unwrap_or_default();
        let entries = value.split('~').filter(|entry| !entry.is_empty() && entry.len() <= 100);
        Self(entries.take(MAX_ACCOUNTS).map(str::to_owned).collect())
    }

    /// The browser's id for this account, if the cookie has an entry with a
    /// valid MAC that is not older than 180 days.
    #[must_use]
    pub fn find(&self, context: &Context, person: PersonId) -> Option<BrowserId> {
        self.0.iter().find_map(|text| Self::verify_entry(context, person, text))
    }

    fn verify_entry(context: &Context, person: PersonId, text: &str) -> Option<BrowserId> {
        let (id, rest) = text.split_once('.')?;
        let seconds: i64 = rest.split_once('.')?.0.parse().ok()?;
        let at = Timestamp::from_micros(seconds.checked_mul(1_000_000)?);
        // Derived values are compared, so that the duration of the comparison reveals nothing.
        let digest = |text: &str| context.key.derive("compare", text.as_bytes());
        let genuine = digest(text) == digest(&cookie_entry(context, person, id, at));
        let current = context.clock.now().since(at) < MAX_AGE;
        (genuine && current).then(|| BrowserId(id.to_owned()))
    }

    /// Records a successful sign-in: adds the account to the device cookie of the
    /// response, and stores the network as known to the account.
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
        remember_network(context, person, address).await?;
        let id = self.find(context, person).unwrap_or_else(|| {
            let bytes: [u8; 16] = context.random.bytes();
            BrowserId(URL_SAFE_NO_PAD.encode(bytes))
        });
        let new = cookie_entry(context, person, id.as_str(), context.clock.now());
        let others = self.0.iter().filter(|text| Self::verify_entry(context, person, text).is_none());
        let all: Vec<&str> =
            std::iter::once(new.as_str()).chain(others.map(String::as_str)).take(MAX_ACCOUNTS).collect();
        let cookie_name = cookie_name(context.config.https());
        cookie::set(response, &context.config, (cookie_name, &all.join("~")), CookieLifetime::For(MAX_AGE));
        Ok(())
    }
}
