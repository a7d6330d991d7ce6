//! Members and invitations.

use crate::access::{Guarded, Resource, Sets, Target, TeamRole};
use crate::organizations::model::email;
use crate::platform::id::{InvitationId, OrganizationId, PersonId};
use crate::platform::text::fold;
use crate::platform::{Error, Mistakes, Result, Timestamp};
use crate::teams::model::role;

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
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An invitation that somebody holds the link of.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Offer {
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

/// An invitation to be made, as typed.
#[derive(Clone, Debug, Default)]
pub struct NewInvitation {
    /// For whom; may be empty.
    pub email: String,
    /// The role that it gives.
    pub role: String,
    /// A team's slug; may be empty.
    pub team: String,
    /// What they are there.
    pub team_role: String,
}

/// The fields of an invitation, checked.
#[derive(Clone, Debug)]
pub struct CheckedInvitation {
    /// For whom.
    pub email: Option<String>,
    /// The role that it gives.
    pub role: String,
    /// The team and what they are there.
    pub team: Option<(String, TeamRole)>,
}

impl NewInvitation {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, sets: &Sets) -> Result<CheckedInvitation> {
        let mut mistakes = Mistakes::default();
        let address = match self.email.trim() {
            "" => Some(None),
            text => mistakes.check("email", email(text)).map(Some),
        };
        let role = mistakes.check("role", role(sets, &self.role));
        let team_role = mistakes.check("team_role", self.team_role.parse::<TeamRole>());
        let team = Some(self.team.trim().to_owned()).filter(|team| !team.is_empty());
        match (address, role, team_role) {
            (Some(email), Some(role), Some(team_role)) => {
                Ok(CheckedInvitation { email, role, team: team.map(|team| (team, team_role)) })
            }
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl Offer {
    /// Whether it is for this address: any, where none was said.
    #[must_use]
    pub fn is_for(&self, email: &str) -> bool {
        self.email.as_deref().is_none_or(|named| fold(named) == fold(email))
    }
}
