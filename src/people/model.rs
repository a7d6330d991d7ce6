//! Types of members and invitations, with the checks of an invitation's fields. No I/O.
//!
//! An invitation can be accepted for at most 90 days and names at most 50 teams. Its code is not part of
//! these types.

use serde::Deserialize;

use crate::access::{Guarded, Resource, Sets, Target, TeamRole};
use crate::organizations::model::email;
use crate::platform::clock::DAY;
use crate::platform::id::{InvitationId, OrganizationId, PersonId};
use crate::platform::text::casefold;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::teams::model::role;
use crate::tokens::model::Lifetime;

/// A member of the organization, as lists show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    /// Unique id of the person.
    pub id: PersonId,
    /// Username, unique in the installation.
    pub username: String,
    /// Email address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Slug of the permission set that the member holds for all projects.
    pub role: String,
    /// Whether the member is in the `owners` team.
    pub is_owner: bool,
    /// Time at which the person joined the organization.
    pub created_at: Timestamp,
    /// Time of the person's last sign-in to the console; `None` if they have not signed in since it is recorded.
    pub last_signed_in_at: Option<Timestamp>,
}

/// An open invitation, as lists show it. Its code is stored as a hash only and is not part of it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invitation {
    /// Unique id of the invitation.
    pub id: InvitationId,
    /// Email of the invited person. `None` if anybody with the link can accept it.
    pub email: Option<String>,
    /// Slug of the role that the person will have.
    pub role: String,
    /// Name of the inviter, which is whoever created or last edited the invitation.
    pub created_by_name: String,
    /// Id of the inviter.
    pub created_by: String,
    /// Time after which the invitation cannot be accepted.
    pub expires_at: Timestamp,
    /// The teams that the person will join, without those that the caller is not allowed to know.
    #[sqlx(skip)]
    pub teams: Vec<crate::directory::model::TeamMembership>,
}

/// An open invitation, as the page of its link shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct InvitationDetails {
    /// Unique id of the invitation.
    pub id: InvitationId,
    /// Id of the organization that the person will join.
    pub organization_id: OrganizationId,
    /// Slug of the organization.
    pub organization_slug: String,
    /// Display name of the organization.
    pub organization_name: String,
    /// Email of the invited person. `None` if anybody with the link can accept it.
    pub email: Option<String>,
    /// Slug of the role that the person will have.
    pub role: String,
    /// Time after which the invitation cannot be accepted.
    pub expires_at: Timestamp,
    /// Id of the inviter, whose access limits the invitation.
    pub created_by: String,
}

/// Listing, creating and changing the invitations of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct Invitations;

impl Guarded for Invitations {
    const RESOURCE: Resource = Resource::Invitations;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// The members of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct People;

impl Guarded for People {
    const RESOURCE: Resource = Resource::Members;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// A team that an invited person will join.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamPlace {
    /// Slug of the team.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub slug: String,
    /// Team role there; `member` if empty.
    #[serde(default)]
    #[schemars(with = "TeamRole")]
    pub role: String,
}

/// An invitation that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default)]
pub struct NewInvitation {
    /// Email of the invited person. If empty, anybody with the link can accept the invitation.
    pub email: String,
    /// Slug of the role that the person will have.
    pub role: String,
    /// The teams that the person will join, at most 50.
    pub teams: Vec<TeamPlace>,
    /// How long the invitation can be accepted: seven days by default, at most 90.
    pub lifetime: Lifetime,
}

/// Fields of an edit of an open invitation. `None` keeps the current value.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationEdit {
    /// Slug of the permission set that the person will hold as their role.
    pub role: Option<String>,
    /// All teams that the person will join; they replace the current ones.
    pub teams: Option<Vec<TeamPlace>>,
    /// Time after which the invitation cannot be accepted; at most 90 days from now.
    pub expires_at: Option<Timestamp>,
}

