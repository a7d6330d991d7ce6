//! API of members and invitations.
//!
//! The handlers call the same functions in `actions` and `invitations` as the pages. The descriptions and
//! types here also produce the OpenAPI document.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions::Profile;
use super::model::{Invitation, InvitationEdit, NewInvitation, TeamPlace};
use super::store::COLUMNS;
use super::{actions, invitations};
use crate::callers::ApiCaller;
use crate::platform::id::{InvitationId, PersonId};
use crate::platform::secret::{RevealedSecret, Secret};
use crate::platform::web::nullable::present;
use crate::platform::web::operation::{Api, delete as end, get, patch, post};
use crate::platform::web::pagination::{PageRequest, sort_filter};
use crate::platform::web::query_filter::QueryFilter;
use crate::platform::web::{IfMatch, ItemPath, Json, Query, list_response, tagged};
use crate::platform::{Result, Timestamp};
use crate::state::AppState;
use crate::tokens::one_time_secret::SecretDelivery;

const FILTERS: &[QueryFilter] = &[
    QueryFilter { name: "q", about: "Text in name, username or address.", words: &[] },
    QueryFilter { name: "role", about: "A permission set's slug.", words: &[] },
    sort_filter(&["name", "-name", "joined", "-joined"]),
];

/// The API operations for members and invitations.
pub fn routes() -> Api<AppState> {
    let (all, one) = ("/organizations/{org}/people", "/organizations/{org}/people/{username}");
    let invitations = "/organizations/{org}/invitations";
    Api::of("People", "Who belongs to the organization, and who is invited.")
        .with(
            get("listPeople", all, list, "Who belongs to the organization")
                .needs("members:read")
                .filters(FILTERS)
                .lists::<Person>(),
        )
        .with(get("getPerson", one, show, "One person").needs("members:read").gives::<Person>().tagged())
        .with(
            patch("editPerson", one, edit, "Changes a person's role")
                .needs("members:write")
                .takes::<Editing>()
                .gives::<Person>()
                .tagged(),
        )
        .with(
            end("removePerson", one, remove, "Removes a person from the organization")
                .note(
                    "Their personal tokens lose it at once; what they made stays. Removing an owner takes an owner; \
                     the last one stays: 409.",
                )
                .needs("members:write"),
        )
        .with(
            get("listInvitations", invitations, open, "The invitations that are open")
                .needs("invitations:read")
                .lists_all::<Invited>(),
        )
        .with(
            post("createInvitation", invitations, invite, "Invites a person")
                .note("`link` is in this one answer. It works once, for seven days unless said, 90 at most.")
                .needs("invitations:write")
                .takes::<Inviting>()
                .makes::<InvitedWithLink>(),
        )
        .with(
            get("getInvitation", "/organizations/{org}/invitations/{id}", show_invitation, "One open invitation")
                .needs("invitations:read")
                .gives::<Invited>(),
        )
        .with(
            patch(
                "editInvitation",
                "/organizations/{org}/invitations/{id}",
                edit_invitation,
                "Changes what an open invitation gives",
            )
            .note("Its link stays the same. Whoever changes it answers for it from then on.")
            .needs("invitations:write")
            .takes::<InvitationEdit>()
            .gives::<Invited>(),
        )
        .with(
            end("revokeInvitation", "/organizations/{org}/invitations/{id}", revoke, "Takes an invitation back")
                .needs("invitations:write"),
        )
}

/// A person, as a member of the organization.
#[derive(Debug, Serialize, JsonSchema)]
struct Person {
    id: PersonId,
    username: String,
    email: String,
    name: String,
    /// Slug of the permission set that the member holds for all projects.
    role: String,
    /// The member's teams, without those that the caller is not allowed to know.
    teams: Vec<crate::directory::model::TeamMembership>,
    /// Whether the member is in the `owners` team.
    owner: bool,
}

impl From<Profile> for Person {
    fn from(profile: Profile) -> Self {
        let Profile { member, teams } = profile;
        let (id, owner) = (member.id, member.is_owner);
        Self {
            id,
            username: member.username,
            email: member.email,
            name: member.name,
            role: member.role,
            teams,
            owner,
        }
    }
}

fn answer(profile: Profile) -> Response {
    let person = Person::from(profile);
    tagged(person.role.clone(), person)
}

