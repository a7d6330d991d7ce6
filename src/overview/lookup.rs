//! Looking up a value that was found somewhere: whose it is, what it can do, and whether it still works.
//!
//! The value is compared by its hash. Whoever has a value can revoke it; the page after the lookup has a ticket
//! instead of the value, which proves that this session looked it up.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::attention::token_path;
use super::store::{self, FoundRow};
use crate::access::{Permissions, Subject, TokenKind, authorize_read, effective_permissions};
use crate::audit::Change;
use crate::callers::{Caller, ConsoleCaller};
use crate::organizations::model::Settings;
use crate::platform::id::TokenId;
use crate::platform::{Context, Error, Result, Timestamp, ValidationErrors};
use crate::principals::load_memberships;
use crate::state::AppState;
use crate::tokens::lifecycle;
use crate::tokens::model::Token;
use crate::tokens::store::find;
use crate::ui::{ConsolePath, Paths};
use crate::verification::principal::Principal;
use crate::verification::{PlainToken, load_facts};

/// How long the page after a lookup can revoke the token.
const TICKET_LASTS: Duration = Duration::from_secs(600);

/// Whether a value works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueState {
    /// The current value of an active token.
    Works,
    /// The old value, during the overlap.
    OldWorks(Timestamp),
    /// The old value, after the overlap.
    Replaced(Timestamp),
    /// The token was revoked.
    Revoked(Timestamp),
    /// The token has expired.
    Expired(Timestamp),
    /// What the token belongs to is disabled, has expired or was deleted.
    HolderEnded,
}

impl ValueState {
    /// Whether a program can use the value.
    #[must_use]
    pub const fn works(self) -> bool {
        matches!(self, Self::Works | Self::OldWorks(_))
    }

    /// The state in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Works => "active",
            Self::OldWorks(_) => "old_value",
            Self::Replaced(_) => "replaced",
            Self::Revoked(_) => "revoked",
            Self::Expired(_) => "expired",
            Self::HolderEnded => "holder_ended",
        }
    }

    /// The state in a sentence.
    #[must_use]
    pub fn sentence(self, now: &Option<Timestamp>) -> String {
        let when = |at: Timestamp| now.map_or_else(|| at.minute(), |now| at.relative(now));
        match self {
            Self::Works => "This is the current value. It works.".to_owned(),
            Self::OldWorks(end) => format!("This is an old value. It stops {}.", when(end)),
            Self::Replaced(end) => format!("This is an old value. It stopped {}.", when(end)),
            Self::Revoked(at) => format!("The token was revoked {}.", when(at)),
            Self::Expired(at) => format!("The token expired {}.", when(at)),
            Self::HolderEnded => "What the token belongs to is disabled or has ended.".to_owned(),
        }
    }
}

/// A token that was found by one of its values.
#[derive(Clone, Debug)]
pub struct Found {
    /// The token.
    pub token: Token,
    /// What the token belongs to, with the slug of a team and the username of a person.
    row: FoundRow,
    /// The first and last characters of the value.
    pub hint: String,
    /// Whether the value works.
    pub state: ValueState,
    /// What a program can do with it.
    pub permissions: Permissions,
}

impl Found {
    /// The name of what the token belongs to.
    #[must_use]
    pub fn title(&self) -> &str {
        self.row.holder.as_deref().unwrap_or(&self.token.name)
    }

    /// The page on which the token is managed, if there is one for others than its owner.
    #[must_use]
    pub fn path(&self, paths: &Paths) -> Option<ConsolePath> {
        let account = self.token.service_account_id.map(|id| id.to_string());
        let team = self.row.team.as_deref();
        match (self.token.kind, &self.row.username, self.token.service_id) {
            (_, Some(username), _) => Some(paths.person(username)),
            (_, _, Some(service)) => Some(paths.service(service)),
            (TokenKind::Access, ..) if account.is_none() && team.is_none() => None,
            (kind, ..) => {
                Some(token_path((kind, &self.token.id.to_string()), account.as_deref(), team, paths))
            }
        }
    }

    /// The principal as the access explorer names it.
    #[must_use]
    pub fn explored(&self) -> Option<String> {
        match self.token.kind {
            TokenKind::ServiceToken => Some(self.token.id.to_string()),
            _ => self.token.service_account_id.map(|id| id.to_string()),
        }
    }

    /// Whether this is the old value of a token that has a newer one.
    #[must_use]
    pub const fn is_old_value(&self) -> bool {
        matches!(self.state, ValueState::OldWorks(_))
    }
}

