//! Loads any principal of an organization by its id.

use super::machines::{
    load_account_subject, load_service_token_subject, load_team_subject, organization_subject,
};
use super::organization::OrganizationFacts;
use super::people::load_member_subject;
use crate::access::{AccountScope, PrincipalId, Subject};
use crate::platform::id::{TeamId, TokenId};
use crate::platform::{Result, db, sql};

/// Loads a principal with what it holds; `None` if it does not exist or can
/// never act again. A disabled or expired account can be enabled again, so it
/// is loaded, too.
///
/// # Errors
/// When the database cannot.
pub async fn load_subject<'a>(
    source: impl Into<db::Source<'a>>,
    organization: &OrganizationFacts,
    principal: PrincipalId,
) -> Result<Option<Subject>> {
    let mut source = source.into();
    match principal {
        PrincipalId::Organization => Ok(Some(organization_subject())),
        PrincipalId::Person(id) => load_member_subject(source, organization, id).await,
        PrincipalId::Team(id) => {
            let role: Option<(String,)> =
                sql("SELECT role FROM teams WHERE id = $1 AND organization_id = $2")
                    .bind(id)
                    .bind(organization.id)
                    .optional(source.reborrow())
                    .await?;
            let Some((role,)) = role else { return Ok(None) };
            load_team_subject(source, organization, id, &role).await.map(Some)
        }
        PrincipalId::ServiceAccount(id) => {
            let row: Option<(String, Option<TeamId>)> =
                sql("SELECT role, team_id FROM service_accounts WHERE id = $1 AND organization_id = $2 \
                     AND deleted_at IS NULL")
                .bind(id)
                .bind(organization.id)
                .optional(source.reborrow())
                .await?;
            let Some((role, team)) = row else { return Ok(None) };
            let scope = team.map_or(AccountScope::Organization, AccountScope::Team);
            load_account_subject(source, organization, id, scope, &role).await.map(Some)
        }
        PrincipalId::ServiceToken(id) => {
            let row: Option<(TokenId,)> =
                sql("SELECT id FROM tokens WHERE id = $1 AND organization_id = $2 \
                 AND kind = 'service_token' AND revoked_at IS NULL")
                .bind(id)
                .bind(organization.id)
                .optional(source.reborrow())
                .await?;
            if row.is_none() {
                return Ok(None);
            }
            load_service_token_subject(source, organization, id).await.map(Some)
        }
    }
}
