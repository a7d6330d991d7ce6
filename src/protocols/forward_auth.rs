//! Forward auth: the question that a reverse proxy asks before it lets a
//! request through (nginx `auth_request`, Caddy `forward_auth`, Traefik, Envoy
//! `ext_authz`).
//!
//! It is asked by any method, because some proxies send the one of the request
//! that they ask about, and with any path after its own, because Envoy appends
//! that request's. Nothing of these is looked at, except for the first segment
//! after its own: where it is of the form `permission=…&project=…`, it is the
//! operator's question, and the query belongs to the request that is asked about.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::Response;

use super::verified::{self, VerificationQuery, Verified};
use crate::access::{Decision, Permission, Target, decide, effective};
use crate::platform::server::FastPath;
use crate::platform::web::RequestContext;
use crate::platform::web::{Form, Query, headers};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::verification::attribution::{Attribution, AttributionClaim};
use crate::verification::credentials::presented;
use crate::verification::principal::ServiceCaller;
use crate::verification::service::authenticate;

/// The routes of this protocol.
pub fn routes() -> FastPath<AppState> {
    FastPath::default().route_any(PATH, check)
}

const PATH: &str = "/forward-auth";

/// Where a proxy says which service it protects: `Authorization` is its caller's.
const SERVICE: HeaderName = HeaderName::from_static("tessera-service-authorization");

const SUBJECT: HeaderName = HeaderName::from_static("tessera-subject");
const KIND: HeaderName = HeaderName::from_static("tessera-kind");
const ORGANIZATION: HeaderName = HeaderName::from_static("tessera-organization");
const TEAM: HeaderName = HeaderName::from_static("tessera-team");
const ATTRIBUTED_TO: HeaderName = HeaderName::from_static("tessera-attributed-to");
const SCOPE: HeaderName = HeaderName::from_static("tessera-scope");

/// What is not there and what may not be seen are one answer.
fn hidden() -> Error {
    Error::Forbidden("The project does not exist, or the caller does not have access to it.".to_owned())
}

/// The service that asks, and the caller's token, read from the request in
/// place: it is asked for every request of the service behind the proxy.
struct Asked {
    service: Arc<ServiceCaller>,
    verified: Verified,
}

impl FromRequestParts<AppState> for Asked {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let request = RequestContext::of(parts);
        let address = request.ip;
        // A wrong secret is the operator's mistake, not the caller's: no 401, which
        // a proxy would pass on.
        let service = match authenticate(&app.verifier, &request, &parts.headers, &SERVICE).await {
            Ok(service) => service,
            Err(Error::Unauthenticated { .. } | Error::TooMany { .. }) => {
                return Err(Error::internal(
                    "forward auth was asked without a good Tessera-Service-Authorization",
                ));
            }
            Err(error) => return Err(error),
        };
        // Proxies know 401 and 403 alone: failures are counted, and not made to wait here.
        let refused = |error: Error| {
            let _ = app.rate_limits.count_failure(address, error.clone());
            error
        };
        let question = VerificationQuery {
            token: Some(presented(&parts.headers).map_err(refused)?),
            claimed: AttributionClaim::of(&parts.headers),
            address,
            agent: request.user_agent,
        };
        let verified = verified::verify(app, &service, question).await?;
        let verified = verified.ok_or_else(|| refused(Error::Unauthenticated { presented: true }))?;
        Ok(Self { service, verified })
    }
}

/// What the operator asks: in the path where it is there, otherwise in the query.
fn question(uri: &Uri) -> Result<Form> {
    let Query(query) = Query::parse(uri.query().unwrap_or_default());
    let below = uri.path().strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    let first = below.split('/').next().unwrap_or_default();
    if !first.contains('=') {
        return Ok(query);
    }
    // Where a proxy appends a path to an address with a question in its query, its
    // caller could replace that question: then nobody knows whose it is.
    if query.has("permission") {
        return Err(Error::Malformed(
            "Name the permission in the path or in the query, not in both.".to_owned(),
        ));
    }
    Ok(if first == NO_PERMISSION { Form::default() } else { Query::parse(first).0 })
}

/// The segment of a path that asks for a good token alone.
const NO_PERMISSION: &str = "permission=";

/// The permission and the project that are asked about.
struct AskedFor(Form);

impl FromRequestParts<AppState> for AskedFor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        question(&parts.uri).map(Self)
    }
}

async fn check(
    State(app): State<AppState>,
    Asked { service, verified }: Asked,
    query: AskedFor,
) -> Result<Response> {
    let query = query.0;
    // What is asked is the operator's; a slip of the pen must not read as “nothing more”.
    for (name, value) in query.pairs() {
        let twice = query.all(name).count() > 1;
        if !matches!(name, "permission" | "project") || value.trim().is_empty() || twice {
            return Err(Error::internal(format!(
                "forward auth is asked “{name}={value}”: permission and project, once each"
            )));
        }
    }
    if query.has("project") && !query.has("permission") {
        return Err(Error::internal("forward auth is asked for a project without a permission"));
    }
    if let Some(word) = query.filled("permission") {
        let permission: Permission = word
            .parse()
            .map_err(|_| Error::internal(format!("forward auth asks for “{word}”, no permission")))?;
        let target = match query.filled("project") {
            None => Target::Organization,
            Some(named) => {
                let found = verified::project(&app, &service, &named).await;
                let project = found.map_err(|error| match error {
                    Error::NotFound => hidden(),
                    other => other,
                })?;
                Target::Project(project)
            }
        };
        match decide(&verified.subject, permission, &target) {
            Decision::Allowed(_) => {}
            Decision::Refused(refusal) => return Err(refusal.into()),
            Decision::Hidden => return Err(hidden()),
        }
    }
    let Attribution { team, person, .. } = verified.attribution;
    let principal = &verified.bearer.principal;
    let mut response = Response::default();
    *response.headers_mut() = headers(&app.context);
    // Always all of them, so that none that the caller forged gets through.
    for (name, value) in [
        (SUBJECT, &*principal.id()),
        (ORGANIZATION, &service.organization.slug),
        (TEAM, team.as_deref().unwrap_or_default()),
        (ATTRIBUTED_TO, person.as_ref().map_or("", |person| &person.username)),
    ] {
        let value = HeaderValue::from_str(value).map_err(Error::internal)?;
        response.headers_mut().insert(name, value);
    }
    response.headers_mut().insert(KIND, HeaderValue::from_static(principal.kind().word()));
    let scope = app.verifier.cache.encoded_permissions(effective(&verified.subject))?.scope.clone();
    response.headers_mut().insert(SCOPE, scope);
    Ok(response)
}
