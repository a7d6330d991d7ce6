//! The hot path: from an `Authorization` header to a principal with everything
//! that `decide` must know of it. A wrong checksum costs no database work; a
//! right one is looked up in memory first.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::app::App;
use super::caller::RequestFacts;
use super::facts;
use super::limits::Turn;
use super::token::{Hint, PlainToken, TokenHash};
use crate::access::{Addresses, Permissions, Subject, TokenKind};
use crate::audit::{Actor, ActorKind, Once};
use crate::platform::id::{PersonId, TokenId};
use crate::platform::text::words;
use crate::platform::{Error, Result, Timestamp};
use crate::principals::OrganizationFacts;

/// The credential that a request presents, read from its one `Authorization`
/// header: `Bearer <token>`, `Token <token>`, or Basic with the token as the
/// password. Nowhere else: not in the query, not in a cookie.
///
/// # Errors
/// [`Error::Unauthenticated`] when there is none or none that can be good.
pub fn presented(headers: &HeaderMap) -> Result<PlainToken> {
    presented_in(headers, &AUTHORIZATION).map(|(_, token)| token)
}

/// The same from another header, with the user name of Basic credentials.
///
/// # Errors
/// As [`presented`].
pub(super) fn presented_in(headers: &HeaderMap, name: &HeaderName) -> Result<(Option<String>, PlainToken)> {
    let mut all = headers.get_all(name).iter();
    let Some(header) = all.next() else { return Err(Error::Unauthenticated { presented: false }) };
    let bad = Error::Unauthenticated { presented: true };
    if all.next().is_some() {
        return Err(bad);
    }
    header.to_str().ok().and_then(credential).ok_or(bad)
}

/// The Basic credentials of a client in OAuth: `Some(None)` for an
/// `Authorization` that is anything else.
#[must_use]
pub fn credentials(headers: &HeaderMap) -> Option<Option<(String, PlainToken)>> {
    headers.get(AUTHORIZATION)?;
    let read = presented_in(headers, &AUTHORIZATION).ok();
    Some(read.and_then(|(user, token)| user.map(|user| (user, token))))
}

/// `%5F` is `_`, as forms encode.
fn unescaped(text: &str) -> String {
    let pair = format!("x={text}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn credential(header: &str) -> Option<(Option<String>, PlainToken)> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") {
        return PlainToken::parse(rest).map(|token| (None, token));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = zeroize::Zeroizing::new(STANDARD.decode(rest).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        // OAuth's clients encode both as a form does (RFC 6749, 2.3.1); neither
        // ids nor tokens hold anything that this would change.
        let plain = |text: &str| zeroize::Zeroizing::new(unescaped(text));
        return PlainToken::parse(&plain(password)).map(|token| (Some(plain(user).to_string()), token));
    }
    None
}

/// A token that is good at this moment: what is known of its value, and how it
/// came.
#[derive(Clone, Debug)]
pub struct Bearer {
    facts: Arc<Facts>,
    /// The value that was presented (one of two while an overlap lasts).
    pub value: TokenHash,
    /// When it was looked at.
    pub at: Timestamp,
    /// Its kind.
    pub kind: TokenKind,
    /// How it is shown.
    pub hint: Hint,
    /// Where the request came from.
    pub request: RequestFacts,
    /// The request's `Idempotency-Key`.
    pub once: Option<Once>,
}

impl Deref for Bearer {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        &self.facts
    }
}

/// Whom a token acts as.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A person, in every organization that they belong to.
    Person {
        /// Their id.
        id: PersonId,
        /// Their display name and their username.
        names: Arc<Names>,
    },
    /// Anything else, in its one organization.
    Machine(Arc<Machine>),
}

/// What a person is called.
#[derive(Clone, Debug)]
pub struct Names {
    /// Their display name.
    pub name: String,
    /// Their username.
    pub username: String,
}

/// A principal that is no person.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its organization.
    pub organization: Arc<OrganizationFacts>,
    /// Its own team's slug, where it has one.
    pub team: Option<Arc<str>>,
    /// Its default team's slug, where it has one.
    pub default_team: Option<Arc<str>>,
    /// What it is and holds.
    pub subject: Arc<Subject>,
    /// Whether it is disabled or deleted.
    pub(super) is_over: bool,
    /// When it ends.
    pub(super) expires_at: Option<Timestamp>,
    /// From where it may be used; nothing where from everywhere.
    pub(super) addresses: Option<Addresses>,
}

words! {
    /// The kinds of principal.
    PrincipalKind {
        /// A person.
        Person = "person",
        /// A service account.
        ServiceAccount = "service_account",
        /// A service token.
        ServiceToken = "service_token",
        /// A team.
        Team = "team",
        /// The organization.
        Organization = "organization",
    }
}

impl From<PrincipalKind> for ActorKind {
    fn from(kind: PrincipalKind) -> Self {
        match kind {
            PrincipalKind::Person => Self::Person,
            PrincipalKind::ServiceAccount => Self::ServiceAccount,
            PrincipalKind::ServiceToken => Self::ServiceToken,
            PrincipalKind::Team => Self::Team,
            PrincipalKind::Organization => Self::Organization,
        }
    }
}

impl Principal {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        match self {
            Self::Person { .. } => PrincipalKind::Person,
            Self::Machine(machine) => machine.kind,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Cow<'_, str> {
        match self {
            Self::Person { id, .. } => Cow::Owned(id.to_string()),
            Self::Machine(machine) => Cow::Borrowed(&machine.id),
        }
    }

