//! The SQL of members and invitations.

use super::model::{CheckedInvitation, Invitation, Invitations, Member, Offer};
use crate::access::{Permit, TeamRole};
use crate::audit::Actor;
use crate::platform::db::Source;
use crate::platform::id::{InvitationId, OrganizationId, TeamId};
use crate::platform::text::like;
use crate::platform::web::paging::{Page, paged};
use crate::platform::{Db, Result, Timestamp, Tx, sql};

/// A page of members, by username.
///
/// # Errors
/// When the database cannot.
pub async fn members(
    db: &Db,
    organization: OrganizationId,
    (search, role): (&str, &str),
    page: &Page,
) -> Result<Vec<Member>> {
    Ok(paged!(
        page,
        "SELECT p.id, p.username, p.email, p.name, m.role, m.created_at, EXISTS (SELECT 1 FROM team_members tm \
            JOIN teams t ON t.id = tm.team_id WHERE tm.person_id = p.id AND t.is_owners AND t.organization_id = $4) AS is_owner \
         FROM memberships m JOIN people p ON p.id = m.person_id WHERE m.organization_id = $4 \
         AND ($5 = '%%' OR p.username LIKE $5 ESCAPE '\\' OR LOWER(p.name) LIKE $5 ESCAPE '\\' OR p.email_folded LIKE $5 ESCAPE '\\') \
         AND ($6 = '' OR m.role = $6)",
        "p.username",
        "p.id"
    )
    .bind(organization)
    .bind(like(search))
    .bind(role)
    .all(db)
    .await?)
}

/// The invitations that can still be accepted, newest first.
///
/// # Errors
/// When the database cannot.
pub async fn invitations(db: &Db, organization: OrganizationId, now: Timestamp) -> Result<Vec<Invitation>> {
    Ok(sql("SELECT id, email, role, created_by_name, expires_at FROM invitations \
            WHERE organization_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2 \
            ORDER BY id DESC LIMIT 200")
    .bind(organization)
    .bind(now)
    .all(db)
    .await?)
}

#[expect(clippy::too_many_arguments, reason = "a row")]
pub(super) async fn insert(
    tx: &mut Tx,
    _permit: &Permit<Invitations>,
    organization: OrganizationId,
    id: InvitationId,
    code_hash: Vec<u8>,
    invitation: &CheckedInvitation,
    team: Option<(TeamId, TeamRole)>,
    (actor, now, expires_at): (&Actor, Timestamp, Timestamp),
) -> Result<()> {
    sql(
        "INSERT INTO invitations (id, organization_id, code_hash, email, role, created_by, created_by_name, \
            created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(id)
    .bind(organization)
    .bind(code_hash)
    .bind(invitation.email.clone())
    .bind(&invitation.role)
    .bind(actor.id.clone())
    .bind(actor.name.clone())
    .bind(now)
    .bind(expires_at)
    .execute(&mut *tx)
    .await?;
    if let Some((team, role)) = team {
        sql("INSERT INTO invitation_teams (invitation_id, team_id, role) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(team)
            .bind(role)
            .execute(tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn revoke(
    tx: &mut Tx,
    _permit: &Permit<Invitations>,
    organization: OrganizationId,
    id: &str,
    now: Timestamp,
) -> Result<bool> {
    let rows = sql("UPDATE invitations SET revoked_at = $1 WHERE id = $2 AND organization_id = $3 \
         AND revoked_at IS NULL AND accepted_at IS NULL")
    .bind(now)
    .bind(id)
    .bind(organization)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// What the holder of a link is offered, while it can be accepted.
pub(super) async fn offer(
    source: impl Into<Source<'_>>,
    code_hash: Vec<u8>,
    now: Timestamp,
) -> Result<Option<Offer>> {
    Ok(sql(
        "SELECT i.id, i.organization_id, o.slug AS organization_slug, o.name AS organization_name, i.email, \
            i.role, i.expires_at FROM invitations i JOIN organizations o ON o.id = i.organization_id \
         WHERE i.code_hash = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $2",
    )
    .bind(code_hash)
    .bind(now)
    .optional(source)
    .await?)
}

/// Marks an invitation as accepted; false if another was faster.
pub(super) async fn accept(tx: &mut Tx, id: InvitationId, now: Timestamp) -> Result<bool> {
    let rows = sql("UPDATE invitations SET accepted_at = $1 WHERE id = $2 AND accepted_at IS NULL AND revoked_at IS NULL")
        .bind(now)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

pub(super) async fn teams_of(tx: &mut Tx, id: InvitationId) -> Result<Vec<(TeamId, TeamRole)>> {
    Ok(sql("SELECT team_id, role FROM invitation_teams WHERE invitation_id = $1").bind(id).all(tx).await?)
}
