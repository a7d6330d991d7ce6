//! The hot path: from an `Authorization` header to a principal with everything
//! that `decide` must know of it. A wrong checksum costs no database work; a
//! right one costs one indexed query.

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
use super::standing::{self, OrganizationFacts};
use super::token::{PlainToken, TokenHash};
use crate::access::{Addresses, Home, Permissions, Subject, TokenKind};
use crate::audit::{Actor, ActorKind, Once};
use crate::platform::db::Before;
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, TeamId, TokenId};
use crate::platform::text::words;
use crate::platform::{Error, Result, Timestamp, sql};

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
        /// Their display name.
        name: String,
        /// Their username.
        username: String,
    },
    /// Anything else, in its one organization.
    Machine(Arc<Machine>),
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
            Self::Person { username, .. } => username,
            Self::Machine(machine) => &machine.name,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person { name, .. } => name,
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

#[derive(sqlx::FromRow)]
struct Row {
    stops_at: Option<Timestamp>,
    hint: String,
    token_id: TokenId,
    token_name: String,
    acts_as: Option<TokenKind>,
    source_id: Option<TokenId>,
    source_value: Option<Vec<u8>>,
    source_lives: bool,
    source_name: Option<String>,
    source_expires_at: Option<Timestamp>,
    source_stops_at: Option<Timestamp>,
    source_addresses: Option<String>,
    token_expires_at: Option<Timestamp>,
    regenerated_at: Timestamp,
    revoked_at: Option<Timestamp>,
    token_addresses: String,
    narrowed: Option<String>,
    person_id: Option<PersonId>,
    person_name: Option<String>,
    person_username: Option<String>,
    account_id: Option<ServiceAccountId>,
    account_name: Option<String>,
    account_role: Option<String>,
    account_expires_at: Option<Timestamp>,
    account_addresses: Option<String>,
    disabled_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    team_id: Option<TeamId>,
    team_slug: Option<String>,
    team_name: Option<String>,
    team_role: Option<String>,
    default_team_slug: Option<String>,
    organization_id: Option<OrganizationId>,
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
    pub source: Option<(TokenId, TokenHash)>,
    /// Its hint.
    pub hint: Box<str>,
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
    pub addresses: Vec<Addresses>,
    /// Whom it acts as.
    pub principal: Principal,
}

/// Looks a value up, and refuses it if anything that it depends on has ended.
///
/// # Errors
/// [`Error::Unauthenticated`] for one that is not good, [`Error::Forbidden`]
/// for one that is used from an address outside its limits; when the database cannot.
pub async fn verify(app: &App, value: &PlainToken, request: RequestFacts) -> Result<Bearer> {
    let refused = Error::Unauthenticated { presented: true };
    // A service secret opens the verification endpoints and nothing else.
    if value.kind() == TokenKind::ServiceSecret {
        return Err(refused);
    }
    let (hash, now) = (value.hash(), app.clock.now());
    let facts = match app.memory.tokens.get(app.db.changes(), &hash, now) {
        Some(facts) => facts,
        // On the heap: what is remembered needs no room for the way to the database.
        None => Box::pin(read(app, value, hash, now)).await?.ok_or_else(|| refused.clone())?,
    };
    if passed(facts.expires_at, now) {
        return Err(refused);
    }
    if !facts.addresses.iter().all(|list| list.let_in(request.address)) {
        return Err(request.shut_out());
    }
    if let Principal::Machine(machine) = &facts.principal {
        request.admitted(&machine.organization.policy)?;
    }
    Ok(Bearer { facts, value: hash, at: now, kind: value.kind(), request, once: None })
}

