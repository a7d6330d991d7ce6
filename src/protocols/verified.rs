//! Verification of a token for one service, which all protocols use.
//!
//! A token is valid for a service if it is active, if the service accepts its kind, and if its principal
//! belongs to the service's organization. Callers learn only that a token is not valid, not why.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{ProjectFacts, Subject};
use crate::callers::membership_in;
use crate::platform::web::RequestContext;
use crate::platform::{Error, Result};
use crate::principals::{self, load_memberships};
use crate::projects::store as projects;
use crate::service_accounts::model::Status;
use crate::service_accounts::store as accounts;
use crate::service_tokens::store as service_tokens;
use crate::state::AppState;
use crate::teams::store as teams;
use crate::tokens::model::Status as TokenStatus;
use crate::verification::attribution::{Attribution, AttributionClaim, attribute};
use crate::verification::principal::{Principal, ServiceCaller, VerifiedToken};
use crate::verification::usage::{Check, CountedCall, CountedPrincipal, CountedValue, Outcome};
use crate::verification::{self, PlainToken, Refusal};

/// A service's question about a token.
#[derive(Clone, Debug, Default)]
pub struct VerificationQuery {
    /// The presented token. `None` if the text does not have the format of a token.
    pub token: Option<PlainToken>,
    /// The person and the team that the request names for attribution.
    pub claimed: AttributionClaim,
    /// IP address of the service's caller. `None` if the service does not report it.
    pub address: Option<IpAddr>,
    /// `User-Agent` of the service's caller, if it is known.
    pub agent: Option<String>,
}

/// A token that is valid for the service.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The token and its principal.
    pub token: VerifiedToken,
    /// The principal and its grants in the service's organization.
    pub subject: Arc<Subject>,
    /// Slug of the principal's default team, for service accounts of the organization.
    pub default_team: Option<Arc<str>>,
    /// The team of the request and the person that it is attributed to.
    pub attribution: Attribution,
}

/// Why a token is not valid for the service, as it is counted.
#[derive(Clone, Copy, Debug)]
struct Refused {
    /// The value, if it belongs to a principal of the service's organization. Nothing else is known there.
    value: Option<CountedValue>,
    outcome: Outcome,
}

impl Refused {
    const UNKNOWN: Self = Self { value: None, outcome: Outcome::Unknown };
}

impl Verified {
    /// Records the use of the token, with the answer that the service gets. Every protocol calls this once for each
    /// answer.
    pub fn record(&self, app: &AppState, service: &ServiceCaller, check: Check) {
        app.verifier.usage.record(&self.token, Some(service), check, self.attribution.usage_key());
    }
}

/// Verifies a token for a service. `None` if it is not valid for the service, for whatever reason, which is counted.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn verify(
    app: &AppState,
    service: &ServiceCaller,
    question: VerificationQuery,
) -> Result<Option<Verified>> {
    let address = question.address;
    let refused = match look_up(app, service, question).await? {
        Ok(verified) => return Ok(Some(verified)),
        Err(refused) => refused,
    };
    let call = CountedCall {
        organization: Some(service.organization.id),
        address,
        service: Some(service.id),
        check: Check::refused(refused.outcome),
    };
    app.verifier.usage.record_refused(refused.value, call);
    Ok(None)
}

async fn look_up(
    app: &AppState,
    service: &ServiceCaller,
    question: VerificationQuery,
) -> Result<Result<Verified, Refused>> {
    let VerificationQuery { token, claimed, address, agent } = question;
    let Some(value) = token else { return Ok(Err(Refused::UNKNOWN)) };
    if !service.kinds.contains(&value.kind()) {
        return Ok(Err(Refused { value: None, outcome: Outcome::Kind }));
    }
    let request = RequestContext { ip: address, user_agent: agent, ..RequestContext::default() };
    let token = match verification::look_up(&app.verifier, &value, request).await? {
        Ok(token) => token,
        Err(refusal) => return Box::pin(refused(app, service, (&value, refusal))).await.map(Err),
    };
    let counted = || Some(token.facts().counted_value(token.kind));
    let (subject, default_team) = match &token.facts().principal {
        Principal::Machine(machine) if machine.organization.id == service.organization.id => {
            (machine.subject.clone(), machine.default_team.clone())
        }
        Principal::Machine(_) => return Ok(Err(Refused::UNKNOWN)),
        Principal::Person { id, .. } => {
            let place = match Box::pin(membership_in(app, *id, &service.organization.slug)).await {
                Ok(place) => place,
                Err(Error::NotFound) => return Ok(Err(Refused::UNKNOWN)),
                Err(error) => return Err(error),
            };
            let policy = &place.organization.policy;
            if !policy.personal_tokens {
                return Ok(Err(Refused { value: counted(), outcome: Outcome::PersonalTokens }));
            }
            if !policy.ip_allowed(address) {
                return Ok(Err(Refused { value: counted(), outcome: Outcome::Address }));
            }
            (Arc::new(Subject { narrowed: token.facts().narrowed, ..place.subject.clone() }), None)
        }
    };
    // The service must also accept the kind of the token that an access token was exchanged for.
    if !service.kinds.contains(&token.facts().acts_as) {
        return Ok(Err(Refused { value: counted(), outcome: Outcome::Kind }));
    }
    let attribution =
        attribute(&app.context.db, service.organization.id, (&token, &subject), &claimed).await?;
    Ok(Ok(Verified { token, subject, default_team, attribution }))
}

