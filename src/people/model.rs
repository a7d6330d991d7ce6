//! Members and invitations.

use serde::Deserialize;

use crate::access::{Guarded, Resource, Sets, Target, TeamRole};
use crate::organizations::model::email;
use crate::platform::clock::DAY;
use crate::platform::id::{InvitationId, OrganizationId, PersonId};
use crate::platform::text::casefold;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::teams::model::role;
use crate::tokens::model::Lifetime;

/// A member of the organization, as listed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    /// Their id.
    pub id: PersonId,
    /// Their username.
    pub username: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their role in the organization.
    pub role: String,
    /// Whether they are an owner.
    pub is_owner: bool,
    /// When they joined.
    pub created_at: Timestamp,
}

/// An invitation, as listed: never its link.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// For whom, where it was said.
    pub email: Option<String>,
    /// The role that it gives.
    pub role: String,
    /// Who made it.
    pub created_by_name: String,
    /// The id of who made it.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The teams that it puts somebody into, as far as the caller may know.
    #[sqlx(skip)]
    pub teams: Vec<crate::directory::model::TeamMembership>,
}

/// An invitation that somebody holds the link of.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct InvitationDetails {
    /// Its id.
    pub id: InvitationId,
    /// To which organization.
    pub organization_id: OrganizationId,
    /// Its slug.
    pub organization_slug: String,
    /// Its name.
    pub organization_name: String,
    /// For whom, where it was said.
    pub email: Option<String>,
    /// The role that it gives.
    pub role: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The id of who made it.
    pub created_by: String,
}

/// The invitations of the organization: listing and making them.
#[derive(Clone, Copy, Debug)]
pub struct Invitations;

impl Guarded for Invitations {
    const RESOURCE: Resource = Resource::Invitations;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// The people of the organization.
#[derive(Clone, Copy, Debug)]
pub struct People;

impl Guarded for People {
    const RESOURCE: Resource = Resource::Members;
    fn target(&self) -> Target {
        Target::Organization
    }
}

/// A team that an invitation puts somebody into.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamPlace {
    /// The team's slug.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub slug: String,
    /// What they are there; `member` when empty.
    #[serde(default)]
    #[schemars(with = "TeamRole")]
    pub role: String,
}

/// An invitation to be made, as typed or sent.
#[derive(Clone, Debug, Default)]
pub struct NewInvitation {
    /// For whom; may be empty.
    pub email: String,
    /// The role that it gives.
    pub role: String,
    /// The teams that it puts them into.
    pub teams: Vec<TeamPlace>,
    /// How long it can be accepted; seven days unless said.
    pub lifetime: Lifetime,
}

/// What an edit of an open invitation changes; what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationEdit {
    /// The role that it gives: a permission set's slug.
    pub role: Option<String>,
    /// The teams that it puts somebody into.
    pub teams: Option<Vec<TeamPlace>>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

impl InvitationEdit {
    /// Over what the invitation has.
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

/// The fields of an invitation, checked.
#[derive(Clone, Debug)]
pub struct CheckedInvitation {
    /// For whom.
    pub email: Option<String>,
    /// The role that it gives.
    pub role: String,
    /// The teams and what they are there.
    pub teams: Vec<(String, TeamRole)>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// How long an invitation can be accepted unless said, and at most.
const DAYS: (u32, u32) = (7, 90);

impl NewInvitation {
    /// Whether a team is chosen.
    #[must_use]
    pub fn has(&self, slug: &str) -> bool {
        self.teams.iter().any(|team| team.slug == slug)
    }

    /// Whether a team is chosen, as its admin.
    #[must_use]
    pub fn has_admin(&self, slug: &str) -> bool {
        self.teams.iter().any(|team| team.slug == slug && team.role == "admin")
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, sets: &Sets, now: Timestamp) -> Result<CheckedInvitation> {
        let mut mistakes = ValidationErrors::default();
        let address = match self.email.trim() {
            "" => Some(None),
            text => mistakes.check("email", email(text)).map(Some),
        };
        let role = mistakes.check("role", role(sets, &self.role));
        let mut teams = Vec::new();
        for team in &self.teams {
            let role = if team.role.is_empty() { Ok(TeamRole::Member) } else { team.role.parse() };
            if let Some(role) = mistakes.check("teams", role) {
                teams.push((team.slug.trim().to_owned(), role));
            }
        }
        let mut slugs: Vec<&str> = teams.iter().map(|(slug, _)| slug.as_str()).collect();
        slugs.sort_unstable();
        if let Some([twice, _]) = slugs.array_windows().find(|[one, next]| one == next) {
            mistakes.add("teams", format!("Choose each team only once. “{twice}” is chosen twice."));
        }
        if teams.len() > 50 {
            mistakes.add("teams", "Choose at most 50 teams.");
        }
        let most = now.plus(DAYS.1 * DAY);
        let expires_at = match &self.lifetime {
            Lifetime::Usual => Some(now.plus(DAYS.0 * DAY)),
            Lifetime::Until(end) if *end > now && *end <= most => Some(*end),
            Lifetime::UntilDay(end) if *end > now && *end < most.plus(DAY) => Some(most.min(*end)),
            Lifetime::Wrong(message) => mistakes.check("expires_at", Err(message.clone())),
            Lifetime::Until(_) | Lifetime::UntilDay(_) | Lifetime::Endless => mistakes.check(
                "expires_at",
                Err(format!("Choose an expiry date in the future, at most {} days from now.", DAYS.1)),
            ),
        };
        match (address, role, expires_at) {
            (Some(email), Some(role), Some(expires_at)) if mistakes.is_empty() => {
                Ok(CheckedInvitation { email, role, teams, expires_at })
            }
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl InvitationDetails {
    /// Whether it is for this address: any, where none was said.
    #[must_use]
    pub fn is_for(&self, email: &str) -> bool {
        self.email.as_deref().is_none_or(|named| casefold(named) == casefold(email))
    }
}