    /// What it is called by a machine: a person's username, else its name.
    #[must_use]
    pub fn username(&self) -> &str {
        match self {
            Self::Person { names, .. } => &names.username,
            Self::Machine(machine) => &machine.name,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person { names, .. } => &names.name,
            Self::Machine(machine) => &machine.name,
        }
    }
}

impl Bearer {
    /// As the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let principal = &self.principal;
        let (kind, id, name) =
            (principal.kind().into(), principal.id().into_owned(), principal.name().to_owned());
        Actor { token: Some(self.token), once: self.once.clone(), ..self.request.program(kind, id, name) }
    }
}

/// Whether a moment has come: at `exp` itself a token is over.
pub(super) fn passed(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| now >= end)
}

/// What is known of a value, whoever asks and from wherever: what is remembered.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The token's id.
    pub token: TokenId,
    /// The kind of token that it stands for: its own, or that of an access
    /// token's origin.
    pub acts_as: TokenKind,
    /// What an access token was exchanged for: the token, and which value of it.
    pub source: Option<Box<(TokenId, TokenHash)>>,
    /// When this value stops, whichever of its ends comes first.
    pub expires_at: Option<Timestamp>,
    /// When this value was made.
    pub issued_at: Timestamp,
    /// What it is narrowed to, if it is.
    pub narrowed: Option<Permissions>,
    /// Whether the value has a successor, and lives on beside it for a while.
    pub is_old: bool,
    /// From where it may be used: each list must let a request in. Those that
    /// let everybody in are left out.
    pub addresses: Box<[Addresses]>,
    /// Whom it acts as.
    pub principal: Principal,
}

// A hundred thousand and more are remembered.
const _: () = assert!(size_of::<Facts>() <= 144);

const REFUSED: Error = Error::Unauthenticated { presented: true };

/// Refuses a value, and tells the audit log of a token that it belongs to.
async fn refuse(app: &App, value: &PlainToken, request: &RequestFacts) -> Result<Bearer> {
    Box::pin(app.refused_tokens.record(app, value, request)).await;
    Err(REFUSED)
}

/// Looks a value up, and refuses it if anything that it depends on has ended.
///
/// # Errors
/// [`Error::Unauthenticated`] for one that is not good, [`Error::Forbidden`]
/// for one that is used from an address outside its limits; when the database cannot.
pub async fn verify(app: &App, value: &PlainToken, request: RequestFacts) -> Result<Bearer> {
    // A service secret opens the verification endpoints and nothing else.
    if value.kind() == TokenKind::ServiceSecret {
        return Err(REFUSED);
    }
    let (hash, now) = (value.hash(), app.clock.now());
    let facts = match app.memory.tokens.get(app.db.changes(), &hash, now) {
        Some(facts) => facts,
        // On the heap: what is remembered needs no room for the way to the database.
        None => match Box::pin(facts::read(app, value, hash, now)).await? {
            Some(facts) => facts,
            None => return refuse(app, value, &request).await,
        },
    };
    if passed(facts.expires_at, now) {
        return refuse(app, value, &request).await;
    }
    if !facts.addresses.iter().all(|list| list.let_in(request.address)) {
        return Err(request.shut_out());
    }
    if let Principal::Machine(machine) = &facts.principal {
        request.admitted(&machine.organization.policy)?;
    }
    let (kind, hint) = (value.kind(), value.hint());
    Ok(Bearer { facts, value: hash, at: now, kind, hint, request, once: None })
}

/// The same for what counts as a request with the token.
///
/// # Errors
/// As [`verify`]; [`Error::TooMany`] above the limits.
pub async fn verify_in_turn(app: &App, value: &PlainToken, request: RequestFacts) -> Result<Bearer> {
    let bearer = verify(app, value, request).await?;
    match app.limits.admit(&bearer).await? {
        Turn::AtOnce => Ok(bearer),
        // It may have ended meanwhile.
        Turn::Waited => verify(app, value, bearer.request).await,
    }
}

/// The token of a request to the API; its use is noted by who asks.
///
/// # Errors
/// As [`verify_in_turn`].
pub async fn of_request(parts: &Parts, app: &App) -> Result<Bearer> {
    let facts = RequestFacts::of(parts);
    let address = facts.address;
    let checked = match presented(&parts.headers) {
        Ok(value) => verify_in_turn(app, &value, facts).await,
        Err(error) => Err(error),
    };
    let mut bearer = checked.map_err(|error| app.limits.refused(address, error))?;
    bearer.once = super::once::of(parts)?;
    Ok(bearer)
}

impl FromRequestParts<App> for Bearer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let bearer = of_request(parts, app).await?;
        app.usage.note(&bearer, None, None);
        Ok(bearer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Random;

    #[test]
    fn a_token_is_taken_from_one_authorization_header_in_three_forms() {
        let token = PlainToken::generate(TokenKind::ServiceAccount, &Random::seeded(6));
        let text = token.reveal();
        let basic = STANDARD.encode(format!("sa_whoever:{text}"));
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header"));
            }
            presented(&headers).ok().map(|token| token.hash())
        };
        for good in [
            format!("Bearer {text}"),
            format!("bearer {text}"),
            format!("Token {text}"),
            format!("Basic {basic}"),
            format!("Basic {}", STANDARD.encode(format!("sa%5Fwhoever:{}", text.replace('_', "%5F")))),
        ] {
            assert_eq!(read(&[&good]), Some(token.hash()), "{good}");
        }
        for bad in [
            text.to_owned(),
            format!("Bearer{text}"),
            format!("Digest {text}"),
            "Basic !!!".to_owned(),
            "Bearer".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&[&bad]), None, "{bad}");
        }
        let good = format!("Bearer {text}");
        assert_eq!(read(&[&good, &good]), None);
    }
}
