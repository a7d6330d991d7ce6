//! A caller: a principal in the organization that the address names, with its
//! standing there, remembered or read anew; what it may is decided anew each time.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::app::App;
use super::attribution::{Claimed, settle};
use super::bearer::Principal;
use super::session::{Person, SignedIn};
use crate::access::Subject;
use crate::audit::{Actor, ActorKind, Change, Through};
use crate::platform::id::PersonId;
use crate::platform::web::Arrival;
use crate::platform::{Context, Error, Label, Result};
use crate::principals::{Membership, OrganizationFacts, memberships};

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts {
    /// The peer's address.
    pub address: Option<IpAddr>,
    /// The program's own words about itself: the start of `User-Agent`.
    pub agent: Option<String>,
    /// As in the log and in the answer.
    pub request_id: Label,
}

/// The longest part of a `User-Agent` that is kept, in bytes.
const AGENT: usize = 120;

fn agent(headers: &axum::http::HeaderMap) -> Option<String> {
    let text = headers.get(axum::http::header::USER_AGENT)?.to_str().ok()?;
    // `to_str` lets visible ASCII through, so any byte ends a character.
    text.get(..text.len().min(AGENT)).filter(|text| !text.is_empty()).map(str::to_owned)
}

impl RequestFacts {
    /// Of this request.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let arrival = Arrival::of(&parts.extensions);
        Self { address: arrival.from.0, agent: agent(&parts.headers), request_id: arrival.id }
    }

    /// Checks the address against what an organization allows.
    ///
    /// # Errors
    /// [`Error::Forbidden`] from elsewhere.
    pub fn admitted(&self, policy: &crate::access::Policy) -> Result<()> {
        if policy.lets_in(self.address) { Ok(()) } else { Err(self.shut_out()) }
    }

    /// The refusal of an address.
    #[must_use]
    pub fn shut_out(&self) -> Error {
        let address = self.address.map_or_else(|| "an unknown address".to_owned(), |a| a.to_string());
        Error::Forbidden(format!("This token may not be used from {address}."))
    }

    /// Somebody who is not signed in.
    #[must_use]
    pub fn nobody(&self, name: &str) -> Actor {
        self.actor(Through::Console, ActorKind::Nobody, String::new(), name.to_owned())
    }

    /// A person, through the pages.
    #[must_use]
    pub fn person(&self, person: &Person) -> Actor {
        self.actor(Through::Console, ActorKind::Person, person.id.to_string(), person.name.clone())
    }

    /// Somebody who comes by the API or a protocol.
    #[must_use]
    pub fn program(&self, kind: ActorKind, id: String, name: String) -> Actor {
        self.actor(Through::Api, kind, id, name)
    }

    fn actor(&self, through: Through, kind: ActorKind, id: String, name: String) -> Actor {
        Actor {
            kind,
            id,
            name,
            token: None,
            through,
            address: self.address,
            request_id: self.request_id.to_string(),
            on_behalf_of: None,
            for_team: None,
            once: None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestFacts {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// A principal in one organization.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For the audit log.
    pub actor: Actor,
    /// For `decide`.
    pub subject: Subject,
    /// Where.
    pub organization: OrganizationFacts,
}

impl Caller {
    /// Begins a change, with the caller as it is inside the transaction: what
    /// was taken away meanwhile does not count.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::Unauthenticated`] where the caller is
    /// gone; when the database cannot.
    pub async fn begin<'a>(&'a self, context: &'a Context) -> Result<(Change<'a>, Self)> {
        let mut change = Change::begin(context, &self.actor, Some(self.organization.id)).await?;
        let (organization, subject) = change.load_caller().await?;
        Ok((change, Self { actor: self.actor.clone(), subject, organization }))
    }
}

/// A caller of the pages: signed in, and a member of the organization.
#[derive(Clone, Debug)]
pub struct ConsoleCaller {
    /// The caller.
    pub caller: Caller,
    /// The person and their session.
    pub signed_in: SignedIn,
}

/// A caller of the API: with a token of the organization or of a member.
#[derive(Clone, Debug)]
pub struct ApiCaller(pub Caller);

impl Deref for ConsoleCaller {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Deref for ApiCaller {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}

/// A person's place in the organization of this slug or id, remembered.
///
/// # Errors
/// [`Error::NotFound`] where they have none; when the database cannot.
pub async fn place_in(app: &App, person: PersonId, named: &str) -> Result<Arc<Membership>> {
    let (changes, key) = (app.db.changes(), (person, named.to_owned()));
    if let Some(known) = app.memory.places.get(changes, &key, app.clock.now()) {
        return Ok(known);
    }
    let before = changes.before();
    let place = Box::pin(memberships(&app.db, person, Some(named))).await?.pop().ok_or(Error::NotFound)?;
    let place = Arc::new(place);
    // Slugs never change, so the name stands for the organization.
    app.memory.places.put(key, changes.stamp(before, &[place.organization.id.into()]), &place);
    Ok(place)
}

/// The same for a page: read anew where other nodes write as well, so that each
/// shows what was just changed at another.
async fn place_for_pages(app: &App, person: PersonId, named: &str) -> Result<Arc<Membership>> {
    if app.db.changes().are_all_own() {
        return place_in(app, person, named).await;
    }
    let place = memberships(&app.db, person, Some(named)).await?.pop();
    place.map(Arc::new).ok_or(Error::NotFound)
}

/// All places of a person, remembered.
///
/// # Errors
/// When the database cannot.
pub async fn all_places(app: &App, person: PersonId) -> Result<Arc<Vec<Membership>>> {
    let read = Box::pin(memberships(&app.db, person, None));
    app.memory.all_places(app.db.changes(), person, app.clock.now(), read).await
}

async fn organization_in(parts: &mut Parts) -> Result<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Error::NotFound)?;
    let named = params.iter().find(|(name, _)| *name == "org").map(|(_, value)| value.to_owned());
    named.filter(|named| !named.is_empty()).ok_or(Error::NotFound)
}

