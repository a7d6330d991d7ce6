//! API of personal tokens.
//!
//! A request is made with a personal token and manages the tokens of its person. A token created this way
//! never exceeds or outlives the token that creates it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::tokens::{self, Bounds};
use crate::access::Permission;
use crate::directory::own_account::OwnAccount;
use crate::platform::id::PersonId;
use crate::platform::web::nullable::{null_as_default, present};
use crate::platform::web::operation::{Api, delete as end, get, post};
use crate::platform::web::pagination::PageRequest;
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{Json, Query, list_response};
use crate::platform::{Error, Result, Timestamp};
use crate::state::AppState;
use crate::tokens::api::{issued, limited_to};
use crate::tokens::model::{TokenInput, TokenView};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::verification::VerifiedToken;
use crate::verification::principal::Principal;

const FILTERS: &[QueryFilter] =
    &[QueryFilter { name: "dead", about: "With it, those that have ended too.", words: &[] }];

/// The API operations for personal tokens.
pub fn routes() -> Api<AppState> {
    let all = "/account/tokens";
    Api::of("Personal tokens", "The tokens of the person whose token it is.")
        .with(
            get("listPersonalTokens", all, list, "The person's tokens, the newest first")
                .only(&["personal"])
                .filters(FILTERS)
                .lists::<TokenView>(),
        )
        .with(
            post("createPersonalToken", all, create, "Makes a personal token")
                .note("It never outlives the token that makes it, and never carries more.")
                .only(&["personal"])
                .takes::<Creation>()
                .makes::<TokenView>(),
        )
        .with(
            end("revokePersonalToken", "/account/tokens/{tok}", revoke, "Revokes one of the person's tokens")
                .only(&["personal"]),
        )
}

/// The person that the token acts as. [`Error::Forbidden`] for other kinds of token.
fn person(verified: &VerifiedToken) -> Result<PersonId> {
    match verified.facts().principal {
        Principal::Person { id, .. } => Ok(id),
        Principal::Machine(_) => {
            Err(Error::Forbidden("Use a personal token. Only a person has an account.".to_owned()))
        }
    }
}

async fn list(State(app): State<AppState>, verified: VerifiedToken, Query(query): Query) -> Result<Response> {
    let person = person(&verified)?;
    OwnAccount(person).ensure_can_read(verified.facts().narrowed)?;
    let slice = tokens::list(&app, person, query.has("dead"), &PageRequest::for_api(&query)?).await?;
    let now = app.context.clock.now();
    let items: Vec<_> = slice.rows.iter().map(|token| token.view(now)).collect();
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
    /// Permissions to narrow the token to. Left out, the token carries all permissions that the person has or
    /// that the creating token carries.
    #[schemars(with = "Option<Vec<Permission>>")]
    permissions: Option<Vec<String>>,
}

async fn create(
    State(app): State<AppState>,
    verified: VerifiedToken,
    Json(body): Json<Creation>,
) -> Result<Response> {
    let person = person(&verified)?;
    let owner = OwnAccount(person).authorize(verified.facts().narrowed)?;
    let input = TokenInput {
        name: body.name,
        description: body.description,
        lifetime: body.expires_at.into(),
        allowed_addresses: body.allowed_addresses.join("\n"),
        permissions: body.permissions.as_deref().map(limited_to).transpose()?,
    };
    let bounds = Bounds {
        expires_at: verified.facts().expires_at,
        permissions: verified.facts().narrowed,
        addresses: verified.facts().addresses.to_vec(),
        parent: Some(verified.facts().token),
    };
    let made =
        tokens::create(&app, &verified.actor(), &owner, &input, bounds, &SecretDelivery::Answer).await?;
    issued(&app, &made).await
}

async fn revoke(
    State(app): State<AppState>,
    verified: VerifiedToken,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let person = person(&verified)?;
    let owner = OwnAccount(person).authorize(verified.facts().narrowed)?;
    tokens::revoke(&app, &verified.actor(), &owner, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
