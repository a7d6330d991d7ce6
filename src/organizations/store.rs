//! The SQL of organizations and people.

use super::model::{Itself, Organization};
use crate::access::{Authorized, Permit, PrincipalId, System};
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::text::{MOST, taken};
use crate::platform::web::pagination::{PageRequest, paged};
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;

/// Whether the installation has been set up.
///
/// # Errors
/// When the database cannot.
pub async fn is_set_up(db: &Db) -> Result<bool> {
    let row: Option<(i64,)> = sql("SELECT id FROM installation").optional(db).await?;
    Ok(row.is_some())
}

/// Takes the one place of the first owner; false if it is taken. Of two at
/// once the second waits for the first.
pub(super) async fn take_first_run(tx: &mut Tx, proof: System, now: Timestamp) -> Result<bool> {
    let rows = sql("INSERT INTO installation (id, created_at) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
        .bind(now)
        .execute(tx, &proof)
        .await?;
    Ok(rows == 1)
}

/// Remembers who set up the installation.
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
         VALUES ($1, $2, 'owners', 'Owners', 'May do everything in the organization.', 'visible', 'member', \
            TRUE, TRUE, 0, $3)")
        .bind(id)
        .bind(organization)
        .bind(change.now);
    change.write(&proof, Effect::Principal(PrincipalId::Team(id)), statement).await?;
    Ok(())
}

/// What the checklist of a new organization asks.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Progress {
    /// Teams besides the owners.
    pub teams: i64,
    /// Living service accounts.
    pub accounts: i64,
    /// Projects.
    pub projects: i64,
    /// Whether one of its thousand oldest living tokens was ever used.
    pub used: bool,
}

/// Counts them, each up to [`MOST`].
///
/// # Errors
/// When the database cannot.
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

/// The organization of this id.
///
/// # Errors
/// [`Error::NotFound`]; when the database cannot.
pub(super) async fn find(source: impl Into<Source<'_>>, id: OrganizationId) -> Result<Organization> {
    let organization: Option<Organization> =
        sql("SELECT id, slug, name, created_at, version, policy FROM organizations WHERE id = $1")
            .bind(id)
            .optional(source)
            .await?;
    organization.ok_or(Error::NotFound)
}

/// A page of the organizations that a person belongs to, by slug.
///
/// # Errors
/// When the database cannot.
pub(super) async fn of_person(db: &Db, person: PersonId, page: &PageRequest) -> Result<Vec<Organization>> {
    Ok(paged!(
        page,
        "SELECT o.id, o.slug, o.name, o.created_at, o.version, o.policy FROM memberships m \
            JOIN organizations o ON o.id = m.organization_id WHERE m.person_id = $4",
        "o.slug",
        "o.id"
    )
    .bind(person)
    .all(db)
    .await?)
}

/// Writes name and policies over the version that was read; false if another
/// came first.
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

/// Deletes an organization. What hangs on its teams goes first.
pub(super) async fn delete(tx: &mut Tx, permit: &Permit<Itself>, id: OrganizationId) -> Result<()> {
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
