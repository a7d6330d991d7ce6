//! The OAuth 2.0 token endpoint (RFC 6749, section 3.2). It exchanges a service account key, another token or
//! an external identity for an access token.
//!
//! Each grant type verifies its credential and produces an `Exchange`; [`issue`] then creates the token. An
//! access token never carries more permissions and never lasts longer than the credential that was exchanged
//! for it.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{HeaderValue, PRAGMA};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::oauth_error::{
    Code, OAuthError, check_client, client, optional_param, parse_form, refuse, required_param,
    verify_credential,
};
use crate::access::{
    IpAllowList, Permission, Permissions, Subject, System, SystemReason, TokenKind, permissions_held_anywhere,
};
use crate::audit::{Actor, ActorKind, Change};
use crate::identity_providers::store as providers;
use crate::platform::id::OrganizationId;
use crate::platform::secret::RevealedSecret;
use crate::platform::text::one_of;
use crate::platform::web::{Form, RequestContext};
use crate::platform::{Error, Timestamp};
use crate::principals::{self, load_account_subject};
use crate::service_accounts::model::{ServiceAccount, Status};
use crate::service_accounts::store as accounts;
use crate::state::AppState;
use crate::tokens::access_token::{DEFAULT_LIFETIME, MAX_LIFETIME, issue};
use crate::tokens::access_token_grant::AccessTokenGrant;
use crate::verification::assertion::{ParsedAssertion, VerifiedAssertion};
use crate::verification::principal::Principal;
use crate::verification::usage::Check;
use crate::verification::{PlainToken, VerifiedToken, ip_refused};

/// The router of this protocol's endpoints.
pub fn routes() -> Router<AppState> {
    // The SDK of Weights & Biases uses the second path.
    Router::new().route("/oauth2/token", post(token)).route("/oidc/token", post(token))
}

