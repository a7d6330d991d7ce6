//! The axum extractors of callers. Pages read the session only and the API reads
//! the `Authorization` header only, so that neither accepts the credentials of the
//! other.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::caller::Caller;
use super::memberships::{membership_for_page, membership_in};
use super::signed_in::SignedIn;
use crate::access::Subject;
use crate::audit::Actor;
use crate::authn::known_browser::DeviceCookie;
use crate::platform::web::{Form, IdempotencyKey, RequestContext};
use crate::platform::{Error, Result};
use crate::principals::{Membership, OrganizationFacts};
use crate::state::AppState;
use crate::verification::attribution::{AttributionClaim, attribute};
use crate::verification::principal::{Principal, ServiceCaller};
use crate::verification::service::authenticate;
use crate::verification::usage::Check;
use crate::verification::{VerifiedToken, ensure_ip_allowed, verify_request};

/// The caller of a page: a signed-in member of the organization. For others the
/// rejection is a redirect to the sign-in, or 404.
#[derive(Clone, Debug)]
pub struct ConsoleCaller {
    /// The person as a caller in the organization.
    pub member: Caller,
    /// The person and their session.
    pub signed_in: SignedIn,
}

/// The caller of the API: the principal of a token that belongs to the
/// organization or to one of its members.
#[derive(Clone, Debug)]
pub struct ApiCaller(pub Caller);

impl ConsoleCaller {
    /// The caller with the idempotency key of a form, so that submitting the form
    /// twice makes the change once.
    #[must_use]
    pub fn submitting(mut self, form: &Form) -> Self {
        self.member.actor.idempotency_key = IdempotencyKey::from_form(form);
        self
    }
}

async fn organization_name_in(parts: &mut Parts) -> Result<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Error::NotFound)?;
    let named = params.iter().find(|(name, _)| *name == "org").map(|(_, value)| value.to_owned());
    named.filter(|named| !named.is_empty()).ok_or(Error::NotFound)
}

/// The registered service whose secret is in the `Authorization` header.
#[derive(Clone, Debug)]
pub struct AuthenticatedService(pub Arc<ServiceCaller>);

impl FromRequestParts<AppState> for ConsoleCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let named = organization_name_in(parts).await;
        let (signed_in, membership) =
            SignedIn::load_with(parts, app, async |person| membership_for_page(app, person, &named?).await)
                .await?;
        let Membership { organization, subject } = Membership::clone(&membership);
        let actor =
            Actor::person(&RequestContext::from_parts(parts), signed_in.person.id, &signed_in.person.name);
        Ok(Self { member: Caller { actor, subject, organization }, signed_in })
    }
}

impl FromRequestParts<AppState> for ApiCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let verified = verify_request(&app.verifier, parts).await?;
        let (organization, subject) = match &verified.facts().principal {
            Principal::Person { id, .. } => {
                let membership = membership_in(app, *id, &organization_name_in(parts).await?).await?;
                ensure_personal_tokens_allowed(&membership.organization, &verified.request)?;
                let subject = Subject { narrowed: verified.facts().narrowed, ..membership.subject.clone() };
                (membership.organization.clone(), subject)
            }
            Principal::Machine(machine) => {
                if !machine.organization.is_named(&organization_name_in(parts).await?) {
                    return Err(Error::NotFound);
                }
                (OrganizationFacts::clone(&machine.organization), Subject::clone(&machine.subject))
            }
        };
        let mut actor = verified.actor();
        let claimed = AttributionClaim::from_headers(&parts.headers);
        let attribution =
            attribute(&app.context.db, organization.id, (&verified, &subject), &claimed).await?;
        app.verifier.usage.record(&verified, None, Check::VALID, attribution.usage_key());
        actor.on_behalf_of = attribution.person.map(|person| person.username);
        actor.for_team = claimed.team.and(attribution.team).map(|team| team.to_string());
        Ok(Self(Caller { actor, subject, organization }))
    }
}

/// Checks that an organization's policy allows personal tokens, from the
/// request's IP address.
///
/// # Errors
/// [`Error::Forbidden`] if it does not.
pub fn ensure_personal_tokens_allowed(
    organization: &OrganizationFacts,
    request: &RequestContext,
) -> Result<()> {
    if !organization.policy.personal_tokens {
        return Err(Error::Forbidden(format!(
            "{} does not accept personal tokens. Use a service account key, a service token or a team token.",
            organization.name
        )));
    }
    ensure_ip_allowed(&organization.policy, request.ip)
}

impl FromRequestParts<AppState> for VerifiedToken {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let verified = verify_request(&app.verifier, parts).await?;
        app.verifier.usage.record(&verified, None, Check::VALID, None);
        Ok(verified)
    }
}

impl FromRequestParts<AppState> for AuthenticatedService {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let request = RequestContext::from_parts(parts);
        authenticate(&app.verifier, &request, &parts.headers, &AUTHORIZATION).await.map(Self)
    }
}

impl FromRequestParts<AppState> for DeviceCookie {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self::from_request(parts, &app.context))
    }
}
