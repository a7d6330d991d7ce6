//! Every route, asked by every kind of actor. A route without a row here fails
//! the build.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::json;
use tessera::access::TeamRole;

use crate::harness::{AccountScope, TestApp};

/// Routes that anyone may ask.
const PUBLIC: &[&str] = &[
    "/.well-known/authzen-configuration",
    "/.well-known/oauth-authorization-server",
    "/api/openapi.json",
    "/api/docs",
    "/",
    "/setup",
    "/sign-in",
    "/sign-out",
    "/theme",
    "/invitations/{code}",
    "/healthz",
    "/readyz",
    // Outside of the demo nobody finds it.
    "/styleguide",
];

/// Routes that services ask with their secret, and the status without one.
const PROTOCOLS: &[(&str, &str, u16)] = &[
    ("POST", "/oauth2/introspect", 401),
    ("POST", "/access/v1/evaluation", 401),
    ("POST", "/access/v1/evaluations", 401),
    ("GET", "/forward-auth", 500),
];

/// Routes that ask for a credential in their form, and the status without one.
const OAUTH: &[(&str, u16)] = &[("/oauth2/token", 400), ("/oidc/token", 400), ("/oauth2/revoke", 400)];

/// Method, route, and the status for: nobody, somebody of another organization,
/// a member of no team, a member of the team, its admin, an owner; then by
/// token: an organization-scoped account, the team, the organization, a service
/// token (these four with little of their own). Each asks with an empty body,
/// one after the other. API routes answer 401 to nobody, pages 303.
const TABLE: &[(&str, &str, [u16; 10])] = &[
    ("GET", "/whoami", [401, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/organizations/{org}/teams", [401, 404, 200, 200, 200, 200, 200, 200, 200, 403]),
    ("POST", "/organizations/{org}/teams", [401, 404, 403, 403, 403, 422, 403, 403, 422, 403]),
    ("GET", "/organizations/{org}/teams/{team}", [401, 404, 404, 200, 200, 200, 404, 200, 200, 404]),
    ("PATCH", "/organizations/{org}/teams/{team}", [401, 404, 404, 403, 403, 200, 404, 403, 200, 404]),
    ("DELETE", "/organizations/{org}/teams/{team}", [401, 404, 404, 403, 403, 409, 404, 403, 409, 404]),
    ("GET", "/organizations/{org}/teams/{team}/members", [401, 404, 404, 200, 200, 200, 404, 200, 200, 404]),
    (
        "PUT",
        "/organizations/{org}/teams/{team}/members/{username}",
        [401, 404, 404, 403, 200, 200, 404, 403, 200, 404],
    ),
    (
        "DELETE",
        "/organizations/{org}/teams/{team}/members/{username}",
        [401, 404, 404, 403, 204, 404, 404, 403, 404, 404],
    ),
    ("GET", "/organizations/{org}/service-accounts", [401, 404, 200, 200, 200, 200, 403, 403, 200, 403]),
    ("POST", "/organizations/{org}/service-accounts", [401, 404, 422, 422, 422, 422, 422, 422, 422, 422]),
    (
        "GET",
        "/organizations/{org}/service-accounts/{id}/usage",
        [401, 404, 404, 200, 200, 200, 404, 404, 200, 404],
    ),
    ("GET", "/organizations/{org}/usage", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("GET", "/organizations/{org}/tokens", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("POST", "/organizations/{org}/tokens/lookup", [401, 404, 422, 422, 422, 422, 422, 422, 422, 422]),
    ("GET", "/organizations/{org}/service-accounts/{id}", [401, 404, 404, 200, 200, 200, 404, 404, 200, 404]),
    (
        "PATCH",
        "/organizations/{org}/service-accounts/{id}",
        [401, 404, 404, 403, 200, 200, 404, 404, 200, 404],
    ),
    (
        "POST",
        "/organizations/{org}/service-accounts/{id}/disable",
        [401, 404, 404, 403, 200, 200, 404, 404, 200, 404],
    ),
    (
        "POST",
        "/organizations/{org}/service-accounts/{id}/enable",
        [401, 404, 404, 403, 200, 200, 404, 404, 200, 404],
    ),
    (
        "GET",
        "/organizations/{org}/service-accounts/{id}/tokens",
        [401, 404, 404, 200, 200, 200, 404, 404, 200, 404],
    ),
    (
        "POST",
        "/organizations/{org}/service-accounts/{id}/tokens",
        [401, 404, 404, 403, 422, 422, 404, 404, 422, 404],
    ),
    (
        "POST",
        "/organizations/{org}/service-accounts/{id}/tokens/{tok}/regenerate",
        [401, 404, 404, 403, 201, 201, 404, 404, 201, 404],
    ),
    (
        "DELETE",
        "/organizations/{org}/service-accounts/{id}/tokens/{tok}",
        [401, 404, 404, 403, 204, 409, 404, 404, 409, 404],
    ),
    (
        "DELETE",
        "/organizations/{org}/service-accounts/{id}",
        [401, 404, 404, 403, 204, 404, 404, 404, 404, 404],
    ),
    (
        "PATCH",
        "/organizations/{org}/service-accounts/{id}/tokens/{tok}",
        [401, 404, 404, 403, 200, 200, 404, 404, 200, 404],
    ),
    ("GET", "/organizations/{org}/teams/{team}/token", [401, 404, 404, 200, 200, 200, 404, 200, 200, 404]),
    ("POST", "/organizations/{org}/teams/{team}/token", [401, 404, 404, 201, 201, 201, 404, 401, 201, 404]),
    ("DELETE", "/organizations/{org}/teams/{team}/token", [401, 404, 404, 204, 404, 404, 404, 401, 404, 404]),
    ("GET", "/organizations/{org}/token", [401, 404, 403, 403, 403, 200, 403, 403, 403, 403]),
    ("POST", "/organizations/{org}/token", [401, 404, 403, 403, 403, 201, 403, 403, 401, 403]),
    ("DELETE", "/organizations/{org}/token", [401, 404, 403, 403, 403, 204, 403, 403, 401, 403]),
    ("POST", "/token/rotate", [401, 403, 403, 403, 403, 403, 403, 403, 403, 403]),
    ("DELETE", "/token", [401, 204, 204, 204, 204, 204, 204, 204, 204, 204]),
    ("GET", "/organizations", [401, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST", "/organizations", [401, 403, 403, 403, 403, 422, 403, 403, 403, 403]),
    ("GET", "/organizations/{org}", [401, 404, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("PATCH", "/organizations/{org}", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("GET", "/organizations/{org}/people", [401, 404, 200, 200, 200, 200, 200, 200, 200, 403]),
    ("GET", "/organizations/{org}/people/{username}", [401, 404, 200, 200, 200, 200, 200, 200, 200, 403]),
    ("PATCH", "/organizations/{org}/people/{username}", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("DELETE", "/organizations/{org}/people/{username}", [401, 404, 403, 403, 403, 204, 403, 403, 404, 403]),
    ("GET", "/organizations/{org}/invitations", [401, 404, 403, 403, 403, 200, 403, 403, 200, 200]),
    ("POST", "/organizations/{org}/invitations", [401, 404, 403, 403, 403, 201, 403, 403, 201, 403]),
    ("DELETE", "/organizations/{org}/invitations/{id}", [401, 404, 403, 403, 403, 404, 403, 403, 404, 403]),
    ("GET", "/organizations/{org}/invitations/{id}", [401, 404, 403, 403, 403, 404, 403, 403, 404, 404]),
    ("PATCH", "/organizations/{org}/invitations/{id}", [401, 404, 403, 403, 403, 404, 403, 403, 404, 403]),
    ("GET", "/organizations/{org}/projects", [401, 404, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST", "/organizations/{org}/projects", [401, 404, 422, 422, 422, 422, 422, 422, 422, 422]),
    ("GET", "/organizations/{org}/projects/{project}", [401, 404, 404, 200, 200, 200, 200, 200, 200, 200]),
    (
        "GET",
        "/organizations/{org}/projects/{project}/usage",
        [401, 404, 404, 200, 200, 200, 200, 200, 200, 200],
    ),
    ("PATCH", "/organizations/{org}/projects/{project}", [401, 404, 404, 403, 200, 200, 403, 403, 200, 403]),
    ("DELETE", "/organizations/{org}/projects/{project}", [401, 404, 404, 403, 204, 404, 404, 404, 404, 404]),
    (
        "GET",
        "/organizations/{org}/projects/{project}/grants",
        [401, 404, 404, 200, 200, 200, 200, 200, 200, 403],
    ),
    (
        "PUT",
        "/organizations/{org}/projects/{project}/grants/{principal}",
        [401, 404, 404, 403, 422, 422, 403, 403, 422, 403],
    ),
    (
        "DELETE",
        "/organizations/{org}/projects/{project}/grants/{principal}",
        [401, 404, 404, 403, 404, 404, 403, 403, 404, 403],
    ),
    ("GET", "/organizations/{org}/service-tokens", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("POST", "/organizations/{org}/service-tokens", [401, 404, 403, 403, 403, 422, 403, 403, 422, 403]),
    ("GET", "/organizations/{org}/service-tokens/{tok}", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    (
        "GET",
        "/organizations/{org}/service-tokens/{tok}/usage",
        [401, 404, 403, 403, 403, 200, 403, 403, 200, 403],
    ),
    (
        "PATCH",
        "/organizations/{org}/service-tokens/{tok}",
        [401, 404, 403, 403, 403, 200, 403, 403, 200, 403],
    ),
    (
        "POST",
        "/organizations/{org}/service-tokens/{tok}/regenerate",
        [401, 404, 403, 403, 403, 201, 403, 403, 201, 401],
    ),
    (
        "DELETE",
        "/organizations/{org}/service-tokens/{tok}",
        [401, 404, 403, 403, 403, 204, 403, 403, 409, 401],
    ),
    ("GET", "/organizations/{org}/permission-sets", [401, 404, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("POST", "/organizations/{org}/permission-sets", [401, 404, 403, 403, 403, 422, 403, 403, 422, 403]),
    ("GET", "/organizations/{org}/permission-sets/{set}", [401, 404, 200, 200, 200, 200, 200, 200, 200, 200]),
    (
        "PATCH",
        "/organizations/{org}/permission-sets/{set}",
        [401, 404, 403, 403, 403, 200, 403, 403, 200, 403],
    ),
    (
        "DELETE",
        "/organizations/{org}/permission-sets/{set}",
        [401, 404, 403, 403, 403, 204, 403, 403, 404, 403],
    ),
    ("GET", "/organizations/{org}/services", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("POST", "/organizations/{org}/services", [401, 404, 403, 403, 403, 422, 403, 403, 422, 403]),
    ("GET", "/organizations/{org}/services/{svc}", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("GET", "/organizations/{org}/services/{svc}/usage", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("PATCH", "/organizations/{org}/services/{svc}", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("DELETE", "/organizations/{org}/services/{svc}", [401, 404, 403, 403, 403, 204, 403, 403, 404, 403]),
    (
        "POST",
        "/organizations/{org}/services/{svc}/secrets",
        [401, 404, 403, 403, 403, 201, 403, 403, 409, 403],
    ),
    (
        "DELETE",
        "/organizations/{org}/services/{svc}/secrets/{tok}",
        [401, 404, 403, 403, 403, 204, 403, 403, 409, 403],
    ),
    ("GET", "/organizations/{org}/identity-providers", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("POST", "/organizations/{org}/identity-providers", [401, 404, 403, 403, 403, 422, 403, 403, 422, 403]),
    (
        "GET",
        "/organizations/{org}/identity-providers/{idp}",
        [401, 404, 403, 403, 403, 200, 403, 403, 200, 403],
    ),
    (
        "PATCH",
        "/organizations/{org}/identity-providers/{idp}",
        [401, 404, 403, 403, 403, 200, 403, 403, 200, 403],
    ),
    (
        "DELETE",
        "/organizations/{org}/identity-providers/{idp}",
        [401, 404, 403, 403, 403, 204, 403, 403, 404, 403],
    ),
    ("GET", "/organizations/{org}/audit-events", [401, 404, 403, 403, 403, 200, 403, 403, 200, 403]),
    ("GET", "/account/tokens", [401, 200, 200, 200, 200, 200, 403, 403, 403, 403]),
    ("POST", "/account/tokens", [401, 422, 422, 422, 422, 422, 403, 403, 403, 403]),
    ("DELETE", "/account/tokens/{tok}", [401, 404, 404, 404, 404, 204, 403, 403, 403, 403]),
    ("DELETE", "/organizations/{org}", [401, 404, 403, 403, 403, 204, 401, 401, 401, 401]),
];

/// Pages that are read: nobody, member of nothing, member of the team, admin of
/// the team, owner.
const PAGES: &[(&str, [u16; 5])] = &[
    ("/orgs/{org}", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/teams", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/teams/{team}", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/teams/{team}/members", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/service-accounts", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/api-token", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/api-token/reveal", [303, 404, 410, 410, 410]),
    ("/orgs/{org}/settings/teams/{team}/api-token/regenerate", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/api-token/delete", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/api-token", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/api-token/reveal", [303, 403, 403, 403, 410]),
    ("/orgs/{org}/settings/api-token/regenerate", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/api-token/delete", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/teams/{team}/settings", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/teams/{team}/delete", [303, 404, 403, 403, 200]),
    ("/orgs/{org}/settings/people", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/people/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/service-accounts", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/new", [303, 403, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/access", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/activity", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/settings", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/edit", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/regenerate", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/delete", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/reveal", [303, 404, 410, 410, 410]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/revoke", [303, 404, 403, 200, 200]),
    ("/orgs/new", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/general", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/general/delete", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/tokens", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/search", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/access-explorer", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/audit-log", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/audit-log/export", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/people/invitations/{id}/reveal", [303, 403, 403, 403, 404]),
    ("/orgs/{org}/settings/people/{username}", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/people/{username}/remove", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/teams/{team}/projects", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/projects", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/projects/new", [303, 403, 403, 200, 200]),
    ("/orgs/{org}/settings/projects/{project}", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/projects/{project}/access", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/projects/{project}/activity", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/projects/{project}/settings", [303, 404, 200, 200, 200]),
    ("/orgs/{org}/settings/projects/{project}/delete", [303, 404, 403, 200, 200]),
    ("/orgs/{org}/settings/service-tokens", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/service-tokens/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/service-accounts/selected", [303, 404, 404, 404, 404]),
    ("/orgs/{org}/settings/service-accounts/selected/results", [303, 404, 404, 404, 404]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/selected", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/selected/results", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/service-tokens/selected", [303, 403, 403, 403, 404]),
    ("/orgs/{org}/settings/service-tokens/selected/results", [303, 403, 403, 403, 404]),
    ("/orgs/{org}/settings/service-tokens/{tok}", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/service-tokens/{tok}/regenerate", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/service-tokens/{tok}/reveal", [303, 403, 403, 403, 410]),
    ("/orgs/{org}/settings/permission-sets", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/permission-sets/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/permission-sets/{set}", [303, 200, 200, 200, 200]),
    ("/orgs/{org}/settings/permission-sets/{set}/edit", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/permission-sets/{set}/delete", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/services", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/services/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/services/{svc}", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/services/{svc}/delete", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/services/{svc}/secrets/{tok}/reveal", [303, 403, 403, 403, 410]),
    ("/orgs/{org}/settings/services/{svc}/secrets/{tok}/revoke", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/identity-providers", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/identity-providers/new", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/identity-providers/{idp}", [303, 403, 403, 403, 200]),
    ("/orgs/{org}/settings/identity-providers/{idp}/delete", [303, 403, 403, 403, 200]),
    ("/account", [303, 303, 303, 303, 303]),
    ("/account/profile", [303, 200, 200, 200, 200]),
    ("/account/password", [303, 200, 200, 200, 200]),
    ("/account/sessions", [303, 200, 200, 200, 200]),
    ("/account/tokens", [303, 200, 200, 200, 200]),
    ("/account/tokens/new", [303, 200, 200, 200, 200]),
    ("/account/tokens/{tok}/reveal", [303, 404, 404, 404, 410]),
    ("/account/tokens/{tok}/regenerate", [303, 404, 404, 404, 200]),
    ("/account/tokens/{tok}/delete", [303, 404, 404, 404, 200]),
];

/// Pages that only take forms; each is asked with an empty one.
const FORMS: &[(&str, [u16; 5])] = &[
    ("/orgs/{org}/settings/teams", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/tokens", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/search", [303, 303, 303, 303, 303]),
    ("/orgs/{org}/settings/tokens/revoke", [303, 403, 403, 403, 409]),
    ("/orgs/{org}/settings/people", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/people/invitations/{id}/revoke", [303, 403, 403, 403, 404]),
    ("/orgs/{org}/settings/teams/{team}/members", [303, 404, 422, 422, 422]),
    ("/orgs/{org}/settings/teams/{team}/members/remove", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/teams/{team}/settings", [303, 404, 403, 403, 422]),
    ("/orgs/{org}/settings/teams/{team}/delete", [303, 404, 403, 403, 422]),
    ("/orgs/{org}/settings/teams/{team}/api-token/stop-old", [303, 404, 409, 409, 409]),
    ("/orgs/{org}/settings/teams/{team}/api-token", [303, 404, 422, 422, 422]),
    ("/orgs/{org}/settings/teams/{team}/api-token/regenerate", [303, 404, 303, 303, 303]),
    ("/orgs/{org}/settings/teams/{team}/api-token/delete", [303, 404, 303, 404, 404]),
    ("/orgs/{org}/settings/api-token/stop-old", [303, 403, 403, 403, 409]),
    ("/orgs/{org}/settings/api-token", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/api-token/regenerate", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/api-token/delete", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/edit", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts", [303, 422, 422, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/settings", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/delete", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/regenerate", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-accounts/{id}/disable", [303, 404, 403, 303, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/enable", [303, 404, 403, 303, 303]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/stop-old", [303, 404, 403, 409, 409]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/{tok}/revoke", [303, 404, 403, 303, 409]),
    ("/orgs/new", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/general", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/general/delete", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/people/{username}", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/people/{username}/teams", [303, 422, 422, 422, 422]),
    ("/orgs/{org}/settings/people/{username}/teams/remove", [303, 404, 404, 404, 404]),
    ("/orgs/{org}/settings/projects", [303, 403, 403, 422, 422]),
    ("/orgs/{org}/settings/projects/{project}/access", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/projects/{project}/access/remove", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/projects/{project}/settings", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/projects/{project}/delete", [303, 404, 403, 422, 422]),
    ("/orgs/{org}/settings/service-tokens", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/service-accounts/selected", [303, 404, 404, 404, 404]),
    ("/orgs/{org}/settings/service-accounts/{id}/tokens/selected", [303, 404, 403, 404, 404]),
    ("/orgs/{org}/settings/service-tokens/selected", [303, 403, 403, 403, 404]),
    ("/orgs/{org}/settings/service-tokens/{tok}", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/service-tokens/{tok}/regenerate", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/service-tokens/{tok}/stop-old", [303, 403, 403, 403, 409]),
    ("/orgs/{org}/settings/permission-sets", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/permission-sets/{set}/edit", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/permission-sets/{set}/delete", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/services", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/services/{svc}", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/services/{svc}/secrets", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/services/{svc}/secrets/{tok}/revoke", [303, 403, 403, 403, 303]),
    ("/orgs/{org}/settings/services/{svc}/delete", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/identity-providers", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/identity-providers/{idp}", [303, 403, 403, 403, 422]),
    ("/orgs/{org}/settings/identity-providers/{idp}/delete", [303, 403, 403, 403, 303]),
    ("/account/profile", [303, 422, 422, 422, 422]),
    ("/account/password", [303, 422, 422, 422, 422]),
    ("/account/sessions/revoke", [303, 404, 404, 404, 404]),
    ("/account/tokens", [303, 422, 422, 422, 422]),
    ("/account/tokens/{tok}/stop-old", [303, 404, 404, 404, 409]),
    ("/account/tokens/{tok}/regenerate", [303, 404, 404, 404, 303]),
    ("/account/tokens/{tok}/delete", [303, 404, 404, 404, 303]),
    ("/orgs/{org}/settings/people/{username}/remove", [303, 403, 403, 403, 303]),
    ("/account/sessions/revoke-others", [303, 303, 303, 303, 303]),
];

struct Cast {
    house: TestApp,
    /// In the order of the columns of [`TABLE`].
    tokens: Vec<String>,
    /// In the order of the columns of [`PAGES`] and [`FORMS`].
    cookies: Vec<String>,
    account: String,
    key: String,
    service_token: String,
    service: String,
    secret: String,
    provider: String,
    personal: String,
}

/// A secret team with an account, a project and a token, and one actor of each kind.
/// The path of every route, with its placeholders.
pub fn paths() -> Vec<String> {
    let api = TABLE.iter().map(|row| format!("/api/v1{}", row.1));
    let pages = PAGES.iter().map(|row| row.0).chain(FORMS.iter().map(|row| row.0));
    let others = PROTOCOLS.iter().map(|row| row.1).chain(OAUTH.iter().map(|row| row.0));
    api.chain(PUBLIC.iter().copied().chain(pages).chain(others).map(str::to_owned)).collect()
}

async fn cast() -> Cast {
    let (house, olive) = TestApp::set_up().await;
    let made = async |path: &str, body: serde_json::Value| {
        let answer = house.post(&olive, path, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.text);
        answer.json()
    };
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let all = "/organizations/acme";
    let other = house.other_organization().await;
    made(&format!("{all}/teams"), json!({ "slug": "inner", "name": "Inner", "visibility": "secret" })).await;
    let nothing = house.person("nina", "member", None).await;
    let member = house.person("mo", "member", Some(("inner", TeamRole::Member))).await;
    let admin = house.person("ada", "member", Some(("inner", TeamRole::Admin))).await;
    let (account, key, _) = house.account(&olive, "inside", AccountScope::Team("inner"), "member").await;
    let (_, _, outside) =
        house.account(&olive, "outside", AccountScope::Organization("owners"), "member").await;
    let team = made(&format!("{all}/teams/inner/token"), json!({})).await;
    let organization = made(&format!("{all}/token"), json!({})).await;
    made(&format!("{all}/projects"), json!({ "slug": "vault", "name": "Vault", "team": "inner" })).await;
    let grants = json!([{ "permission_set": "job_viewer", "projects": "all" }]);
    let service_token =
        made(&format!("{all}/service-tokens"), json!({ "name": "reader", "grants": grants })).await;
    let set = json!({ "slug": "own", "name": "Own", "level": "project", "permissions": ["runs:read"] });
    made(&format!("{all}/permission-sets"), set).await;
    let service = made(&format!("{all}/services"), json!({ "name": "api" })).await;
    let shown = house.get(&olive, &format!("{all}/services/{}", text(&service["id"]))).await.json();
    let personal = house.get(&olive, "/account/tokens").await.json();
    let mut cookies = vec![String::new()];
    for username in ["nina", "mo", "ada", "olive"] {
        cookies.push(house.sign_in(username).await);
    }
    Cast {
        tokens: vec![
            String::new(),
            other,
            nothing,
            member,
            admin,
            olive.clone(),
            outside,
            text(&team["token"]),
            text(&organization["token"]),
            text(&service_token["token"]),
        ],
        cookies,
        account,
        key,
        service_token: text(&service_token["id"]),
        service: text(&service["id"]),
        secret: text(&shown["secrets"][0]["id"]),
        provider: house.identity_provider().await,
        personal: text(&personal["items"][0]["id"]),
        house,
    }
}

impl Cast {
    fn fill(&self, route: &str, organization: &str) -> String {
        let token = match route {
            _ if route.contains("/service-tokens/") => &self.service_token,
            _ if route.contains("/secrets/") => &self.secret,
            _ if route.starts_with("/account/") => &self.personal,
            _ => &self.key,
        };
        route
            .replace("{org}", organization)
            .replace("{team}", "inner")
            .replace("{username}", "mo")
            .replace("{id}", &self.account)
            .replace("{tok}", token)
            .replace("{project}", "vault")
            .replace("{set}", "own")
            .replace("{svc}", &self.service)
            .replace("{idp}", &self.provider)
            .replace("{principal}", "person:nina")
    }
}

/// Prints rows that are not as expected in the form of the table, so that a
/// new one is reviewed rather than typed.
fn judge<const N: usize>(wrong: &mut Vec<String>, what: &str, found: &[u16], expected: [u16; N]) {
    if found != expected {
        wrong.push(format!("{what}: {found:?}, not {expected:?}"));
    }
}

/// The rows of the table whose routes have one of these parts before the others'.
async fn each_actor_gets_what_the_table_says(section: usize) {
    const SECTIONS: [&[&str]; 5] = [
        &["/service-accounts"],
        &["/service-tokens", "/token", "/account"],
        &["/projects"],
        &["/teams", "/people"],
        &[""],
    ];
    let of = |route: &str| SECTIONS.iter().position(|parts| parts.iter().any(|part| route.contains(part)));
    let mut wrong = Vec::new();
    for (method, route, expected) in TABLE.iter().filter(|(_, route, _)| of(route) == Some(section)) {
        let cast = cast().await;
        let method: Method = method.parse().expect("a method");
        let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
        let mut found = Vec::new();
        for token in &cast.tokens {
            let path = cast.fill(route, "acme");
            found.push(cast.house.api(token, method.clone(), &path, body.clone()).await.status.as_u16());
        }
        judge(&mut wrong, &format!("(\"{method}\", \"{route}\""), &found, *expected);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_actor_gets_what_the_table_says_of_service_accounts() {
    each_actor_gets_what_the_table_says(0).await;
}

#[tokio::test]
async fn each_actor_gets_what_the_table_says_of_tokens() {
    each_actor_gets_what_the_table_says(1).await;
}

#[tokio::test]
async fn each_actor_gets_what_the_table_says_of_projects() {
    each_actor_gets_what_the_table_says(2).await;
}

#[tokio::test]
async fn each_actor_gets_what_the_table_says_of_teams_and_people() {
    each_actor_gets_what_the_table_says(3).await;
}

#[tokio::test]
async fn each_actor_gets_what_the_table_says_of_everything_else() {
    each_actor_gets_what_the_table_says(4).await;
}

#[tokio::test]
async fn each_person_gets_the_pages_that_the_table_says() {
    let cast = cast().await;
    let mut wrong = Vec::new();
    for (route, expected) in PAGES {
        let mut found = Vec::new();
        for cookie in &cast.cookies {
            found.push(cast.house.page(cookie, &cast.fill(route, "acme")).await.status.as_u16());
        }
        judge(&mut wrong, &format!("GET (\"{route}\""), &found, *expected);
    }
    for (route, expected) in FORMS {
        let mut found = Vec::new();
        for cookie in &cast.cookies {
            found.push(cast.house.form(cookie, &cast.fill(route, "acme"), &[]).await.status.as_u16());
        }
        judge(&mut wrong, &format!("POST (\"{route}\""), &found, *expected);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn another_organization_is_as_if_it_were_not_there_and_doors_do_not_mix() {
    let cast = cast().await;
    for (method, route, _) in TABLE.iter().filter(|(_, route, _)| route.contains("{org}")) {
        let method: Method = method.parse().expect("a method");
        for token in &cast.tokens[2..] {
            let answer = cast.house.api(token, method.clone(), &cast.fill(route, "other"), None).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {route}");
        }
    }
    for (route, _) in PAGES.iter().filter(|(route, _)| route.contains("{org}")) {
        for cookie in &cast.cookies[1..] {
            let status = cast.house.page(cookie, &cast.fill(route, "other")).await.status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route}");
        }
    }
    // A token opens no page, a session not the API.
    let owner = &cast.cookies[4];
    let request = axum::http::Request::get("/api/v1/whoami").header("cookie", owner);
    let answer = cast.house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let request =
        axum::http::Request::get("/orgs/acme").header("authorization", format!("Bearer {}", cast.tokens[5]));
    let answer = cast.house.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let path = format!("/api/v1/whoami?access_token={}", cast.tokens[5]);
    assert_eq!(cast.house.page("", &path).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_token_and_no_session_opens_what_services_ask() {
    let cast = cast().await;
    for (method, route, expected) in PROTOCOLS {
        for token in &cast.tokens {
            let request = axum::http::Request::builder()
                .method(*method)
                .uri(*route)
                .header("authorization", format!("Bearer {token}"))
                .header("tessera-service-authorization", format!("Bearer {token}"))
                .header("cookie", &cast.cookies[4])
                .header(
                    "content-type",
                    if route.starts_with("/oauth2") {
                        "application/x-www-form-urlencoded"
                    } else {
                        "application/json"
                    },
                );
            let body = if *method == "POST" { "{}" } else { "" };
            let answer =
                cast.house.send(request.body(axum::body::Body::from(body)).expect("a request")).await;
            assert_eq!(answer.status.as_u16(), *expected, "{method} {route}");
            let expected =
                if route.starts_with("/oauth2") { "application/json" } else { "application/problem+json" };
            assert_eq!(answer.headers["content-type"], expected);
        }
    }
}

#[tokio::test]
async fn no_header_opens_the_endpoints_that_take_their_credential_in_the_form() {
    let cast = cast().await;
    for (route, expected) in OAUTH {
        for token in &cast.tokens {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("cookie", cast.cookies[4].as_str())];
            let answer = cast.house.oauth(route, &headers, &[]).await;
            assert_eq!(answer.status.as_u16(), *expected, "{route}: {}", answer.text);
            assert_eq!(answer.json()["error"], "invalid_request");
        }
    }
}

#[test]
fn every_operation_of_the_api_has_a_row_and_every_row_an_operation() {
    let described: BTreeSet<(String, String)> = tessera::app::sections()
        .into_iter()
        .flat_map(|section| section.operations)
        .map(|operation| (operation.method.to_string(), operation.path))
        .collect();
    let rows: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, route, _)| ((*method).to_owned(), (*route).to_owned())).collect();
    assert_eq!(described, rows);
    let ids: Vec<&str> = tessera::app::sections()
        .iter()
        .flat_map(|section| section.operations.iter().map(|it| it.id))
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an operation's id stands twice");
}

/// The paths of a router. axum tells them to `Debug` only.
fn paths_of(router: &axum::Router<tessera::state::AppState>) -> BTreeSet<String> {
    let text = format!("{router:?}");
    text.split('"')
        .filter(|part| part.starts_with('/') && !part.contains("__private"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_route_of_the_sources_has_a_row() {
    let mut routes = paths_of(&tessera::app::page_routes());
    assert!(routes.contains("/orgs/{org}/settings/teams/{team}/members"), "{routes:?}");
    for path in crate::house::sources() {
        // Operations of the API make their routes there, and are compared above.
        if path.ends_with("platform/web/operation.rs") || path.ends_with("platform/server/fast_path.rs") {
            continue;
        }
        let is_page = path.to_string_lossy().ends_with("pages.rs");
        let text = std::fs::read_to_string(&path).expect("a source");
        for part in text.split(".route(").skip(1) {
            let argument = part.split_once(',').expect("two arguments").0.trim();
            match argument.strip_prefix('"') {
                Some(literal) => drop(routes.insert(literal.trim_end_matches('"').to_owned())),
                None => assert!(is_page, "{}: the path {argument} is no literal", path.display()),
            }
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    let known: BTreeSet<&str> = PUBLIC
        .iter()
        .copied()
        .chain(TABLE.iter().map(|row| row.1))
        .chain(PAGES.iter().map(|row| row.0))
        .chain(FORMS.iter().map(|row| row.0))
        .chain(PROTOCOLS.iter().map(|row| row.1))
        .chain(OAUTH.iter().map(|row| row.0))
        .collect();
    let without: Vec<&String> = routes.iter().filter(|route| !known.contains(route.as_str())).collect();
    assert!(without.is_empty(), "routes without a row: {without:?}");
}