/// The supported values of `grant_type`.
pub(super) const GRANT_TYPES: [&str; 3] = ["client_credentials", JWT_BEARER, TOKEN_EXCHANGE];
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The only token type that an exchange accepts and returns (RFC 8693, section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A successful response (RFC 6749, section 5.1), with `issued_token_type` of RFC 8693, section 2.2.1.
#[derive(Debug, Serialize)]
struct Answer {
    access_token: RevealedSecret,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// The verified credential that an access token will be issued for.
struct Exchange {
    grant: AccessTokenGrant,
    actor: Actor,
    organization: Option<OrganizationId>,
    /// What the principal holds. `None` for a person, for whom only the limits of the token are checked.
    subject: Option<Subject>,
    /// The external identity. `None` for a token.
    proven: Option<VerifiedAssertion>,
}

async fn token(
    State(app): State<AppState>,
    facts: RequestContext,
    headers: HeaderMap,
    form: Result<Form, Error>,
) -> Result<Response, OAuthError> {
    let form = parse_form(form)?;
    let grant = required_param(&form, "grant_type")?;
    let exchange = match grant.as_str() {
        "client_credentials" => session(&app, &facts, &headers, &form).await?,
        JWT_BEARER => federated(&app, &facts, &headers, &form).await?,
        TOKEN_EXCHANGE => narrowed(&app, &facts, &headers, &form).await?,
        other => {
            return refuse(
                Code::UnsupportedGrantType,
                format!("The grant type {other} is not supported. {}", one_of(&GRANT_TYPES)),
            );
        }
    };
    let permissions = scope(&form, &exchange)?;
    let lifetime = lifetime(&form)?;
    let mut change = Change::begin(&app.context, &exchange.actor, exchange.organization).await?;
    let now = change.now;
    if let Some(proven) = &exchange.proven
        && !proven.mark_used(change.tx(), System::new(SystemReason::TokenExchange)).await?
    {
        return refuse(
            Code::InvalidGrant,
            "The assertion was exchanged already. Request a new one for each exchange.",
        );
    }
    let issued = issue(change, &exchange.grant, permissions, lifetime).await;
    let (value, end) = match issued {
        Err(Error::Unauthenticated { .. }) => {
            return refuse(
                Code::InvalidGrant,
                "The token or identity that is exchanged has ended or was changed. Request a new one.",
            );
        }
        other => other?,
    };
    let held = match (permissions.or(exchange.grant.bounds()), &exchange.subject) {
        (Some(narrowed), _) => narrowed,
        (None, Some(subject)) => permissions_held_anywhere(subject),
        (None, None) => Permissions::NONE,
    };
    let answer = Answer {
        access_token: value.reveal(),
        issued_token_type: (grant == TOKEN_EXCHANGE).then_some(ACCESS_TOKEN),
        token_type: "Bearer",
        expires_in: end.since(now).as_secs(),
        scope: Some(held.scope()).filter(|scope| !scope.is_empty()),
    };
    Ok(([(PRAGMA, HeaderValue::from_static("no-cache"))], Json(answer)).into_response())
}

/// Reads `expires_in`, the requested lifetime in seconds. The default applies if it is missing.
fn lifetime(form: &Form) -> Result<Duration, OAuthError> {
    let Some(text) = optional_param(form, "expires_in")? else { return Ok(DEFAULT_LIFETIME) };
    match text.parse::<u64>().ok().filter(|seconds| (1..=MAX_LIFETIME.as_secs()).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => refuse(
            Code::InvalidRequest,
            format!("Send a whole number of seconds from 1 to {} in expires_in.", MAX_LIFETIME.as_secs()),
        ),
    }
}

/// Reads `scope`, the permissions to narrow the access token to, separated by spaces. `None` if it is
/// missing. Permissions that the credential does not carry are an `invalid_scope`.
fn scope(form: &Form, exchange: &Exchange) -> Result<Option<Permissions>, OAuthError> {
    let Some(text) = optional_param(form, "scope")? else { return Ok(None) };
    let mut asked = Permissions::NONE;
    for word in text.split_whitespace() {
        match word.parse::<Permission>() {
            Ok(permission) => asked = asked.union(Permissions::from_permission(permission)),
            Err(_) => {
                return refuse(
                    Code::InvalidScope,
                    format!("{word} is not a permission. Send permissions like runs:read in scope."),
                );
            }
        }
    }
    let held = match &exchange.subject {
        Some(subject) => permissions_held_anywhere(subject),
        None => exchange.grant.bounds().unwrap_or(Permissions::ALL),
    };
    if let Some(more) = asked.each().find(|permission| !held.has(*permission)) {
        return refuse(
            Code::InvalidScope,
            format!("The token or identity that is exchanged does not have {more}. Leave it out of scope."),
        );
    }
    Ok(Some(asked))
}

fn exchange(verified: &VerifiedToken) -> Exchange {
    let (organization, subject) = match &verified.facts().principal {
        Principal::Machine(machine) => {
            (Some(machine.organization.id), Some(Subject::clone(&machine.subject)))
        }
        Principal::Person { .. } => (None, None),
    };
    Exchange {
        grant: AccessTokenGrant::from_token(verified),
        actor: verified.actor(),
        organization,
        subject,
        proven: None,
    }
}

/// Grant type `client_credentials` (RFC 6749, section 4.4): a service account's UID and one of its keys.
async fn session(
    app: &AppState,
    facts: &RequestContext,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Exchange, OAuthError> {
    let Some((uid, key)) = client(headers, form)? else {
        return refuse(
            Code::InvalidClient,
            "Authenticate with the UID of a service account and one of its API keys.",
        );
    };
    let key = (key.kind() == TokenKind::ServiceAccount).then_some(key);
    let verified = verify_credential(app, facts, key, Code::InvalidClient).await?;
    if verified.facts().principal.id() != uid {
        return refuse(
            Code::InvalidClient,
            "The UID and the API key do not belong to the same service account.",
        );
    }
    app.verifier.usage.record(&verified, None, Check::VALID, None);
    Ok(exchange(&verified))
}

/// Grant type `token-exchange` (RFC 8693): a token is exchanged for a narrower one.
async fn narrowed(
    app: &AppState,
    facts: &RequestContext,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Exchange, OAuthError> {
    check_client(app, facts, headers, form).await?;
    let presented = required_param(form, "subject_token")?;
    let kind = required_param(form, "subject_token_type")?;
    if kind != ACCESS_TOKEN {
        return refuse(Code::InvalidRequest, format!("Send {ACCESS_TOKEN} as subject_token_type."));
    }
    if optional_param(form, "requested_token_type")?.is_some_and(|kind| kind != ACCESS_TOKEN) {
        return refuse(Code::InvalidRequest, format!("Send {ACCESS_TOKEN} as requested_token_type."));
    }
    if optional_param(form, "actor_token")?.is_some() || optional_param(form, "actor_token_type")?.is_some() {
        return refuse(
            Code::InvalidRequest,
            "Leave out actor_token and actor_token_type. Delegation is not supported.",
        );
    }
    if form.all("audience").chain(form.all("resource")).any(|target| !target.is_empty()) {
        return refuse(
            Code::InvalidTarget,
            "Leave out audience and resource. Access tokens are not bound to one service.",
        );
    }
    let verified = verify_credential(app, facts, PlainToken::parse(&presented), Code::InvalidRequest).await?;
    app.verifier.usage.record(&verified, None, Check::VALID, None);
    Ok(exchange(&verified))
}

/// Grant type `jwt-bearer` (RFC 7523, section 2.1): an external identity is exchanged for an access token.
async fn federated(
    app: &AppState,
    facts: &RequestContext,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Exchange, OAuthError> {
    check_client(app, facts, headers, form).await?;
    let text = required_param(form, "assertion")?;
    let bad = |text: String| OAuthError::Oauth(Code::InvalidGrant, text);
    let presented = ParsedAssertion::parse(&text).map_err(bad)?;
    let pair = (presented.issuer().map_err(bad)?, presented.audience().map_err(bad)?);
    let (named, at) = (optional_param(form, "client_id")?, optional_param(form, "organization")?);
    let trusted = providers::list_trusted(&app.context.db, pair, at.as_deref(), named.as_deref()).await?;
    let provider = match trusted.as_slice() {
        [provider] => *provider,
        [] => {
            let (issuer, audience) = pair;
            let mut text =
                format!("No identity provider has the issuer {issuer} and the audience {audience}");
            if at.is_some() || named.is_some() {
                text.push_str(" in the organization that the request names");
            }
            text.push('.');
            return refuse(Code::InvalidGrant, text);
        }
        [..] => {
            return refuse(
                Code::InvalidGrant,
                "Several organizations trust this issuer and audience. Name yours in organization.",
            );
        }
    };
    let proven = match presented.verify(&app.verifier).await {
        Ok(proven) => proven,
        Err(text) => {
            let error = Error::Unauthenticated { presented: true };
            return match app.rate_limits.count_failure(facts.ip, error) {
                Error::Unauthenticated { .. } => refuse(Code::InvalidGrant, text),
                other => Err(other.into()),
            };
        }
    };
    let now = app.context.clock.now();
    let candidates = accounts::federated(&app.context.db, provider.id, proven.subject(), now).await?;
    let account = matching(candidates, &proven, named.as_deref(), now)?;
    let organization = principals::load_organization(&app.context.db, account.organization_id).await?;
    let addresses = IpAllowList::parse(&account.allowed_addresses).map_err(Error::internal)?;
    if !addresses.allows(facts.ip) || !organization.policy.ip_allowed(facts.ip) {
        return refuse(Code::InvalidGrant, ip_refused(facts.ip).to_string());
    }
    let subject = load_account_subject(
        &app.context.db,
        &organization,
        account.id,
        account.account_scope(),
        &account.role,
    )
    .await?;
    let actor =
        Actor::program(facts, ActorKind::ServiceAccount, account.id.to_string(), account.name.clone());
    let grant = AccessTokenGrant::from_identity(
        &proven,
        organization.id,
        (account.id, account.version),
        (provider.id, provider.version),
        account.expires_at,
    );
    Ok(Exchange {
        grant,
        actor,
        organization: Some(organization.id),
        subject: Some(subject),
        proven: Some(proven),
    })
}

/// Selects the one active account that the external identity belongs to: its subject matches exactly or is
/// not set, and all its conditions match. No match and several matches are an `invalid_grant`.
fn matching(
    mut candidates: Vec<ServiceAccount>,
    proven: &VerifiedAssertion,
    named: Option<&str>,
    now: Timestamp,
) -> Result<ServiceAccount, OAuthError> {
    candidates.retain(|account| {
        account.status(now) == Status::Active
            && named.is_none_or(|uid| account.id.to_string() == uid)
            && account.conditions().iter().all(|(claim, value)| proven.has_claim(claim, value))
    });
    let Some(account) = candidates.pop() else {
        let text = format!(
            "No active service account has the subject {} and conditions that match.",
            proven.subject()
        );
        return refuse(Code::InvalidGrant, text);
    };
    if !candidates.is_empty() {
        return refuse(
            Code::InvalidGrant,
            "Several service accounts match. Name one by its UID in client_id.",
        );
    }
    Ok(account)
}
