//! Loads machine principals: teams, service accounts, service tokens and the
//! organization itself, as the subjects that their tokens act as.

use super::grants::{load_named_grants, resolve_grant};
use super::organization::OrganizationFacts;
use crate::access::{AccountScope, Grant, GrantSource, Kind, Projects, Subject};
use crate::platform::id::{ServiceAccountId, TeamId, TokenId};
use crate::platform::{Result, db};

/// Loads the subject that a team's token acts as. Its grants are those that the
/// team's members hold through the team.
///
/// # Errors
/// When the database cannot.
pub async fn load_team_subject(
    source: impl Into<db::Source<'_>>,
    organization: &OrganizationFacts,
    team: TeamId,
    role: &str,
) -> Result<Subject> {
    let sets = &organization.sets;
    let mut grants: Vec<Grant> =
        resolve_grant(sets, role, Projects::All, GrantSource::Role).into_iter().collect();
    grants.extend(load_named_grants(source, sets, organization.id, &team.to_string()).await?);
    Ok(Subject { kind: Kind::Team(team), grants, narrowed: None })
}

/// Loads the subject that the keys of a service account act as.
///
/// # Errors
/// When the database cannot.
pub async fn load_account_subject(
    source: impl Into<db::Source<'_>>,
    organization: &OrganizationFacts,
    id: ServiceAccountId,
    scope: AccountScope,
    role: &str,
) -> Result<Subject> {
    let sets = &organization.sets;
    let mut grants: Vec<Grant> =
        resolve_grant(sets, role, Projects::All, GrantSource::Role).into_iter().collect();
    grants.extend(load_named_grants(source, sets, organization.id, &id.to_string()).await?);
    Ok(Subject { kind: Kind::ServiceAccount { id, scope }, grants, narrowed: None })
}

/// Loads the subject of a service token, which acts as itself.
///
/// # Errors
/// When the database cannot.
pub async fn load_service_token_subject(
    source: impl Into<db::Source<'_>>,
    organization: &OrganizationFacts,
    id: TokenId,
) -> Result<Subject> {
    let grants = load_named_grants(source, &organization.sets, organization.id, &id.to_string()).await?;
    Ok(Subject { kind: Kind::ServiceToken(id), grants, narrowed: None })
}

/// The subject that the organization token acts as.
#[must_use]
pub const fn organization_subject() -> Subject {
    Subject { kind: Kind::Organization, grants: Vec::new(), narrowed: None }
}