impl InvitationEdit {
    /// The complete fields after the edit. Fields that the edit leaves out are taken from the invitation.
    #[must_use]
    pub fn over(&self, was: &Invitation) -> NewInvitation {
        let place = |place: &crate::directory::model::TeamMembership| TeamPlace {
            slug: place.slug.clone(),
            role: place.role.to_string(),
        };
        NewInvitation {
            email: was.email.clone().unwrap_or_default(),
            role: self.role.clone().unwrap_or_else(|| was.role.clone()),
            teams: self.teams.clone().unwrap_or_else(|| was.teams.iter().map(place).collect()),
            lifetime: Lifetime::Until(self.expires_at.unwrap_or(was.expires_at)),
        }
    }
}

/// The checked fields of an invitation.
#[derive(Clone, Debug)]
pub struct ValidInvitation {
    /// Email of the invited person. `None` if anybody with the link can accept the invitation.
    pub email: Option<String>,
    /// Slug of an existing permission set.
    pub role: String,
    /// Slugs of the teams, not yet looked up, and the team roles. Each team occurs once.
    pub teams: Vec<(String, TeamRole)>,
    /// Time after which the invitation cannot be accepted.
    pub expires_at: Timestamp,
}

/// Default and maximum time for accepting an invitation, in days.
const DAYS: (u32, u32) = (7, 90);

impl NewInvitation {
    /// Whether the team with this slug is selected.
    #[must_use]
    pub fn has(&self, slug: &str) -> bool {
        self.teams.iter().any(|team| team.slug == slug)
    }

    /// Whether the team with this slug is selected with the team role `admin`.
    #[must_use]
    pub fn has_admin(&self, slug: &str) -> bool {
        self.teams.iter().any(|team| team.slug == slug && team.role == "admin")
    }

    /// Checks every field. Whether the teams exist is checked by the action.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, sets: &Sets, now: Timestamp) -> Result<ValidInvitation> {
        let mut errors = ValidationErrors::default();
        let address = match self.email.trim() {
            "" => Some(None),
            text => errors.check("email", email(text)).map(Some),
        };
        let role = errors.check("role", role(sets, &self.role));
        let mut teams = Vec::new();
        for team in &self.teams {
            let role = if team.role.is_empty() { Ok(TeamRole::Member) } else { team.role.parse() };
            if let Some(role) = errors.check("teams", role) {
                teams.push((team.slug.trim().to_owned(), role));
            }
        }
        let mut slugs: Vec<&str> = teams.iter().map(|(slug, _)| slug.as_str()).collect();
        slugs.sort_unstable();
        if let Some([twice, _]) = slugs.array_windows().find(|[one, next]| one == next) {
            errors.add("teams", format!("Choose each team only once. “{twice}” is chosen twice."));
        }
        if teams.len() > 50 {
            errors.add("teams", "Choose at most 50 teams.");
        }
        let most = now.plus(DAYS.1 * DAY);
        let expires_at = match &self.lifetime {
            Lifetime::Usual => Some(now.plus(DAYS.0 * DAY)),
            Lifetime::Until(end) if *end > now && *end <= most => Some(*end),
            Lifetime::UntilDay(end) if *end > now && *end < most.plus(DAY) => Some(most.min(*end)),
            Lifetime::Wrong(message) => errors.check("expires_at", Err(message.clone())),
            Lifetime::Until(_) | Lifetime::UntilDay(_) | Lifetime::Endless => errors.check(
                "expires_at",
                Err(format!("Choose an expiry date in the future, at most {} days from now.", DAYS.1)),
            ),
        };
        match (address, role, expires_at) {
            (Some(email), Some(role), Some(expires_at)) if errors.is_empty() => {
                Ok(ValidInvitation { email, role, teams, expires_at })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

impl InvitationDetails {
    /// Whether somebody with this email can accept the invitation. Emails are compared with case folding.
    #[must_use]
    pub fn is_for(&self, email: &str) -> bool {
        self.email.as_deref().is_none_or(|named| casefold(named) == casefold(email))
    }
}
