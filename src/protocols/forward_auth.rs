//! Forward auth: the endpoint that a reverse proxy asks before it forwards a request (nginx `auth_request`,
//! Caddy `forward_auth`, Traefik, Envoy `ext_authz`).
//!
//! It accepts every method, because some proxies send the method of the original request. It accepts every
//! path below its own, because Envoy appends the path of the original request. The operator names the
//! required permission and project in the query or, as `permission=…&project=…`, in the first path segment
//! after `/forward-auth`. In the second case the query belongs to the original request and is ignored.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::Response;

use super::verified::{self, VerificationQuery, Verified};
use crate::access::{Decision, Permission, Target, decide, effective_permissions};
use crate::platform::server::FastPath;
use crate::platform::web::{Form, Query, RequestContext, headers};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::verification::attribution::{Attribution, AttributionClaim};
use crate::verification::credentials::read_token;
use crate::verification::principal::ServiceCaller;
use crate::verification::service::authenticate;
use crate::verification::usage::Check;

/// The router of this protocol's endpoints.
pub fn routes() -> FastPath<AppState> {
    FastPath::default().route_any(PATH, check)
}

const PATH: &str = "/forward-auth";

/// The header in which a proxy authenticates as the service that it protects. `Authorization` contains the
/// token of the proxy's caller.
const SERVICE: HeaderName = HeaderName::from_static("tessera-service-authorization");

const SUBJECT: HeaderName = HeaderName::from_static("tessera-subject");
const KIND: HeaderName = HeaderName::from_static("tessera-kind");
const ORGANIZATION: HeaderName = HeaderName::from_static("tessera-organization");
const TEAM: HeaderName = HeaderName::from_static("tessera-team");
const ATTRIBUTED_TO: HeaderName = HeaderName::from_static("tessera-attributed-to");
const SCOPE: HeaderName = HeaderName::from_static("tessera-scope");

/// The error for a project that does not exist or that the principal is not allowed to see. The two must not
/// be distinguishable.
fn hidden() -> Error {
    Error::Forbidden("The project does not exist, or the caller does not have access to it.".to_owned())
}

/// The authenticated service and the verified token of the caller. An extractor without copies, because this
/// endpoint is called for every request to the service behind the proxy.
struct ForwardAuthRequest {
    service: Arc<ServiceCaller>,
    verified: Verified,
}

impl FromRequestParts<AppState> for ForwardAuthRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let request = RequestContext::from_parts(parts);
        let address = request.ip;
        // A wrong service secret is an error of the operator. A 401 would be wrong, because the proxy would
        // pass it on to the caller.
        let service = match authenticate(&app.verifier, &request, &parts.headers, &SERVICE).await {
            Ok(service) => service,
            Err(Error::Unauthenticated { .. } | Error::TooMany { .. }) => {
                return Err(Error::internal(
                    "forward auth was asked without a good Tessera-Service-Authorization",
                ));
            }
            Err(error) => return Err(error),
        };
        // Proxies understand only 401 and 403. Failures are counted for the rate limit but not delayed or
        // answered with 429 here.
        let refused = |error: Error| {
            let _ = app.rate_limits.count_failure(address, error.clone());
            error
        };
        let question = VerificationQuery {
            token: Some(read_token(&parts.headers).map_err(refused)?),
            claimed: AttributionClaim::from_headers(&parts.headers),
            address,
            agent: request.user_agent,
        };
        let verified = verified::verify(app, &service, question).await?;
        let verified = verified.ok_or_else(|| refused(Error::Unauthenticated { presented: true }))?;
        Ok(Self { service, verified })
    }
}

/// The permission and project that the operator asks for: from the path if they are there, otherwise from the
/// query.
fn question(uri: &Uri) -> Result<Form> {
    let Query(query) = Query::parse(uri.query().unwrap_or_default());
    let below = uri.path().strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    let first = below.split('/').next().unwrap_or_default();
    if !first.contains('=') {
        return Ok(query);
    }
    // If a proxy appends the original path to a URL with a query, its caller could replace the operator's
    // question. Both at once are therefore rejected.
    if query.has("permission") {
        return Err(Error::Malformed(
            "Name the permission in the path or in the query, not in both.".to_owned(),
        ));
    }
    Ok(if first == NO_PERMISSION { Form::default() } else { Query::parse(first).0 })
}

/// The path segment that requires a valid token but no permission.
const NO_PERMISSION: &str = "permission=";

/// The query with the permission and the project.
struct RequiredPermission(Form);

impl FromRequestParts<AppState> for RequiredPermission {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        question(&parts.uri).map(Self)
    }
}

async fn check(
    State(app): State<AppState>,
    ForwardAuthRequest { service, verified }: ForwardAuthRequest,
    query: RequiredPermission,
) -> Result<Response> {
    let query = query.0;
    // The query comes from the operator's configuration. A typing error must not be treated as “no permission
    // required”.
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
    let mut asked = Check::VALID;
    if let Some(word) = query.filled("permission") {
        let permission: Permission = word
            .parse()
            .map_err(|_| Error::internal(format!("forward auth asks for “{word}”, no permission")))?;
        let target = match query.filled("project") {
            None => Target::Organization,
            Some(named) => match verified::project(&app, &service, &named).await {
                Ok(project) => Target::Project(project),
                Err(Error::NotFound) => {
                    verified.record(&app, &service, Check::unknown_project(permission));
                    return Err(hidden());
                }
                Err(error) => return Err(error),
            },
        };
        let decision = decide(&verified.subject, permission, &target);
        asked = Check::decided(permission, &target, &decision);
        let refused = match decision {
            Decision::Allowed(_) => None,
            Decision::Refused(refusal) => Some(refusal.into()),
            Decision::Hidden => Some(hidden()),
        };
        if let Some(error) = refused {
            verified.record(&app, &service, asked);
            return Err(error);
        }
    }
    verified.record(&app, &service, asked);
    let Attribution { team, person, .. } = verified.attribution;
    let principal = &verified.token.facts().principal;
    let mut response = Response::default();
    *response.headers_mut() = headers(&app.context);
    // All headers are always set, so that the proxy overwrites values that its caller forged.
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
    let scope =
        app.verifier.cache.encoded_permissions(effective_permissions(&verified.subject))?.scope.clone();
    response.headers_mut().insert(SCOPE, scope);
    Ok(response)
}