/// Reads what is known of a value, and remembers it; nothing for one that is
/// unknown or has ended otherwise than by time.
async fn read(app: &App, value: &PlainToken, hash: TokenHash, now: Timestamp) -> Result<Option<Arc<Facts>>> {
    let before = app.db.changes().before();
    let row: Option<Row> = sql("SELECT v.stops_at, v.hint, t.id AS token_id, t.name AS token_name, t.acts_as, \
            t.source_id, t.source_value, (held.token_id IS NOT NULL AND source.revoked_at IS NULL) AS source_lives, \
            source.name AS source_name, source.expires_at AS source_expires_at, held.stops_at AS source_stops_at, \
            source.allowed_addresses AS source_addresses, \
            t.expires_at AS token_expires_at, t.regenerated_at, t.revoked_at, t.allowed_addresses AS token_addresses, \
            t.permissions AS narrowed, p.id AS person_id, p.name AS person_name, p.username AS person_username, \
            a.id AS account_id, a.name AS account_name, a.role AS account_role, \
            a.expires_at AS account_expires_at, a.allowed_addresses AS account_addresses, \
            a.disabled_at, a.deleted_at, \
            own.id AS team_id, own.slug AS team_slug, own.name AS team_name, own.role AS team_role, \
            usual.slug AS default_team_slug, t.organization_id \
         FROM token_values v JOIN tokens t ON t.id = v.token_id \
         LEFT JOIN tokens source ON source.id = t.source_id \
         LEFT JOIN token_values held ON held.hash = t.source_value \
         LEFT JOIN people p ON p.id = t.person_id \
         LEFT JOIN service_accounts a ON a.id = t.service_account_id \
         LEFT JOIN teams own ON own.id = COALESCE(t.team_id, a.team_id) \
         LEFT JOIN teams usual ON usual.id = a.default_team_id \
         WHERE v.hash = $1")
    .bind(hash)
    .optional(&app.db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let over = row.revoked_at.is_some()
        || row.disabled_at.is_some()
        || row.deleted_at.is_some()
        || (row.source_id.is_some() && !row.source_lives);
    if over {
        return Ok(None);
    }
    let ends = [
        row.stops_at,
        row.token_expires_at,
        row.account_expires_at,
        row.source_expires_at,
        row.source_stops_at,
    ];
    let lists = [&row.token_addresses].into_iter().chain(&row.source_addresses).chain(&row.account_addresses);
    let lists = lists.filter(|list| !list.is_empty());
    let addresses =
        lists.map(|list| Addresses::parse(list).map_err(Error::internal)).collect::<Result<_>>()?;
    let source = match (row.source_id, row.source_value.as_deref().and_then(TokenHash::stored)) {
        (Some(id), Some(value)) => Some((id, value)),
        (None, None) => None,
        _ => return Ok(None),
    };
    let (token, hint, issued_at) = (row.token_id, row.hint.as_str().into(), row.regenerated_at);
    let is_old = row.stops_at.is_some();
    let narrowed = row.narrowed.as_deref().map(standing::permissions);
    let acts_as = row.acts_as.unwrap_or(value.kind());
    let Some(principal) = principal(app, acts_as, row, narrowed, (before, now)).await? else {
        return Ok(None);
    };
    let changes = app.db.changes();
    let stamp = match &principal {
        Principal::Person { id, .. } => changes.stamp(before, *id),
        Principal::Machine(machine) => changes.stamp(before, machine.organization.id),
    };
    let expires_at = ends.into_iter().flatten().min();
    let facts = Arc::new(Facts {
        token,
        acts_as,
        source,
        hint,
        expires_at,
        issued_at,
        narrowed,
        is_old,
        addresses,
        principal,
    });
    app.memory.tokens.put(hash, stamp, &facts);
    Ok(Some(facts))
}

async fn principal(
    app: &App,
    token: TokenKind,
    row: Row,
    narrowed: Option<Permissions>,
    at: (Before, Timestamp),
) -> Result<Option<Principal>> {
    if let (Some(id), Some(name), Some(username)) = (row.person_id, &row.person_name, &row.person_username) {
        return Ok(Some(Principal::Person { id, name: name.clone(), username: username.clone() }));
    }
    let Some(organization) = row.organization_id else { return Ok(None) };
    let id = match (token, row.account_id, row.team_id) {
        (TokenKind::ServiceAccount, Some(id), _) => id.number(),
        (TokenKind::Team, _, Some(id)) => id.number(),
        (TokenKind::Organization, ..) => organization.number(),
        (TokenKind::ServiceToken, ..) => row.source_id.unwrap_or(row.token_id).number(),
        _ => return Ok(None),
    };
    let read = machine(app, token, organization, row);
    let machine = app.memory.machines.or_read(app.db.changes(), id, organization, at, read).await?;
    Ok(Some(Principal::Machine(if narrowed.is_some() {
        let mut narrow = Machine::clone(&machine);
        Arc::make_mut(&mut narrow.subject).narrowed = narrowed;
        Arc::new(narrow)
    } else {
        machine
    })))
}

/// Reads what a principal is and holds.
async fn machine(app: &App, token: TokenKind, organization: OrganizationId, row: Row) -> Result<Machine> {
    let db = &app.db;
    let organization = Arc::new(standing::organization(db, organization).await?);
    let (kind, id, name, subject) = match (token, row.account_id, row.team_id) {
        (TokenKind::ServiceAccount, Some(id), team) => {
            let home = team.map_or(Home::Organization, Home::Team);
            let role = row.account_role.unwrap_or_default();
            let subject = standing::of_account(db, &organization, id, home, &role).await?;
            (PrincipalKind::ServiceAccount, id.to_string(), row.account_name.unwrap_or_default(), subject)
        }
        (TokenKind::Team, _, Some(id)) => {
            let role = row.team_role.unwrap_or_default();
            let subject = standing::of_team(db, &organization, id, &role).await?;
            (PrincipalKind::Team, id.to_string(), row.team_name.unwrap_or_default(), subject)
        }
        (TokenKind::Organization, ..) => {
            let id = organization.id.to_string();
            (PrincipalKind::Organization, id, organization.name.clone(), standing::of_organization())
        }
        _ => {
            let id = row.source_id.unwrap_or(row.token_id);
            let subject = standing::of_service_token(db, &organization, id).await?;
            (PrincipalKind::ServiceToken, id.to_string(), row.source_name.unwrap_or(row.token_name), subject)
        }
    };
    let (team, default_team) = (row.team_slug.map(Arc::from), row.default_team_slug.map(Arc::from));
    Ok(Machine { kind, id, name, organization, team, default_team, subject: Arc::new(subject) })
}

/// The token of a request to the API; its use is noted by who asks.
///
/// # Errors
/// [`Error::Unauthenticated`], [`Error::Forbidden`] as [`verify`];
/// [`Error::TooMany`] above the limits.
pub async fn of_request(parts: &Parts, app: &App) -> Result<Bearer> {
    let facts = RequestFacts::of(parts);
    let address = facts.address;
    let checked = match presented(&parts.headers) {
        Ok(value) => verify(app, &value, facts).await,
        Err(error) => Err(error),
    };
    let mut bearer = checked.map_err(|error| app.limits.refused(address, error))?;
    app.limits.admit(&bearer)?;
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