/// Finds the token of a value in a text. `None` if it belongs to no token of the organization or of its people.
///
/// # Errors
/// [`Error::Forbidden`] for a caller who cannot see all tokens; [`Error::Invalid`] if the text contains no value.
pub async fn look_up(app: &AppState, caller: &Caller, text: &str) -> Result<Option<Found>> {
    authorize_read(&caller.subject, Settings)?;
    let value = PlainToken::find_in(text).ok_or_else(|| {
        Error::Invalid(ValidationErrors::one(
            "token",
            "Paste a whole token. It begins with tsra_, tsrs_, tsrt_, tsro_, tsrp_, tsrx_ or tsrr_, and 36 letters \
             and digits follow. If one of them is wrong, it is no token.",
        ))
    })?;
    let (organization, now) = (caller.organization.id, app.context.clock.now());
    let Some(row) = store::find_by_value(&app.context.db, organization, &value).await? else {
        return Ok(None);
    };
    // A service secret is no token of a principal, so there are no facts about it.
    let facts = load_facts(&app.verifier, &value).await?;
    let is_over = |end: Option<Timestamp>| end.filter(|end| *end <= now);
    let state = match (row.token.revoked_at, is_over(row.token.expires_at), row.value_stops_at) {
        (Some(at), ..) => ValueState::Revoked(at),
        (None, Some(at), _) => ValueState::Expired(at),
        (None, None, Some(end)) if end <= now => ValueState::Replaced(end),
        _ if row.is_service_disabled => ValueState::HolderEnded,
        _ if facts.is_none() && value.kind() != TokenKind::ServiceSecret => ValueState::HolderEnded,
        (None, None, Some(end)) => ValueState::OldWorks(end),
        (None, None, None) => ValueState::Works,
    };
    let permissions = match facts.as_deref() {
        Some(facts) => match &facts.principal {
            Principal::Machine(machine) => effective_permissions(&machine.subject),
            Principal::Person { id, .. } => {
                let place =
                    load_memberships(&app.context.db, *id, Some(&caller.organization.slug)).await?.pop();
                place.map_or(Permissions::NONE, |place| {
                    effective_permissions(&Subject { narrowed: facts.narrowed, ..place.subject })
                })
            }
        },
        None => Permissions::NONE,
    };
    let mut token = row.token.clone();
    if token.person_id.is_some() {
        // Its last use may be in another organization, which this one must not learn about.
        (token.last_used_at, token.last_used_address) = (None, None);
        (token.last_used_agent, token.last_used_service) = (None, None);
        token.previous_last_used_at = None;
    }
    Ok(Some(Found { token, hint: value.hint().to_string(), row, state, permissions }))
}

/// The proof that this session looked up a value, for [`revoke`]. `None` if there is nothing to revoke.
///
/// # Errors
/// An internal error if the session is not stored.
pub fn ticket(context: &Context, caller: &ConsoleCaller, found: &Found) -> Result<Option<String>> {
    if !found.state.works() || found.token.kind == TokenKind::ServiceSecret {
        return Ok(None);
    }
    let until = context.clock.now().plus(TICKET_LASTS).micros();
    let which = if found.is_old_value() { "old" } else { "current" };
    let plain = format!("{} {which} {until} {}", found.token.id, value_of(&found.token));
    let sealed = context.key.seal(&context.random, &session(caller)?, TICKET, plain.as_bytes());
    Ok(Some(URL_SAFE_NO_PAD.encode(sealed)))
}

/// The current value of a token as its hint, by which a ticket knows it again.
fn value_of(token: &Token) -> &str {
    token.hint.as_deref().unwrap_or_default()
}

/// What a ticket is sealed for.
const TICKET: &str = "looked up";

fn session(caller: &ConsoleCaller) -> Result<[u8; 16]> {
    let id = caller.signed_in.session.id().ok_or_else(|| Error::internal("a session without an id"))?;
    Ok(id.0.to_be_bytes())
}

/// Revokes the token that this session looked up; of an old value, ends the overlap. Returns what was done, for the
/// person.
///
/// # Errors
/// [`Error::Conflict`] if the ticket is not valid any more, or the token was revoked in the meantime.
pub async fn revoke(context: &Context, caller: &ConsoleCaller, ticket: &str) -> Result<String> {
    authorize_read(&caller.member.subject, Settings)?;
    let lost = || Error::conflict("Look the token up again. The page was open for too long.");
    let sealed = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| lost())?;
    let plain = context.key.open(&session(caller)?, TICKET, &sealed).ok_or_else(lost)?;
    let plain = std::str::from_utf8(&plain).map_err(|_| lost())?;
    let mut parts = plain.split(' ');
    let (id, which, until, hint) =
        (parts.next(), parts.next(), parts.next(), parts.next().unwrap_or_default());
    let id: TokenId = id.and_then(|id| id.parse().ok()).ok_or_else(lost)?;
    let until: i64 = until.and_then(|until| until.parse().ok()).ok_or_else(lost)?;
    if Timestamp::from_micros(until) <= context.clock.now() {
        return Err(lost());
    }
    let mut change = Change::begin(context, &caller.member.actor, None).await?;
    let token = find(change.tx(), id).await?.ok_or_else(lost)?;
    lifecycle::set_owner(&mut change, &token);
    let is_old = which == Some("old");
    // A value that was looked up before a regeneration is not the one that the token has now.
    if value_of(&token) != hint {
        return Err(lost());
    }
    lifecycle::revoke_presented(change, &token, is_old).await?;
    Ok(if is_old {
        format!("The old value of {} has stopped.", token.name)
    } else {
        format!("{} is revoked.", token.name)
    })
}