impl FromRequestParts<App> for ConsoleCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let named = organization_in(parts).await;
        let (signed_in, place) =
            SignedIn::beside(parts, app, async |person| place_for_pages(app, person, &named?).await).await?;
        let Membership { organization, subject } = Membership::clone(&place);
        let actor = RequestFacts::of(parts).person(&signed_in.person);
        Ok(Self { caller: Caller { actor, subject, organization }, signed_in })
    }
}

impl FromRequestParts<App> for ApiCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let bearer = super::bearer::of_request(parts, app).await?;
        let (organization, subject) = match &bearer.principal {
            Principal::Person { id, .. } => {
                let place = place_in(app, *id, &organization_in(parts).await?).await?;
                admits_personal_token(&place.organization, &bearer.request)?;
                let subject = Subject { narrowed: bearer.narrowed, ..place.subject.clone() };
                (place.organization.clone(), subject)
            }
            Principal::Machine(machine) => {
                if !machine.organization.is_named(&organization_in(parts).await?) {
                    return Err(Error::NotFound);
                }
                (OrganizationFacts::clone(&machine.organization), Subject::clone(&machine.subject))
            }
        };
        let mut actor = bearer.actor();
        let claimed = Claimed::of(&parts.headers);
        let attribution = settle(&app.db, organization.id, (&bearer, &subject), &claimed).await?;
        app.usage.note(&bearer, None, attribution.counted());
        actor.on_behalf_of = attribution.person.map(|person| person.username);
        actor.for_team = claimed.team.and(attribution.team).map(|team| team.to_string());
        Ok(Self(Caller { actor, subject, organization }))
    }
}

/// Whether an organization takes personal tokens, from this address.
///
/// # Errors
/// [`Error::Forbidden`] where it does not.
pub fn admits_personal_token(organization: &OrganizationFacts, request: &RequestFacts) -> Result<()> {
    if !organization.policy.personal_tokens {
        return Err(Error::Forbidden(format!(
            "{} does not accept personal tokens. Use a service account key, a service token or a team token.",
            organization.name
        )));
    }
    request.admitted(&organization.policy)
}
