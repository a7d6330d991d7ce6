//! API of all tokens of an organization: the list, and the lookup of a value.
//!
//! The handlers read the same statements as the pages. The descriptions and types here also produce the OpenAPI
//! document.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lookup;
use super::pages::{TokenFilter, list_tokens};
use crate::access::TokenKind;
use crate::callers::ApiCaller;
use crate::platform::id::ServiceAccountId;
use crate::platform::web::operation::{Api, get, post};
use crate::platform::web::pagination::PageRequest;
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{Json, Query, list_response};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::tokens::model::TokenView;
use crate::usage::store as usage;

const FILTERS: &[QueryFilter] = &[
    QueryFilter {
        name: "q",
        about: "Text in the name, of its account, or in the hint of a value",
        words: &[],
    },
    QueryFilter {
        name: "kind",
        about: "One kind of token",
        words: &["service_account", "service_token", "team", "organization"],
    },
    QueryFilter {
        name: "state",
        about: "Active tokens in one state",
        words: &["live", "expiring", "unused", "never_used", "endless"],
    },
];

/// The API operations for all tokens.
pub fn routes() -> Api<AppState> {
    Api::of("All tokens", "The active tokens of the organization, whatever their kind.")
        .with(
            get("listTokens", "/organizations/{org}/tokens", list, "The active tokens of every kind")
                .note("Personal tokens belong to people and are not listed.")
                .needs("settings:read")
                .filters(FILTERS)
                .lists::<InventoryView>(),
        )
        .with(
            post("lookUpToken", "/organizations/{org}/tokens/lookup", look_up, "Finds a token by its value")
                .note(
                    "`token` is the value or a text that contains it. 404 if it belongs to no token of the \
                     organization or of its people. The value is compared by its hash, and neither stored nor logged.",
                )
                .needs("settings:read")
                .takes::<Lookup>()
                .gives::<FoundView>(),
        )
}

/// A token with what it belongs to.
#[derive(Debug, Serialize, JsonSchema)]
struct InventoryView {
    #[serde(flatten)]
    token: TokenView,
    /// Name of the service account or team. `null` for other kinds.
    holder: Option<String>,
    /// The service account that the token is a key of.
    service_account: Option<ServiceAccountId>,
    /// Slug of the team that the token acts as.
    team: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lookup {
    /// The value, or a text that contains it.
    #[schemars(length(min = 1, max = 10_000))]
    token: String,
}

/// A token that was found by a value.
#[derive(Debug, Serialize, JsonSchema)]
struct FoundView {
    /// Whether the value works: `active`, `old_value`, `replaced`, `revoked`, `expired` or `holder_ended`.
    state: &'static str,
    token: TokenView,
    kind: TokenKind,
    /// Name of the service account, team, service or person.
    holder: String,
    /// What a program can do with the value.
    permissions: Vec<String>,
    /// The IP addresses that used the token in the last 30 days, the most frequent first.
    addresses: Vec<String>,
}

async fn list(State(app): State<AppState>, ApiCaller(caller): ApiCaller, query: Query) -> Result<Response> {
    let filter = TokenFilter::for_api(&query.0)?;
    let page = list_tokens(&app, &caller, &filter, PageRequest::for_api(&query.0)?).await?;
    let now = app.context.clock.now();
    let next = page.next.clone();
    let page = page.map(|row| InventoryView {
        token: row.token.view(now),
        service_account: row.token.service_account_id,
        holder: row.holder,
        team: row.team,
    });
    Ok(list_response(page.rows, next))
}

async fn look_up(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(body): Json<Lookup>,
) -> Result<Response> {
    let found = lookup::look_up(&app, &caller, &body.token).await?.ok_or(Error::NotFound)?;
    let calls = usage::recent_addresses_in(&app.context, found.token.id, caller.organization.id).await?;
    let view = FoundView {
        state: found.state.word(),
        kind: found.token.kind,
        holder: found.title().to_owned(),
        permissions: found.permissions.strongest().map(|permission| permission.to_string()).collect(),
        addresses: calls.into_iter().map(|each| each.what).filter(|address| !address.is_empty()).collect(),
        token: found.token.view(app.context.clock.now()),
    };
    Ok(Answer(view).into_response())
}
