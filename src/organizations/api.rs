//! API of organizations.
//!
//! The handlers call the same functions in `actions` as the pages. The descriptions and types here also
//! produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::actions;
use super::model::{NewOrganization, Organization, Settings, SettingsEdit};
use crate::access::{Policy, authorize_read};
use crate::callers::{ApiCaller, Caller};
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::pagination::PageRequest;
use crate::platform::web::{IfMatch, Json, Query, list_response, tagged};
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::usage::api::{DAYS, UsageView, usage_of};
use crate::verification::VerifiedToken;
use crate::verification::principal::Principal;

/// The API operations for organizations.
pub fn routes() -> Api<AppState> {
    let one = "/organizations/{org}";
    Api::of("Organizations", "A name, policies, and everything else below it.")
        .with(
            get("listOrganizations", "/organizations", list, "The organizations that the token reaches")
                .note("Those that a person belongs to and that take personal tokens; the one of any other token.")
                .lists::<Organization>(),
        )
        .with(
            post("createOrganization", "/organizations", create, "Makes an organization")
                .note("The person whose token it is owns it. A narrowed token cannot make one.")
                .only(&["personal"])
                .takes::<NewOrganization>()
                .makes::<Organization>(),
        )
        .with(
            get("getOrganization", one, show, "The organization")
                .note("With `policy` for who holds `settings:read`.")
                .gives::<View>()
                .tagged(),
        )
        .with(
            get("getUsage", "/organizations/{org}/usage", show_usage, "How often tokens were verified, by day")
                .note("Checks by the organization's services, and calls of its machine accounts to Tessera itself.")
                .needs("settings:read")
                .filters(DAYS)
                .gives::<UsageView>(),
        )
        .with(
            patch("editOrganization", one, edit, "Edits name and policies")
                .note(
                    "`policy` is written whole: what is left out is not limited. Address limits take \
                     `ip_restrictions:write`; a policy that shuts out who saves it is refused.",
                )
                .needs("settings:write")
                .takes::<SettingsEdit>()
                .gives::<View>()
                .tagged(),
        )
        .with(
            end("deleteOrganization", one, delete, "Deletes the organization and everything in it")
                .note("Members of the owners team alone; no permission stands for it.")
                .only(&["personal"]),
        )
}

/// An organization. Its policy is included if the caller is allowed to read it.
#[derive(Debug, Serialize, JsonSchema)]
struct View {
    #[serde(flatten)]
    organization: Organization,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
}

fn view(caller: &Caller, organization: Organization) -> Response {
    let may_see = actions::see_policies(caller).is_ok();
    let policy = serde_json::from_str(&organization.policy_text).ok().filter(|_| may_see);
    tagged(organization.version, View { organization, policy })
}

async fn list(State(app): State<AppState>, verified: VerifiedToken, Query(query): Query) -> Result<Response> {
    let slice = actions::list(&app, &verified, &PageRequest::for_api(&query)?).await?;
    Ok(list_response(slice.rows, slice.next))
}

async fn create(
    State(app): State<AppState>,
    verified: VerifiedToken,
    Json(input): Json<NewOrganization>,
) -> Result<Response> {
    let actor = verified.actor();
    let (&Principal::Person { id, .. }, None) = (&verified.facts().principal, verified.facts().narrowed)
    else {
        return Err(Error::Forbidden(
            "Only a person can create an organization. Use a personal token that is not limited.".to_owned(),
        ));
    };
    let made = actions::create(&app, &actor, id, &input).await?;
    Ok((StatusCode::CREATED, Answer(made)).into_response())
}

async fn show(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<Response> {
    let organization = actions::get(&app.context, &caller).await?;
    Ok(view(&caller, organization))
}

async fn show_usage(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    query: Query,
) -> Result<Response> {
    authorize_read(&caller.subject, Settings)?;
    usage_of(&app.context, caller.organization.id, &query).await
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    held: IfMatch,
    Json(input): Json<SettingsEdit>,
) -> Result<Response> {
    let organization =
        held.map_stale_error(actions::edit(&app.context, &caller, &input, held.version()).await)?;
    Ok(view(&caller, organization))
}

async fn delete(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<StatusCode> {
    actions::delete(&app.context, &caller, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
