//! API of identity providers.
//!
//! The handlers call the same functions in `actions` as the pages. The descriptions and types here also
//! produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::actions;
use super::model::{IdentityProvider, NewProvider, ProviderEdit};
use crate::callers::ApiCaller;
use crate::platform::Result;
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::{IfMatch, ItemPath, Json, list_response, tagged};
use crate::state::AppState;

/// The API operations for identity providers.
pub fn routes() -> Api<AppState> {
    let (all, one) =
        ("/organizations/{org}/identity-providers", "/organizations/{org}/identity-providers/{idp}");
    Api::of("Identity providers", "Issuers that the organization trusts for federated service accounts.")
        .with(
            get("listIdentityProviders", all, list, "The identity providers of the organization")
                .needs("identity_providers:read")
                .lists_all::<IdentityProvider>(),
        )
        .with(
            post("createIdentityProvider", all, create, "Adds an identity provider")
                .note("The issuer is tried first: its metadata and its keys.")
                .needs("identity_providers:write")
                .takes::<NewProvider>()
                .makes::<IdentityProvider>(),
        )
        .with(
            get("getIdentityProvider", one, show, "One identity provider")
                .needs("identity_providers:read")
                .gives::<IdentityProvider>()
                .tagged(),
        )
        .with(
            patch("editIdentityProvider", one, edit, "Edits an identity provider")
                .note("Another issuer or audience ends the access tokens that its identities were exchanged for.")
                .needs("identity_providers:write")
                .takes::<ProviderEdit>()
                .gives::<IdentityProvider>()
                .tagged(),
        )
        .with(
            end("deleteIdentityProvider", one, delete, "Removes an identity provider that no account needs")
                .needs("identity_providers:write"),
        )
}

async fn list(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<Response> {
    Ok(list_response(actions::list(&app, &caller).await?, None))
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(input): Json<NewProvider>,
) -> Result<Response> {
    Ok((StatusCode::CREATED, Answer(actions::create(&app, &caller, &input).await?)).into_response())
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, idp)): ItemPath,
) -> Result<Response> {
    let provider = actions::get(&app, &caller, &idp).await?;
    Ok(tagged(provider.version, provider))
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, idp)): ItemPath,
    held: IfMatch,
    Json(input): Json<ProviderEdit>,
) -> Result<Response> {
    let provider = held.map_stale_error(actions::edit(&app, &caller, &idp, &input, held.version()).await)?;
    Ok(tagged(provider.version, provider))
}

async fn delete(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, idp)): ItemPath,
) -> Result<StatusCode> {
    actions::delete(&app, &caller, &idp).await?;
    Ok(StatusCode::NO_CONTENT)
}
