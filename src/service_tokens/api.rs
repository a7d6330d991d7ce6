//! API of service tokens.
//!
//! The handlers call the same functions in `actions` as the pages. The descriptions and types here also
//! produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions;
use super::model::{GrantInput, NewServiceToken, ServiceTokenEdit, ServiceTokenRow};
use super::store::Filter;
use crate::callers::{ApiCaller, Caller};
use crate::platform::secret::RevealedSecret;
use crate::platform::web::nullable::{cleared, null_as_default, present};
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::pagination::{PageRequest, sort_filter};
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{IfMatch, ItemPath, Json, Query, list_response, tagged};
use crate::platform::{Result, Timestamp};
use crate::state::AppState;
use crate::tokens::model::{RenewalBody, TokenView};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::usage::api::{DAYS, UsageView, usage_of_principal};
use crate::verification::PlainToken;

const FILTERS: &[QueryFilter] = &[
    QueryFilter { name: "q", about: "Text in name or hint.", words: &[] },
    QueryFilter {
        name: "status",
        about: "The status; by default `active`. `expiring`: within 14 days. `unused`: not used for 90 days. \
                `endless`: never expires.",
        words: &["active", "expired", "revoked", "all", "expiring", "unused", "endless"],
    },
    sort_filter(&["created", "-created", "name", "-name", "last_used", "-last_used", "expires", "-expires"]),
    QueryFilter {
        name: "permission_set",
        about: "The slug of a permission set that it carries.",
        words: &[],
    },
    QueryFilter { name: "project", about: "The slug of a project that one of its grants names.", words: &[] },
];

/// The API operations for service tokens.
pub fn routes() -> Api<AppState> {
    let (all, one) = ("/organizations/{org}/service-tokens", "/organizations/{org}/service-tokens/{tok}");
    Api::of("Service tokens", "Tokens of the organization that act as themselves, with grants of their own.")
        .with(
            get("listServiceTokens", all, list, "The service tokens of the organization")
                .needs("service_tokens:read")
                .filters(FILTERS)
                .lists::<ServiceTokenView>(),
        )
        .with(
            post("createServiceToken", all, create, "Makes a service token")
                .note(
                    "Several permission sets, each for all projects or for chosen ones. `token` is in this one answer. \
                     Nobody gives what they do not hold.",
                )
                .needs("service_tokens:write")
                .takes::<Creation>()
                .makes::<ServiceTokenView>(),
        )
        .with(
            get("getServiceToken", one, show, "One service token, living or dead")
                .needs("service_tokens:read")
                .gives::<ServiceTokenView>()
                .tagged(),
        )
        .with(
            get("getServiceTokenUsage", "/organizations/{org}/service-tokens/{tok}/usage", show_usage, "How often a service token was verified, by day, address, permission and service")
                .needs("service_tokens:read")
                .filters(DAYS)
                .gives::<UsageView>(),
        )
        .with(
            patch("editServiceToken", one, edit, "Edits a service token")
                .note("`grants` are written whole. What is added must be held; taking away need not.")
                .needs("service_tokens:write")
                .takes::<Editing>()
                .gives::<ServiceTokenView>()
                .tagged(),
        )
        .with(
            post("regenerateServiceToken", format!("{one}/regenerate"), regenerate, "Gives a service token a new value")
                .note("The old value stops at once, or after `overlap`.")
                .needs("service_tokens:write")
                .takes::<RenewalBody>()
                .makes::<ServiceTokenView>(),
        )
        .with(
            end("revokeServiceToken", one, revoke, "Revokes a service token")
                .note("It stays listed, as revoked.")
                .needs("service_tokens:write"),
        )
}

/// A service token with its grants.
#[derive(Debug, Serialize, JsonSchema)]
struct ServiceTokenView {
    #[serde(flatten)]
    token: TokenView,
    description: String,
    grants: Vec<GrantInput>,
}

fn view(app: &AppState, listed: &ServiceTokenRow) -> ServiceTokenView {
    ServiceTokenView {
        token: listed.token.view(app.context.clock.now()),
        description: listed.token.description.clone(),
        grants: listed.grants(),
    }
}

async fn with_value(
    app: &AppState,
    caller: &Caller,
    id: &str,
    value: Option<RevealedSecret>,
) -> Result<Response> {
    let mut view = view(app, &actions::get(&app.context, caller, id).await?);
    view.token.token = Some(value);
    Ok((StatusCode::CREATED, Answer(view)).into_response())
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    query.check_filters(FILTERS)?;
    let filter = Filter {
        search: query.text("q"),
        status: query.text("status"),
        set: query.text("permission_set"),
        project: query.text("project"),
    };
    let page = PageRequest::for_api(&query)?.sorted(&query, filter.columns())?;
    let slice = actions::list(&app.context, &caller, &filter, &page).await?;
    let items: Vec<_> = slice.rows.iter().map(|token| view(&app, token)).collect();
    Ok(list_response(items, slice.next))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Creation {
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<String>", length(max = 500))]
    description: String,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<Vec<String>>")]
    allowed_addresses: Vec<String>,
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 20))]
    grants: Vec<GrantInput>,
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(body): Json<Creation>,
) -> Result<Response> {
    let input = NewServiceToken {
        name: body.name,
        description: body.description,
        lifetime: body.expires_at.into(),
        allowed_addresses: body.allowed_addresses.join("\n"),
        grants: body.grants,
    };
    let made = actions::create(&app.context, &caller, &input, &SecretDelivery::Answer).await?;
    let value = made.value.as_ref().map(PlainToken::reveal);
    with_value(&app, &caller, &made.id.to_string(), value).await
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let token = actions::get(&app.context, &caller, &id).await?;
    Ok(tagged(token.token.version, view(&app, &token)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Editing {
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    description: Option<String>,
    #[serde(default, deserialize_with = "cleared")]
    allowed_addresses: Option<Vec<String>>,
    #[schemars(length(min = 1, max = 20))]
    grants: Option<Vec<GrantInput>>,
}

async fn show_usage(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    query: Query,
) -> Result<Response> {
    let token = actions::get(&app.context, &caller, &id).await?;
    usage_of_principal(&app.context, token.token.id, &query).await
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    held: IfMatch,
    Json(body): Json<Editing>,
) -> Result<Response> {
    let input = ServiceTokenEdit {
        name: body.name,
        description: body.description,
        allowed_addresses: body.allowed_addresses.map(|ranges| ranges.join("\n")),
        grants: body.grants,
    };
    let token =
        held.map_stale_error(actions::edit(&app.context, &caller, &id, &input, held.version()).await)?;
    Ok(tagged(token.token.version, view(&app, &token)))
}

async fn regenerate(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let made = actions::regenerate(&app.context, &caller, &id, &body.into(), &SecretDelivery::Answer).await?;
    with_value(&app, &caller, &id, made.value.as_ref().map(PlainToken::reveal)).await
}

async fn revoke(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<StatusCode> {
    actions::revoke(&app.context, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