/// Finds out whether the refused token belongs to the service's organization. What belongs to another one is unknown.
async fn refused(
    app: &AppState,
    service: &ServiceCaller,
    (value, refusal): (&PlainToken, Refusal),
) -> Result<Refused> {
    let (counted, organization, outcome) = match refusal {
        Refusal::Value(None) => return Ok(Refused::UNKNOWN),
        Refusal::Value(Some(token)) => (token.value, token.organization, token.outcome),
        Refusal::Address(facts, _) => {
            (facts.counted_value(value.kind()), facts.principal.organization(), Outcome::Address)
        }
    };
    let is_own = match (organization, counted.principal) {
        (Some(organization), _) => organization == service.organization.id,
        (None, CountedPrincipal::Person(person)) => {
            match membership_in(app, person, &service.organization.slug).await {
                Ok(_) => true,
                Err(Error::NotFound) => false,
                Err(error) => return Err(error),
            }
        }
        (None, _) => false,
    };
    Ok(if is_own { Refused { value: Some(counted), outcome } } else { Refused::UNKNOWN })
}

/// Loads an active principal of the service's organization by its kind and id. `None` if there is none.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn principal(
    app: &AppState,
    service: &ServiceCaller,
    kind: &str,
    id: &str,
) -> Result<Option<Subject>> {
    let organization = &service.organization;
    let known = |error: Error| if matches!(error, Error::NotFound) { Ok(None) } else { Err(error) };
    let now = app.context.clock.now();
    match kind {
        "person" => {
            let Ok(person) = id.parse() else { return Ok(None) };
            let place = load_memberships(&app.context.db, person, Some(&organization.slug)).await?.pop();
            Ok(place.map(|place| place.subject))
        }
        "service_account" => match accounts::find(&app.context.db, organization.id, id, now).await {
            Ok(account) if account.status(now) == Status::Active => {
                let scope = account.account_scope();
                principals::load_account_subject(
                    &app.context.db,
                    organization,
                    account.id,
                    scope,
                    &account.role,
                )
                .await
                .map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) => known(error),
        },
        "service_token" => match service_tokens::find(&app.context.db, organization.id, id).await {
            Ok(found) if found.token.status(now) == TokenStatus::Active => {
                principals::load_service_token_subject(&app.context.db, organization, found.token.id)
                    .await
                    .map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) => known(error),
        },
        "team" => match teams::find(&app.context.db, organization.id, id).await {
            Ok(team) => principals::load_team_subject(&app.context.db, organization, team.id, &team.role)
                .await
                .map(Some),
            Err(error) => known(error),
        },
        "organization" => Ok(organization.is_named(id).then(principals::organization_subject)),
        _ => Ok(None),
    }
}

/// Finds a project of the service's organization by slug or id, through the cache.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn project(app: &AppState, service: &ServiceCaller, named: &str) -> Result<ProjectFacts> {
    let (organization, snapshot) = (service.organization.id, app.context.db.invalidations().snapshot());
    let read = Box::pin(async { Ok(projects::find(&app.context.db, organization, named).await?.facts()) });
    let key = (organization, named.to_owned());
    let now = app.context.clock.now();
    Ok(*app
        .verifier
        .cache
        .projects
        .get_or_load(app.context.db.invalidations(), key, organization, (snapshot, now), read)
        .await?)
}
