//! The SQL of organizations and people.

use super::model::CheckedPerson;
use super::search::Members;
use super::settings::Organization;
use crate::access::{PrincipalId, TeamRole};
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::search::Searched as _;
use crate::platform::text::{MOST, casefold};
use crate::platform::web::pagination::{PageRequest, paged};
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

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
pub(super) async fn take_first_run(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let rows = sql("INSERT INTO installation (id, created_at) VALUES (1, $1) ON CONFLICT (id) DO NOTHING")
        .bind(now)
        .execute(tx)
        .await?;
    Ok(rows == 1)
}

/// Remembers who set up the installation.
pub(super) async fn set_founder(tx: &mut Tx, person: PersonId) -> Result<()> {
    sql("UPDATE installation SET person_id = $1 WHERE id = 1").bind(person).execute(tx).await?;
    Ok(())
}

/// Makes a person.
///
/// # Errors
/// [`Error::Conflict`] for a username or address that is taken.
pub async fn insert_person(
    tx: &mut Tx,
    id: PersonId,
    person: &CheckedPerson,
    password_hash: String,
    now: Timestamp,
) -> Result<()> {
    let taken: Option<(String,)> =
        sql("SELECT username FROM people WHERE username = $1 OR email_folded = $2")
            .bind(&person.username)
            .bind(casefold(&person.email))
            .optional(&mut *tx)
            .await?;
    let field =
        if taken.as_ref().is_some_and(|(name,)| *name == person.username) { "username" } else { "email" };
    if taken.is_some() {
        return Err(Error::Conflict(crate::platform::ValidationErrors::one(
            field,
            "is taken by another account",
        )));
    }
    sql("INSERT INTO people (id, username, email, email_folded, name, password_hash, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(id)
    .bind(&person.username)
    .bind(&person.email)
    .bind(casefold(&person.email))
    .bind(&person.name)
    .bind(password_hash)
    .bind(now)
    .execute(tx)
    .await
    .map_err(|error| Error::unique(error, "username", "or email address is taken by another account"))?;
    Ok(())
}

pub(super) async fn insert_organization(
    tx: &mut Tx,
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
        .execute(tx)
        .await
        .map_err(|error| Error::unique(error, "organization", "is taken"))?;
    Ok(())
}

pub(super) async fn insert_owners(
    change: &mut Change<'_>,
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
    change.write(Effect::Principal(PrincipalId::Team(id)), statement).await?;
    Ok(())
}

/// Makes a person a member, with a role; keeps the role of who is one.
///
/// # Errors
/// When the database cannot.
pub async fn insert_member(
    change: &mut Change<'_>,
    organization: OrganizationId,
    person: PersonId,
    role: &str,
) -> Result<bool> {
    let known: Option<(PersonId,)> =
        sql("SELECT person_id FROM memberships WHERE organization_id = $1 AND person_id = $2")
            .bind(organization)
            .bind(person)
            .optional(change.tx())
            .await?;
    if known.is_none() {
        ensure_room(change, Quota::Membership(person)).await?;
    }
    let statement = sql("INSERT INTO memberships (organization_id, person_id, role, created_at, username) \
         SELECT $1, p.id, $3, $4, p.username FROM people p WHERE p.id = $2 \
         ON CONFLICT (organization_id, person_id) DO NOTHING")
    .bind(organization)
    .bind(person)
    .bind(role)
    .bind(change.now);
    let rows = change.write(Effect::Principal(PrincipalId::Person(person)), statement).await?;
    Members::renew(change.tx(), &person.to_string()).await?;
    Ok(rows == 1)
}

/// Puts a person into a team, or changes what they are there.
///
/// # Errors
/// When the database cannot.
pub async fn set_team_member(
    change: &mut Change<'_>,
    team: TeamId,
    person: PersonId,
    role: TeamRole,
) -> Result<()> {
    let statement = sql("INSERT INTO team_members (team_id, person_id, username, role, created_at) \
            SELECT $1, p.id, p.username, $3, $4 FROM people p WHERE p.id = $2 \
         ON CONFLICT (team_id, person_id) DO UPDATE SET role = $3")
    .bind(team)
    .bind(person)
    .bind(role)
    .bind(change.now);
    change.write(Effect::Principal(PrincipalId::Person(person)), statement).await?;
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
pub(super) async fn update(tx: &mut Tx, was: &Organization, name: &str, policy: &str) -> Result<bool> {
    let rows = sql("UPDATE organizations SET name = $1, policy = $2, version = version + 1 \
         WHERE id = $3 AND version = $4")
    .bind(name)
    .bind(policy)
    .bind(was.id)
    .bind(was.version)
    .execute(tx)
    .await?;
    Ok(rows == 1)
}

/// Deletes an organization. What hangs on its teams goes first.
pub(super) async fn delete(tx: &mut Tx, id: OrganizationId) -> Result<()> {
    for statement in [
        sql("DELETE FROM tokens WHERE organization_id = $1"),
        sql("DELETE FROM service_accounts WHERE organization_id = $1"),
        sql("DELETE FROM projects WHERE organization_id = $1"),
        sql("DELETE FROM organizations WHERE id = $1"),
    ] {
        statement.bind(id).execute(&mut *tx).await?;
    }
    Ok(())
}
