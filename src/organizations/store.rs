//! SQL for organizations and for the record of the installation.
//!
//! Statements that write take a permit or a system proof and are called by `actions` and `bootstrap` only.

use super::model::{Organization, OrganizationDeletion};
use crate::access::{Authorized, Permit, PrincipalId, System, TokenKind};
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::text::{MOST, taken};
use crate::platform::web::pagination::{PageRequest, keyset};
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;

/// Whether the first set-up has been done.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn is_set_up(db: &Db) -> Result<bool> {
    let row: Option<(i64,)> = sql("SELECT id FROM installation").optional(db).await?;
    Ok(row.is_some())
}

/// Records that the first set-up is done, which is possible once. Returns false if it was done before. A
/// concurrent set-up waits for this transaction.
pub(super) async fn claim_setup(tx: &mut Tx, proof: System, now: Timestamp) -> Result<bool> {
    let rows = sql("INSERT INTO installation (id, created_at) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
        .bind(now)
        .execute(tx, &proof)
        .await?;
    Ok(rows == 1)
}

/// Stores who set up the installation. This person can always create organizations.
pub(super) async fn set_founder(tx: &mut Tx, proof: System, person: PersonId) -> Result<()> {
    sql("UPDATE installation SET person_id = $1 WHERE id = 1").bind(person).execute(tx, &proof).await?;
    Ok(())
}

pub(super) async fn insert_organization(
    tx: &mut Tx,
    proof: System,
    id: OrganizationId,
    slug: &str,
    name: &str,
    now: Timestamp,
) -> Result<()> {
    sql("INSERT INTO organizations (id, slug, name, version, created_at) VALUES ($1, $2, $3, 0, $4)")
        .bind(id)
        .bind(slug)
        .bind(name)
        .bind(now)
        .execute(tx, &proof)
        .await
        .map_err(|error| Error::unique(error, "organization", &taken("slug", "organization")))?;
    Ok(())
}

pub(super) async fn insert_owners(
    change: &mut Change<'_>,
    proof: System,
    id: TeamId,
    organization: OrganizationId,
) -> Result<()> {
    let statement =
        sql("INSERT INTO teams (id, organization_id, slug, name, description, visibility, role, \
            members_manage_token, is_owners, version, created_at) \
         VALUES ($1, $2, 'owners', 'Owners', 'Can do everything in the organization.', 'visible', 'member', \
            TRUE, TRUE, 0, $3)")
        .bind(id)
        .bind(organization)
        .bind(change.now);
    change.write(&proof, Effect::Principal(PrincipalId::Team(id)), statement).await?;
    Ok(())
}

/// The progress of a new organization, for the checklist on its overview. Each count stops at [`MOST`].
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Progress {
    /// Number of teams, without the `owners` team.
    pub teams: i64,
    /// Number of existing service accounts.
    pub accounts: i64,
    /// Number of projects.
    pub projects: i64,
    /// Whether any of the organization's 1,000 oldest unrevoked tokens has been used.
    pub used: bool,
}

/// Reads the progress of an organization.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn progress(db: &Db, organization: OrganizationId) -> Result<Progress> {
    Ok(sql("SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM teams WHERE organization_id = $1 AND NOT is_owners \
                LIMIT $2) a) AS teams, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts WHERE organization_id = $1 \
                AND deleted_at IS NULL LIMIT $2) b) AS accounts, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM projects WHERE organization_id = $1 LIMIT $2) c) AS projects, \
            EXISTS (SELECT 1 FROM (SELECT last_used_at FROM tokens WHERE organization_id = $1 AND revoked_at IS NULL \
                AND kind <> 'access' ORDER BY id LIMIT 1000) d WHERE last_used_at IS NOT NULL) AS used")
        .bind(organization)
        .bind(MOST + 1)
        .one(db)
        .await?)
}

/// The number of active tokens of this kind that expire after `end`, or never. The count stops after [`MOST`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn count_tokens_beyond(
    db: &Db,
    organization: OrganizationId,
    kind: TokenKind,
    end: Timestamp,
) -> Result<i64> {
    let (count,): (i64,) =
        sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens t WHERE t.organization_id = $1 \
            AND t.kind = $2 AND t.revoked_at IS NULL AND t.kind <> 'access' \
            AND COALESCE(t.expires_at, 9223372036854775807) > $3 LIMIT $4) counted")
        .bind(organization)
        .bind(kind.word())
        .bind(end)
        .bind(MOST + 1)
        .one(db)
        .await?;
    Ok(count)
}

/// Finds the organization with this id.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub(super) async fn find(source: impl Into<Source<'_>>, id: OrganizationId) -> Result<Organization> {
    let organization: Option<Organization> =
        sql("SELECT id, slug, name, created_at, version, policy FROM organizations WHERE id = $1")
            .bind(id)
            .optional(source)
            .await?;
    organization.ok_or(Error::NotFound)
}

/// A page of the organizations that a person is a member of, sorted by slug.
///
/// # Errors
/// Returns an error if the database fails.
pub(super) async fn of_person(db: &Db, person: PersonId, page: &PageRequest) -> Result<Vec<Organization>> {
    Ok(keyset!(
        page,
        "SELECT o.id, o.slug, o.name, o.created_at, o.version, o.policy FROM memberships m \
            JOIN organizations o ON o.id = m.organization_id WHERE m.person_id = $4",
        ascending "o.slug", "o.id"
    )
    .bind(person)
    .all(db)
    .await?)
}

/// Writes name and policy if the row still has the version of `was`. Returns false otherwise.
pub(super) async fn update(
    tx: &mut Tx,
    proof: Authorized,
    was: &Organization,
    name: &str,
    policy: &str,
) -> Result<bool> {
    let rows = sql("UPDATE organizations SET name = $1, policy = $2, version = version + 1 \
         WHERE id = $3 AND version = $4")
    .bind(name)
    .bind(policy)
    .bind(was.id)
    .bind(was.version)
    .execute(tx, &proof)
    .await?;
    Ok(rows == 1)
}

/// Deletes an organization. Rows that refer to its teams are deleted first; the rest is deleted by foreign
/// keys.
pub(super) async fn delete(
    tx: &mut Tx,
    permit: &Permit<OrganizationDeletion>,
    id: OrganizationId,
) -> Result<()> {
    for statement in [
        sql("DELETE FROM tokens WHERE organization_id = $1"),
        sql("DELETE FROM service_accounts WHERE organization_id = $1"),
        sql("DELETE FROM projects WHERE organization_id = $1"),
        sql("DELETE FROM organizations WHERE id = $1"),
    ] {
        statement.bind(id).execute(&mut *tx, permit).await?;
    }
    Ok(())
}
