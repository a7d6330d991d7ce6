//! API of service accounts and their keys.
//!
//! The handlers call the same functions in `actions` and `keys` as the pages. The descriptions and types here
//! also produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{AccountEdit, AccountView, Authentication, IdentityInput, NewAccount, Scope};
use super::store::{COLUMNS, Filter};
use super::{actions, keys};
use crate::access::Permission;
use crate::callers::ApiCaller;
use crate::platform::web::nullable::{cleared, null_as_default, present};
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::pagination::{PageRequest, sort_filter};
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{IfMatch, ItemPath, Json, PartPath, Query, list_response, tagged};
use crate::platform::{Result, Timestamp};
use crate::state::AppState;
use crate::tokens::api::{issued, limited_to, with_value};
use crate::tokens::model::{RenewalBody, TokenInput, TokenView};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::usage::api::{DAYS, UsageView, usage_of_principal};
use crate::verification::PlainToken;

const FILTERS: &[QueryFilter] = &[
    QueryFilter { name: "q", about: "Text in name, UID or description.", words: &[] },
    QueryFilter { name: "scope", about: "Where it works.", words: &["organization", "team"] },
    QueryFilter { name: "team", about: "The slug of a team: its own accounts.", words: &[] },
    QueryFilter {
        name: "status",
        about: "The status. `expiring`: the account or a key expires within 14 days. `unused`: not used for 90 days.",
        words: &["active", "disabled", "expired", "expiring", "unused"],
    },
    sort_filter(&["name", "-name", "created", "-created", "last_used", "-last_used"]),
];

/// The API operations for service accounts and their keys.
pub fn routes() -> Api<AppState> {
    let (all, one) = ("/organizations/{org}/service-accounts", "/organizations/{org}/service-accounts/{id}");
    let keys = "/organizations/{org}/service-accounts/{id}/tokens";
    let key = "/organizations/{org}/service-accounts/{id}/tokens/{tok}";
    Api::of("Service accounts", "Machine users, of the organization or of one team, with keys or an external identity.")
        .with(
            get("listServiceAccounts", all, list, "The service accounts that the caller sees")
                .note("People see those of their teams; who holds `service_accounts:read` sees all.")
                .filters(FILTERS)
                .lists::<AccountView>(),
        )
        .with(
            post("createServiceAccount", all, create, "Makes a service account with its first key")
                .note(
                    "`key.token` is in this one answer. A federated account has no key. Nobody gives what they do not \
                     hold: a role with project permissions for the whole organization takes an owner.",
                )
                .needs("service_accounts:write")
                .takes::<Creation>()
                .makes::<WithKey>(),
        )
        .with(get("getServiceAccount", one, show, "One service account").gives::<AccountView>().tagged())
        .with(
            get("getServiceAccountUsage", "/organizations/{org}/service-accounts/{id}/usage", show_usage, "How often an account was verified, by day, address, permission and service")
                .filters(DAYS)
                .gives::<UsageView>(),
        )
        .with(
            patch("editServiceAccount", one, edit, "Edits a service account")
                .needs("service_accounts:write")
                .takes::<Editing>()
                .gives::<AccountView>()
                .tagged(),
        )
        .with(
            end("deleteServiceAccount", one, delete, "Deletes a service account; its tokens stop at once")
                .needs("service_accounts:write"),
        )
        .with(
            post("disableServiceAccount", format!("{one}/disable"), disable, "Switches a service account off")
                .note("Its keys and access tokens are refused from then on. Off already is fine.")
                .needs("service_accounts:write")
                .gives::<AccountView>()
                .repeatable(),
        )
        .with(
            post("enableServiceAccount", format!("{one}/enable"), enable, "Switches a service account on again")
                .needs("service_accounts:write")
                .gives::<AccountView>()
                .repeatable(),
        )
        .with(get("listServiceAccountKeys", keys, keys_of, "The keys of a service account, the newest first").lists::<TokenView>())
        .with(
            post("createServiceAccountKey", keys, add_key, "Makes one more key")
                .needs("service_accounts:write")
                .takes::<Key>()
                .makes::<TokenView>(),
        )
        .with(
            post("regenerateServiceAccountKey", format!("{key}/regenerate"), regenerate, "Gives a key a new value")
                .note("The old value stops at once, or after `overlap`.")
                .needs("service_accounts:write")
                .takes::<RenewalBody>()
                .makes::<TokenView>(),
        )
        .with(
            patch("editServiceAccountKey", key, edit_key, "Edits a key's name, description and addresses")
                .needs("service_accounts:write")
                .takes::<KeyEditing>()
                .gives::<TokenView>()
                .tagged(),
        )
        .with(end("revokeServiceAccountKey", key, revoke, "Revokes a key").needs("service_accounts:write"))
}

