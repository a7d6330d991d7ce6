//! Authorization server metadata (RFC 8414): the OAuth endpoints and what they support.
//!
//! The document is public. It must agree with what the endpoints accept.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::oauth_token::GRANT_TYPES;
use crate::access::Permission;
use crate::state::AppState;
use crate::verification::signature::SignatureAlgorithm;

/// The router of this protocol's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new().route("/.well-known/oauth-authorization-server", get(metadata))
}

async fn metadata(State(app): State<AppState>) -> Response {
    let base = &app.context.config.public_url;
    let scopes: Vec<String> = Permission::all().map(|permission| permission.to_string()).collect();
    Json(json!({
        "issuer": base,
        "token_endpoint": format!("{base}/oauth2/token"),
        "introspection_endpoint": format!("{base}/oauth2/introspect"),
        "revocation_endpoint": format!("{base}/oauth2/revoke"),
        "grant_types_supported": GRANT_TYPES,
        // There is no authorization endpoint, because nobody signs in to other programs through Tessera.
        "response_types_supported": [],
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        // Algorithms of the JWT that is exchanged (RFC 7523), and the parameters that identify its
        // organization and account.
        "assertion_signing_alg_values_supported": SignatureAlgorithm::list_names().split(", ").collect::<Vec<_>>(),
        "assertion_parameters_supported": ["organization", "client_id"],
        "service_documentation": format!("{base}/api/docs"),
    }))
    .into_response()
}
