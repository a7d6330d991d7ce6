//! Quotas: the largest number of objects of each kind, from the settings
//! `limits.*`. Without them, anybody who can create objects could slow down
//! lists, lookups and the database for everybody else.
//!
//! A quota is checked by the store function that inserts, inside its
//! transaction and after the organization's row was locked. Of two concurrent
//! inserts, the second therefore counts the first. Counting stops at the limit.

use crate::audit::Change;
use crate::platform::db::Value;
use crate::platform::id::{OrganizationId, PersonId, ProjectId, ServiceAccountId, TokenId};
use crate::platform::{Error, Result, sql};

/// A kind of object that is about to be created, with the holder for which
/// such objects are counted.
#[derive(Clone, Copy, Debug)]
pub enum Quota {
    /// Memberships of a person.
    Membership(PersonId),
    /// Organizations that a person owns.
    Organization(PersonId),
    /// Active personal tokens of a person.
    PersonalToken(PersonId),
    /// Members of an organization.
    Person(OrganizationId),
    /// Teams of an organization.
    Team(OrganizationId),
    /// Projects of an organization.
    Project(OrganizationId),
    /// Grants that name a project.
    ProjectGrant(ProjectId),
    /// Existing service accounts of an organization.
    ServiceAccount(OrganizationId),
    /// Active keys of a service account.
    Key(ServiceAccountId),
    /// Active service tokens of an organization.
    ServiceToken(OrganizationId),
    /// Active access tokens that were exchanged for this token.
    AccessTokenOf(TokenId),
    /// Active access tokens that were exchanged for an external identity of
    /// this account.
    FederatedAccessToken(ServiceAccountId),
    /// Custom permission sets of an organization.
    PermissionSet(OrganizationId),
    /// Registered services of an organization.
    Service(OrganizationId),
    /// Identity providers of an organization.
    IdentityProvider(OrganizationId),
    /// Open invitations of an organization.
    Invitation(OrganizationId),
}

impl Quota {
    /// The setting without its prefix `limits.`, and the beginning of the error
    /// message; `{}` stands for the limit.
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Membership(_) => ("memberships_per_person", "The person belongs to {} organizations"),
            Self::Organization(_) => ("organizations_per_person", "You own {} organizations"),
            Self::PersonalToken(_) => ("personal_tokens", "You have {} active personal tokens"),
            Self::Person(_) => ("people", "The organization has {} people"),
            Self::Team(_) => ("teams", "The organization has {} teams"),
            Self::Project(_) => ("projects", "The organization has {} projects"),
            Self::ProjectGrant(_) => ("grants_per_project", "The project has {} grants"),
            Self::ServiceAccount(_) => ("service_accounts", "The organization has {} service accounts"),
            Self::Key(_) => ("keys_per_account", "The service account has {} active API keys"),
            Self::ServiceToken(_) => ("service_tokens", "The organization has {} active service tokens"),
            Self::AccessTokenOf(_) => ("access_tokens", "The token has {} active access tokens"),
            Self::FederatedAccessToken(_) => ("access_tokens", "The identity has {} active access tokens"),
            Self::PermissionSet(_) => {
                ("permission_sets", "The organization has {} permission sets of its own")
            }
            Self::Service(_) => ("services", "The organization has {} registered services"),
            Self::IdentityProvider(_) => ("identity_providers", "The organization has {} identity providers"),
            Self::Invitation(_) => ("invitations", "The organization has {} open invitations"),
        }
    }

    fn holder_id(self) -> Value {
        match self {
            Self::Membership(id) | Self::Organization(id) | Self::PersonalToken(id) => id.into(),
            Self::ProjectGrant(id) => id.into(),
            Self::Key(id) | Self::FederatedAccessToken(id) => id.into(),
            Self::AccessTokenOf(id) => id.into(),
            Self::Person(id)
            | Self::Team(id)
            | Self::Project(id)
            | Self::ServiceAccount(id)
            | Self::ServiceToken(id)
            | Self::PermissionSet(id)
            | Self::Service(id)
            | Self::IdentityProvider(id)
            | Self::Invitation(id) => id.into(),
        }
    }
}

/// Checks that one more object can be created. Call this inside the transaction
/// of the insert, with the organization's row locked.
///
/// # Errors
/// [`Error::Conflict`] that names the limit and the setting; when the database
/// cannot.
pub async fn ensure_room(change: &mut Change<'_>, quota: Quota) -> Result<()> {
    let (setting, text) = quota.name();
    let limit = change.context().config.limits.get(setting);
    let statement = match quota {
        Quota::Membership(_) => sql(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM memberships WHERE person_id = $1 LIMIT $2) counted",
        ),
        Quota::Organization(_) => sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM team_members m \
             JOIN teams t ON t.id = m.team_id AND t.is_owners WHERE m.person_id = $1 LIMIT $2) counted"),
        Quota::PersonalToken(_) => {
            sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE person_id = $1 \
             AND kind = 'personal' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) LIMIT $2) counted")
        }
        Quota::Person(_) => sql(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM memberships WHERE organization_id = $1 ORDER BY username LIMIT $2) counted",
        ),
        Quota::Team(_) => sql(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM teams WHERE organization_id = $1 LIMIT $2) counted",
        ),
        Quota::Project(_) => sql(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM projects WHERE organization_id = $1 LIMIT $2) counted",
        ),
        Quota::ProjectGrant(_) => {
            sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM grants WHERE project_id = $1 LIMIT $2) counted")
        }
        Quota::ServiceAccount(_) => sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts \
             WHERE organization_id = $1 AND deleted_at IS NULL ORDER BY name_folded LIMIT $2) counted"),
        Quota::Key(_) => {
            sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE service_account_id = $1 \
             AND kind = 'service_account' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) \
             LIMIT $2) counted")
        }
        Quota::ServiceToken(_) => {
            sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE organization_id = $1 \
             AND kind = 'service_token' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) \
             LIMIT $2) counted")
        }
        Quota::AccessTokenOf(_) => {
            sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE source_id = $1 \
             AND revoked_at IS NULL AND expires_at > $3 LIMIT $2) counted")
        }
        Quota::FederatedAccessToken(_) => sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens \
             WHERE service_account_id = $1 AND kind = 'access' AND source_id IS NULL AND revoked_at IS NULL \
                AND expires_at > $3 LIMIT $2) counted"),
        Quota::PermissionSet(_) => sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM permission_sets \
             WHERE organization_id = $1 LIMIT $2) counted"),
        Quota::Service(_) => sql(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM services WHERE organization_id = $1 LIMIT $2) counted",
        ),
        Quota::IdentityProvider(_) => sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM identity_providers \
             WHERE organization_id = $1 LIMIT $2) counted"),
        Quota::Invitation(_) => {
            sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM invitations WHERE organization_id = $1 \
             AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3 LIMIT $2) counted")
        }
    };
    let mut statement = statement.bind(quota.holder_id()).bind(i64::from(limit));
    let counts_active = matches!(
        quota,
        Quota::PersonalToken(_)
            | Quota::Key(_)
            | Quota::ServiceToken(_)
            | Quota::AccessTokenOf(_)
            | Quota::FederatedAccessToken(_)
            | Quota::Invitation(_)
    );
    if counts_active {
        statement = statement.bind(change.now);
    }
    let (count,): (i64,) = statement.one(change.tx()).await?;
    if count < i64::from(limit) {
        return Ok(());
    }
    let full = text.replace("{}", &limit.to_string());
    Err(Error::conflict(format!(
        "{full}, which is the limit. Remove some first, or ask the operator to raise limits.{setting}."
    )))
}
