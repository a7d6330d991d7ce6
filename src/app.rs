//! The HTTP application: the routes of all sections, the middleware around them,
//! and the fast path for verification, which bypasses the router. The console and
//! the API are two routers. Pages have sessions and cross-site protection, and their
//! errors are pages; the API and the protocols have neither, because they read the
//! `Authorization` header only, and their errors are problem+json.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;

use crate::api_reference::ApiRouter;
use crate::authn::session;
use crate::platform::Context;
use crate::platform::server::AppService;
use crate::platform::web::operation::Api;
use crate::platform::web::{
    CustomBody, ErrorFormat, RequestMeta, assets, body, cookie, handle_panic, method_not_allowed, not_found,
    response_middleware, same_origin,
};
use crate::state::AppState;
use crate::{
    access_explorer, account, api_reference, audit_log, identity_providers, organizations, overview, people,
    permission_sets, projects, protocols, search, service_accounts, service_tokens, services, sign_in,
    styleguide, teams, tokens,
};

/// The sections of the JSON API, in the order of its reference.
#[must_use]
pub fn sections() -> Vec<Api<AppState>> {
    vec![
        sign_in::api::routes(),
        account::api::routes(),
        organizations::api::routes(),
        organizations::token_api::routes(),
        people::api::routes(),
        teams::api::routes(),
        teams::token_api::routes(),
        service_accounts::api::routes(),
        service_tokens::api::routes(),
        projects::api::routes(),
        permission_sets::api::routes(),
        services::api::routes(),
        identity_providers::api::routes(),
        audit_log::api::routes(),
        overview::api::routes(),
    ]
}

/// The pages of the console, without the middleware around them.
#[must_use]
pub fn page_routes() -> Router<AppState> {
    Router::new()
        .merge(organizations::setup_pages::routes())
        .merge(sign_in::pages::routes())
        .merge(organizations::token_pages::routes())
        .merge(organizations::pages::routes())
        .merge(teams::pages::routes())
        .merge(teams::token_pages::routes())
        .merge(projects::pages::routes())
        .merge(people::pages::routes())
        .merge(service_accounts::pages::routes())
        .merge(service_accounts::access_pages::routes())
        .merge(service_accounts::token_pages::routes())
        .merge(service_accounts::selection_pages::routes())
        .merge(service_accounts::key_selection_pages::routes())
        .merge(service_tokens::pages::routes())
        .merge(permission_sets::pages::routes())
        .merge(overview::pages::routes())
        .merge(search::pages::routes())
        .merge(services::pages::routes())
        .merge(identity_providers::pages::routes())
        .merge(audit_log::pages::routes())
        .merge(access_explorer::pages::routes())
        .merge(account::pages::routes())
        .merge(account::token_pages::routes())
        .merge(styleguide::routes())
}

/// Builds the service that answers all requests.
#[must_use]
pub fn app_service(app: AppState) -> AppService<AppState> {
    let context = Context::clone(&app.context);
    let pages = page_routes()
        .layer(from_fn_with_state(context.clone(), tokens::pages::clear_reveal_cookie))
        .layer(session::layer(&context))
        .layer(from_fn_with_state(context.clone(), cookie::add_missing_attributes))
        .layer(from_fn(same_origin::require_origin))
        .layer(same_origin::layer())
        // Pages are compressed for each response: the default quality 4 took 2 ms for a large page.
        .layer(CompressionLayer::new().quality(CompressionLevel::Precise(1)));
    let ApiRouter { api, direct, reference } = api_reference::assemble(sections());
    let console = Router::new().merge(pages).merge(assets::routes()).fallback(not_found);
    let api = Router::new()
        .merge(api)
        .merge(reference)
        .merge(protocols::access_evaluation::metadata_route())
        .merge(protocols::oauth_token::routes())
        .merge(protocols::revocation::routes())
        .merge(protocols::oauth_metadata::routes());
    // Unknown paths below these are answered by the API, all others by the console.
    let api = ["/api", "/oauth2", "/access", "/.well-known"]
        .into_iter()
        .fold(api, |api, folder| api.nest(folder, Router::new().fallback(not_found)));
    // Health checks are not rate limited, so that monitoring works under load.
    let health = Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz));
    let console = add_middleware(limit_rate(console, &app).merge(health), &context, ErrorFormat::Page);
    let api = add_middleware(limit_rate(api, &app), &context, ErrorFormat::Problem);
    direct
        .merge(protocols::introspection::routes())
        .merge(protocols::access_evaluation::routes())
        .merge(protocols::forward_auth::routes())
        .before(console.merge(api), app)
}

/// Adds the limit of requests per network, also to the answers for unknown methods.
fn limit_rate(router: Router<AppState>, app: &AppState) -> Router<AppState> {
    router
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), limit_network_rate))
}

/// Adds the outermost middleware to a router whose errors have this format.
fn add_middleware(router: Router<AppState>, context: &Context, format: ErrorFormat) -> Router<AppState> {
    // Three layers in one `ServiceBuilder`: separate layers would each box the route for every request.
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state((context.clone(), format), response_middleware))
            .layer(CatchPanicLayer::custom(handle_panic))
            .layer(RequestBodyLimitLayer::new(body::MAX_BODY_BYTES)),
    )
}

/// Middleware that limits the rate of requests for pages and management per
/// network (`limits.requests_per_network`).
async fn limit_network_rate(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let arrival = RequestMeta::from_extensions(request.extensions());
    match app.rate_limits.admit_network(arrival.from.0).await {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Liveness: the process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Readiness: the process reaches its database and can write to it.
async fn readyz(State(app): State<AppState>) -> Response {
    let reason = if organizations::store::is_set_up(&app.context.db).await.is_err() {
        "the database does not answer".to_owned()
    } else {
        match app.context.db.check_writes().await {
            Ok(()) => return "ok\n".into_response(),
            Err(fault) => format!("writes fail: {fault}"),
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, Extension(CustomBody), format!("{reason}\n")).into_response()
}
