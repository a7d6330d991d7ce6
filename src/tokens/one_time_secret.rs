//! The slot between the request that makes a token and the one page that
//! shows it: bound to the session, sealed with the session's own id (which the
//! database does not hold), gone after the first read or a minute.

use std::time::Duration;

use axum::http::HeaderMap;
use tower_sessions::Session;
use zeroize::Zeroizing;

use crate::access::{System, SystemReason};
use crate::authn::session_store::hash;
use crate::platform::Context;
use crate::platform::id::TokenId;
use crate::platform::{Error, Result, Tx, sql};
use crate::verification::PlainToken;

/// A new value waits for the page that shows it.
const ONE_TIME_SECRET: System = System::new(SystemReason::OneTimeSecret);

const LASTS: Duration = Duration::from_secs(60);

/// Where a new value goes.
#[derive(Clone, Debug)]
pub enum SecretDelivery {
    /// Into the answer of the request that made it.
    Answer,
    /// Into the slot of this session, for the page that follows.
    Slot(tower_sessions::session::Id),
}

impl SecretDelivery {
    /// To the page that follows in this session.
    ///
    /// # Errors
    /// When the session has not been stored, which a signed-in one has.
    pub fn page(session: &Session) -> Result<Self> {
        session.id().map(Self::Slot).ok_or_else(|| Error::internal("a session without an id"))
    }
}

/// Who asks for a page that shows a value once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageVisitor {
    /// A person who comes from a page of this site, or whose browser does not
    /// say where from.
    Person,
    /// A browser that fetches the page before anybody wants to see it.
    Prefetch,
    /// Another site, a script, or a browser on its own: an address that was
    /// typed or kept, which browsers also fetch ahead.
    Elsewhere,
}

/// Reads it from the Fetch Metadata headers (W3C) and those by which browsers
/// say that they look ahead. A browser that sends none of them is believed.
#[must_use]
pub fn page_visitor(headers: &HeaderMap) -> PageVisitor {
    let says = |name: &str, words: &[&str]| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        words.iter().any(|word| value.to_ascii_lowercase().contains(word))
    };
    let ahead = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    if ahead.iter().any(|name| says(name, &["prefetch", "prerender", "preview"])) {
        return PageVisitor::Prefetch;
    }
    let unless = |name: &str, expected: &str| headers.get(name).is_some_and(|value| value != expected);
    let elsewhere = unless("sec-fetch-site", "same-origin")
        || unless("sec-fetch-mode", "navigate")
        || unless("sec-fetch-dest", "document");
    if elsewhere { PageVisitor::Elsewhere } else { PageVisitor::Person }
}

/// Puts the value where it was asked for, inside the transaction that makes it.
///
/// # Errors
/// When the database cannot.
pub async fn put(
    tx: &mut Tx,
    context: &Context,
    delivery: &SecretDelivery,
    token: TokenId,
    value: &PlainToken,
) -> Result<()> {
    let SecretDelivery::Slot(session) = delivery else { return Ok(()) };
    let about = token.to_string();
    let sealed =
        context.key.seal(&context.random, &session.0.to_be_bytes(), &about, value.expose().as_bytes());
    sql("INSERT INTO reveals (session_hash, token_id, sealed, expires_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session_hash, token_id) DO UPDATE SET sealed = $3, expires_at = $4")
    .bind(hash(*session))
    .bind(token)
    .bind(sealed)
    .bind(context.clock.now().plus(LASTS))
    .execute(tx, &ONE_TIME_SECRET)
    .await?;
    Ok(())
}

/// Takes the value out of the session's slot: the first time only.
///
/// # Errors
/// When the database cannot.
pub async fn take(context: &Context, session: &Session, token: TokenId) -> Result<Option<Zeroizing<String>>> {
    let Some(id) = session.id() else { return Ok(None) };
    let mut tx = context.db.begin().await?;
    let row: Option<(Vec<u8>, crate::platform::Timestamp)> =
        sql("DELETE FROM reveals WHERE session_hash = $1 AND token_id = $2 RETURNING sealed, expires_at")
            .bind(hash(id))
            .bind(token)
            .execute_returning(&mut tx, &ONE_TIME_SECRET)
            .await?;
    tx.commit().await?;
    let now = context.clock.now();
    Ok(row.filter(|(_, expires)| now < *expires).and_then(|(sealed, _)| {
        let plain = context.key.open(&id.0.to_be_bytes(), &token.to_string(), &sealed)?;
        std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()))
    }))
}
