//! API of services and their secrets.
//!
//! The handlers call the same functions in `actions` as the pages. The descriptions and types here also
//! produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::actions;
use super::model::{NewService, ServiceEdit, ServiceView};
use super::store::COLUMNS;
use crate::callers::ApiCaller;
use crate::platform::Result;
use crate::platform::secret::RevealedSecret;
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::pagination::{PageRequest, sort_filter};
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{IfMatch, ItemPath, Json, PartPath, Query, list_response, tagged};
use crate::state::AppState;
use crate::tokens::api::issued;
use crate::tokens::model::TokenView;
use crate::tokens::one_time_secret::SecretDelivery;
use crate::usage::api::{DAYS, UsageView, usage_of};
use crate::verification::PlainToken;

const FILTERS: &[QueryFilter] = &[
    QueryFilter { name: "q", about: "Text in the name.", words: &[] },
    sort_filter(&["name", "-name", "created", "-created"]),
];

/// The API operations for services and their secrets.
pub fn routes() -> Api<AppState> {
    let (all, one) = ("/organizations/{org}/services", "/organizations/{org}/services/{svc}");
    Api::of("Services", "Programs that verify tokens here, each with a secret for that and nothing else.")
        .with(
            get("listServices", all, list, "The services of the organization")
                .needs("services:read")
                .filters(FILTERS)
                .lists::<ServiceView>(),
        )
        .with(
            post("createService", all, create, "Registers a service with its first secret")
                .note("`secret` is in this one answer.")
                .needs("services:write")
                .takes::<NewService>()
                .makes::<WithSecret>(),
        )
        .with(
            get("getService", one, show, "One service, with its secrets that live")
                .needs("services:read")
                .gives::<WithSecrets>()
                .tagged(),
        )
        .with(
            get(
                "getServiceUsage",
                "/organizations/{org}/services/{svc}/usage",
                show_usage,
                "How often a service verified tokens, by day",
            )
            .needs("services:read")
            .filters(DAYS)
            .gives::<UsageView>(),
        )
        .with(
            patch("editService", one, edit, "Edits a service")
                .note("A service that is `disabled` verifies nothing.")
                .needs("services:write")
                .takes::<ServiceEdit>()
                .gives::<ServiceView>()
                .tagged(),
        )
        .with(
            end("deleteService", one, delete, "Removes a service; its secrets stop at once")
                .needs("services:write"),
        )
        .with(
            post(
                "addServiceSecret",
                "/organizations/{org}/services/{svc}/secrets",
                add_secret,
                "Makes a second secret",
            )
            .note("So that the first can be replaced without an outage. Two at most: 409.")
            .needs("services:write")
            .makes::<TokenView>(),
        )
        .with(
            end(
                "revokeServiceSecret",
                "/organizations/{org}/services/{svc}/secrets/{tok}",
                revoke_secret,
                "Ends a secret",
            )
            .needs("services:write"),
        )
}

/// A newly registered service with its first secret.
#[derive(Debug, Serialize, JsonSchema)]
struct WithSecret {
    #[serde(flatten)]
    service: ServiceView,
    /// The value of the secret, which is shown only in this response. `null` if the request repeats an
    /// earlier one.
    secret: Option<RevealedSecret>,
}

/// A service with its secrets, without their values.
#[derive(Debug, Serialize, JsonSchema)]
struct WithSecrets {
    #[serde(flatten)]
    service: ServiceView,
    secrets: Vec<TokenView>,
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    query.check_filters(FILTERS)?;
    let page = PageRequest::for_api(&query)?.sorted(&query, COLUMNS)?;
    let slice = actions::list(&app.context, &caller, &query.text("q"), &page).await?;
    let items: Vec<_> = slice.rows.iter().map(super::model::Service::view).collect();
    Ok(list_response(items, slice.next))
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(input): Json<NewService>,
) -> Result<Response> {
    let (service, made) = actions::create(&app.context, &caller, &input, &SecretDelivery::Answer).await?;
    let secret = made.value.as_ref().map(PlainToken::reveal);
    Ok((StatusCode::CREATED, Answer(WithSecret { service: service.view(), secret })).into_response())
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let (service, secrets) = actions::get(&app.context, &caller, &id).await?;
    let now = app.context.clock.now();
    let secrets = secrets.iter().map(|secret| secret.view(now)).collect();
    Ok(tagged(service.version, WithSecrets { service: service.view(), secrets }))
}

async fn show_usage(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    query: Query,
) -> Result<Response> {
    let (service, _) = actions::get(&app.context, &caller, &id).await?;
    usage_of(&app.context, service.id, &query).await
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    held: IfMatch,
    Json(input): Json<ServiceEdit>,
) -> Result<Response> {
    let service =
        held.map_stale_error(actions::edit(&app.context, &caller, &id, &input, held.version()).await)?;
    Ok(tagged(service.version, service.view()))
}

async fn delete(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<StatusCode> {
    actions::delete(&app.context, &caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn add_secret(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let (_, made) = actions::add_secret(&app.context, &caller, &id, &SecretDelivery::Answer).await?;
    issued(&app, &made).await
}

async fn revoke_secret(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id, secret)): PartPath,
) -> Result<StatusCode> {
    actions::revoke_secret(&app.context, &caller, &id, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