async fn list(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Query(query): Query,
) -> Result<Response> {
    query.check_filters(FILTERS)?;
    let filter = (query.text("q"), query.text("role"));
    let page = PageRequest::for_api(&query)?.sorted(&query, COLUMNS)?;
    let slice = actions::list(&app.context, &caller, (&filter.0, &filter.1), &page).await?;
    let items: Vec<Person> = slice.rows.into_iter().map(Person::from).collect();
    Ok(list_response(items, slice.next))
}

async fn show(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, named)): ItemPath,
) -> Result<Response> {
    Ok(answer(actions::get(&app.context, &caller, &named).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Editing {
    /// Slug of the new role. Left out, the role stays the same.
    role: Option<String>,
}

async fn edit(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, named)): ItemPath,
    held: IfMatch,
    Json(body): Json<Editing>,
) -> Result<Response> {
    let was = actions::get(&app.context, &caller, &named).await?;
    let role = body.role.unwrap_or(was.member.role);
    let edited = actions::edit(&app.context, &caller, &named, &role, held.tag()).await;
    Ok(answer(held.map_stale_error(edited)?))
}

async fn remove(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, named)): ItemPath,
) -> Result<StatusCode> {
    actions::remove(&app.context, &caller, &named, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation, without its link.
#[derive(Debug, Serialize, JsonSchema)]
struct Invited {
    id: InvitationId,
    email: Option<String>,
    role: String,
    /// The teams that the person will join, without those that the caller is not allowed to know.
    teams: Vec<crate::directory::model::TeamMembership>,
    created_by: String,
    created_by_id: String,
    expires_at: Timestamp,
}

impl From<Invitation> for Invited {
    fn from(it: Invitation) -> Self {
        Self {
            id: it.id,
            email: it.email,
            role: it.role,
            teams: it.teams,
            created_by: it.created_by_name,
            created_by_id: it.created_by,
            expires_at: it.expires_at,
        }
    }
}

/// A new invitation with its link.
#[derive(Debug, Serialize, JsonSchema)]
struct InvitedWithLink {
    #[serde(flatten)]
    invitation: Invited,
    /// URL at which the invitation can be accepted. `null` if the request repeats an earlier one.
    link: Option<RevealedSecret>,
}

async fn open(State(app): State<AppState>, ApiCaller(caller): ApiCaller) -> Result<Response> {
    crate::access::authorize_read(&caller.subject, super::model::Invitations)?;
    let all = invitations::invitations(&app.context, &caller).await?;
    let items: Vec<Invited> = all.into_iter().map(Invited::from).collect();
    Ok(list_response(items, None))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inviting {
    /// Email of the invited person. Left out, anybody with the link can accept the invitation.
    #[serde(default)]
    email: String,
    /// Slug of the permission set that the person will hold as their role; `member` by default.
    role: Option<String>,
    /// The teams that the person will join.
    #[serde(default)]
    teams: Vec<TeamPlace>,
    /// Time after which the invitation cannot be accepted. Left out, it is seven days from now.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
}

async fn invite(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Json(body): Json<Inviting>,
) -> Result<Response> {
    let input = NewInvitation {
        email: body.email,
        role: body.role.unwrap_or_else(|| "member".to_owned()),
        teams: body.teams,
        lifetime: body.expires_at.into(),
    };
    let made = invitations::invite(&app.context, &caller, &input, &SecretDelivery::Answer).await?;
    let link = |code: &Secret| {
        RevealedSecret::new(format!("{}/invitations/{}", app.context.config.public_url, code.expose()))
    };
    let (invitation, link) = (made.invitation.into(), made.code.as_ref().map(link));
    Ok((StatusCode::CREATED, Answer(InvitedWithLink { invitation, link })).into_response())
}

async fn show_invitation(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let invitation = invitations::invitation(&app.context, &caller, &id).await?;
    Ok(Answer(Invited::from(invitation)).into_response())
}

async fn edit_invitation(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
    Json(body): Json<InvitationEdit>,
) -> Result<Response> {
    let invitation = invitations::edit_invitation(&app.context, &caller, &id, &body).await?;
    Ok(Answer(Invited::from(invitation)).into_response())
}

async fn revoke(
    State(app): State<AppState>,
    ApiCaller(caller): ApiCaller,
    Path((_, id)): ItemPath,
) -> Result<StatusCode> {
    invitations::revoke(&app.context, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
