//! Forward auth: the question that a reverse proxy asks before it lets a
//! request through (nginx `auth_request`, Caddy `forward_auth`, Traefik).

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::verified::{self, Question};
use crate::access::{Decision, Permission, Target, decide, effective};
use crate::identity::App;
use crate::identity::attribution::Claimed;
use crate::identity::bearer::presented;
use crate::identity::caller::RequestFacts;
use crate::identity::service::authenticate;
use crate::platform::web::Query;
use crate::platform::{Error, Result};

/// The routes of this protocol.
pub fn routes() -> Router<App> {
    Router::new().route("/forward-auth", get(check))
}

/// Where a proxy says which service it protects: `Authorization` is its caller's.
const SERVICE: HeaderName = HeaderName::from_static("tessera-service-authorization");

/// What is not there and what may not be seen are one answer.
fn hidden() -> Error {
    Error::Forbidden("There is no such project, or none that it may see.".to_owned())
}

async fn check(
    State(app): State<App>,
    request: RequestFacts,
    headers: HeaderMap,
    query: Query,
) -> Result<Response> {
    // A wrong secret is the operator's mistake, not the caller's: no 401, which
    // a proxy would pass on.
    let service = match authenticate(&app, &request, &headers, &SERVICE).await {
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
        let _ = app.limits.refused(request.address, error.clone());
        error
    };
    let question = Question {
        token: presented(&headers).map_err(refused)?.reveal().to_owned(),
        claimed: Claimed::of(&headers),
        address: request.address,
        agent: request.agent.clone(),
    };
    let verified = verified::verify(&app, &service, &question).await?;
    let verified = verified.ok_or_else(|| refused(Error::Unauthenticated { presented: true }))?;
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
    let scope = effective(&verified.subject).scope();
    let attribution = verified.attribution;
    let attributed = attribution.person.map(|person| person.username).unwrap_or_default();
    let mut response = StatusCode::OK.into_response();
    // Always all of them, so that none that the caller forged gets through.
    for (name, value) in [
        ("tessera-subject", verified.bearer.principal.id()),
        ("tessera-kind", verified.bearer.principal.kind().to_string()),
        ("tessera-organization", service.organization.slug.clone()),
        ("tessera-team", attribution.team.unwrap_or_default()),
        ("tessera-scope", scope),
        ("tessera-attributed-to", attributed),
    ] {
        let value = HeaderValue::from_str(&value).map_err(Error::internal)?;
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}
