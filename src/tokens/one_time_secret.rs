//! Stores a new secret for the one page that shows it: the value of a token, or the code of an invitation.
//!
//! The transaction that creates the secret also stores it here, sealed with the session id. The database holds
//! only a hash of the session id, so it cannot open the seal. The secret is deleted at the first read, which
//! is an audit event, and is not returned after one minute. Requests that are not a person's own navigation
//! must not read it; see [`page_visitor`].

use std::time::Duration;

use axum::http::HeaderMap;
use tower_sessions::Session;
use zeroize::Zeroizing;

use crate::access::{System, SystemReason};
use crate::audit::{Action, Actor, Change, Event};
use crate::authn::session_store::hash_session_id;
use crate::callers::ConsoleCaller;
use crate::platform::id::{InvitationId, OrganizationId, TokenId};
use crate::platform::{Context, Error, Result, Timestamp, Tx, sql};

/// Write proof for storing and reading one-time secrets.
const ONE_TIME_SECRET: System = System::new(SystemReason::OneTimeSecret);

/// How long a value waits for its page.
const LASTS: Duration = Duration::from_secs(60);

/// How a new value reaches the caller.
#[derive(Clone, Debug)]
pub enum SecretDelivery {
    /// In the response to the request that created it (API).
    Answer,
    /// Through a one-time secret of this session, which the page after the redirect reads (console).
    Slot(tower_sessions::session::Id),
}

impl SecretDelivery {
    /// Delivery to the page that follows in this session.
    ///
    /// # Errors
    /// An internal error if the session is not stored. The session of a signed-in person always is.
    pub fn page(session: &Session) -> Result<Self> {
        session.id().map(Self::Slot).ok_or_else(|| Error::internal("a session without an id"))
    }
}

/// Who requests a page that shows a value once, according to the request headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageVisitor {
    /// A person who navigates from a page of this site, or a browser that does not send these headers.
    Person,
    /// A browser that prefetches or prerenders the page.
    Prefetch,
    /// A request from another site, by a script, or without a referring page (address bar, bookmark), which
    /// browsers also prefetch.
    Elsewhere,
}

/// Determines the visitor from the Fetch Metadata headers (W3C) and the headers that browsers send with a
/// prefetch. Missing headers count as a person.
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

/// The person who opens the page that shows a secret, as the audit log records it.
#[derive(Clone, Copy, Debug)]
pub struct SecretReader<'a> {
    /// The person's session.
    pub session: &'a Session,
    /// The person.
    pub actor: &'a Actor,
    /// The organization of the page; `None` for the person's own tokens.
    pub organization: Option<OrganizationId>,
}

impl<'a> From<&'a ConsoleCaller> for SecretReader<'a> {
    fn from(caller: &'a ConsoleCaller) -> Self {
        let organization = Some(caller.member.organization.id);
        Self { session: &caller.signed_in.session, actor: &caller.member.actor, organization }
    }
}

/// What a secret belongs to.
#[derive(Clone, Debug)]
pub struct SecretOf {
    kind: &'static str,
    id: String,
    name: String,
}

impl SecretOf {
    /// The value of a token.
    #[must_use]
    pub fn token(id: TokenId, name: impl Into<String>) -> Self {
        Self { kind: "token", id: id.to_string(), name: name.into() }
    }

    /// The code of an invitation.
    #[must_use]
    pub fn invitation(id: InvitationId, name: impl Into<String>) -> Self {
        Self { kind: "invitation", id: id.to_string(), name: name.into() }
    }
}

/// Stores the secret as `delivery` requests, inside the transaction that creates it. Nothing is stored for
/// [`SecretDelivery::Answer`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn put(
    tx: &mut Tx,
    context: &Context,
    delivery: &SecretDelivery,
    id: impl ToString,
    secret: &str,
) -> Result<()> {
    let SecretDelivery::Slot(session) = delivery else { return Ok(()) };
    let id = id.to_string();
    let sealed = context.key.seal(&context.random, &session.0.to_be_bytes(), &id, secret.as_bytes());
    sql("INSERT INTO reveals (session_hash, token_id, sealed, expires_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session_hash, token_id) DO UPDATE SET sealed = $3, expires_at = $4")
    .bind(hash_session_id(*session))
    .bind(&id)
    .bind(sealed)
    .bind(context.clock.now().plus(LASTS))
    .execute(tx, &ONE_TIME_SECRET)
    .await?;
    Ok(())
}

/// Returns the secret that waits for this session, deletes it and records that it was shown. `None` if it was
/// already read, has expired or never existed.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn take(
    context: &Context,
    reader: SecretReader<'_>,
    of: &SecretOf,
) -> Result<Option<Zeroizing<String>>> {
    let Some(session) = reader.session.id() else { return Ok(None) };
    let mut change = Change::begin(context, reader.actor, reader.organization).await?;
    change.no_invalidation();
    let row: Option<(Vec<u8>, Timestamp)> =
        sql("DELETE FROM reveals WHERE session_hash = $1 AND token_id = $2 RETURNING sealed, expires_at")
            .bind(hash_session_id(session))
            .bind(&of.id)
            .execute_returning(change.tx(), &ONE_TIME_SECRET)
            .await?;
    let secret = row.filter(|(_, expires)| change.now < *expires).and_then(|(sealed, _)| {
        let plain = context.key.open(&session.0.to_be_bytes(), &of.id, &sealed)?;
        std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()))
    });
    if secret.is_some() {
        change.commit(Event::new(Action::SecretShown, of.kind, &of.id, &of.name)).await?;
    }
    Ok(secret)
}