/// A new service account with its first key.
#[derive(Debug, Serialize, JsonSchema)]
struct WithKey {
    #[serde(flatten)]
    account: AccountView,
    /// The first key, including its value, which is shown only in this response. Left out if the account is
    /// federated.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<TokenView>,
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
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<String>", length(max = 2000))]
    comment: String,
    #[serde(default)]
    #[schemars(!default, with = "Scope")]
    scope: String,
    #[serde(default)]
    team: String,
    #[serde(default)]
    default_team: String,
    role: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<Vec<String>>")]
    allowed_addresses: Vec<String>,
    #[serde(default)]
    self_rotation: bool,
    #[schemars(with = "Option<Authentication>")]
    authentication: Option<String>,
    #[serde(default)]
    key: Key,
    #[serde(default)]
    identity: IdentityInput,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Key {
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<String>", length(max = 500))]
    description: String,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<Vec<String>>")]
    allowed_addresses: Vec<String>,
    /// Permissions to limit the key to. Left out, it can do everything that the account can.
    #[schemars(with = "Option<Vec<Permission>>")]
    permissions: Option<Vec<String>>,
}

impl Key {
    fn input(self, otherwise: &str) -> Result<TokenInput> {
        Ok(TokenInput {
            name: self.name.unwrap_or_else(|| otherwise.to_owned()),
            description: self.description,
            lifetime: self.expires_at.into(),
            allowed_addresses: self.allowed_addresses.join("\n"),
            permissions: self.permissions.as_deref().map(limited_to).transpose()?,
        })
    }
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
    #[schemars(length(max = 2000))]
    comment: Option<String>,
    role: Option<String>,
    #[schemars(with = "Option<Scope>")]
    scope: Option<String>,
    team: Option<String>,
    default_team: Option<String>,
    #[serde(default, deserialize_with = "cleared")]
    allowed_addresses: Option<Vec<String>>,
    self_rotation: Option<bool>,
    identity: Option<IdentityInput>,
    /// New end of the account's lifetime. Left out, it stays the same; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    query.check_filters(FILTERS)?;
    let filter = Filter {
        search: query.text("q"),
        scope: query.text("scope"),
        team: query.text("team"),
        status: query.text("status"),
    };
    let page = PageRequest::for_api(&query)?.sorted(&query, COLUMNS)?;
    let slice = actions::list(&app.context, &caller, &filter, &page).await?;
    let now = app.context.clock.now();
    let items: Vec<_> = slice.rows.iter().map(|account| account.view(now)).collect();
    Ok(list_response(items, slice.next))
}

async fn create(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(body): Json<Creation>,
) -> Result<Response> {
    let input = NewAccount {
        name: body.name,
        description: body.description,
        comment: body.comment,
        scope: body.scope,
        team: body.team,
        default_team: body.default_team,
        role: body.role.unwrap_or_else(|| "member".to_owned()),
        lifetime: body.expires_at.into(),
        allowed_addresses: body.allowed_addresses.join("\n"),
        self_rotation: body.self_rotation,
        authentication: body.authentication.unwrap_or_else(|| "api_key".to_owned()),
        key: body.key.input("default")?,
        identity: body.identity,
    };
    let made = actions::create(&app.context, &caller, &input, &SecretDelivery::Answer).await?;
    let value = made.value.as_ref().map(PlainToken::reveal);
    let key = match made.key {
        Some(key) => Some(with_value(&app, key, value).await?),
        None => None,
    };
    let account = made.account.view(app.context.clock.now());
    Ok((StatusCode::CREATED, Answer(WithKey { account, key })).into_response())
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::get(&app.context, &caller, &id).await?;
    Ok(tagged(account.version, account.view(app.context.clock.now())))
}

async fn show_usage(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    query: Query,
) -> Result<Response> {
    let account = actions::get(&app.context, &caller, &id).await?;
    usage_of_principal(&app.context, account.id, &query).await
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    held: IfMatch,
    Json(body): Json<Editing>,
) -> Result<Response> {
    let input = AccountEdit {
        name: body.name,
        description: body.description,
        comment: body.comment,
        role: body.role,
        scope: body.scope,
        team: body.team,
        default_team: body.default_team,
        lifetime: body.expires_at.map(|end| Some(end).into()),
        allowed_addresses: body.allowed_addresses.map(|ranges| ranges.join("\n")),
        self_rotation: body.self_rotation,
        identity: body.identity,
        version: held.version(),
    };
    let account = held.map_stale_error(actions::edit(&app.context, &caller, &id, &input).await)?;
    Ok(tagged(account.version, account.view(app.context.clock.now())))
}

async fn disable(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::disable(&app.context, &caller, &id).await?;
    Ok(Answer(account.view(app.context.clock.now())).into_response())
}

async fn enable(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let account = actions::enable(&app.context, &caller, &id).await?;
    Ok(Answer(account.view(app.context.clock.now())).into_response())
}

async fn delete(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<StatusCode> {
    actions::delete(&app.context, &caller, &id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keys_of(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let (_, keys) = keys::with_keys(&app.context, &caller, &id, true, &PageRequest::for_api(&query)?).await?;
    let now = app.context.clock.now();
    let items: Vec<_> = keys.rows.iter().map(|key| key.view(now)).collect();
    Ok(list_response(items, keys.next))
}

async fn add_key(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    Json(body): Json<Key>,
) -> Result<Response> {
    let (_, made) =
        keys::add_key(&app.context, &caller, &id, &body.input("")?, &SecretDelivery::Answer).await?;
    issued(&app, &made).await
}

async fn regenerate(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id, key)): PartPath,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let (_, made) =
        keys::regenerate(&app.context, &caller, &id, &key, &body.into(), &SecretDelivery::Answer).await?;
    issued(&app, &made).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyEditing {
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    #[serde(default, deserialize_with = "cleared")]
    #[schemars(length(max = 500))]
    description: Option<String>,
    #[serde(default, deserialize_with = "cleared")]
    allowed_addresses: Option<Vec<String>>,
}

async fn edit_key(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id, key)): PartPath,
    held: IfMatch,
    Json(body): Json<KeyEditing>,
) -> Result<Response> {
    let (_, was) = keys::with_key(&app.context, &caller, &id, &key).await?;
    let input = TokenInput {
        name: body.name.unwrap_or(was.name),
        description: body.description.unwrap_or(was.description),
        allowed_addresses: body.allowed_addresses.map_or(was.allowed_addresses, |ranges| ranges.join("\n")),
        ..TokenInput::default()
    };
    let edited = keys::edit_key(&app.context, &caller, &id, &key, &input, held.version()).await;
    let token = held.map_stale_error(edited)?;
    Ok(tagged(token.version, token.view(app.context.clock.now())))
}

async fn revoke(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id, key)): PartPath,
) -> Result<StatusCode> {
    keys::revoke(&app.context, &caller, &id, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
