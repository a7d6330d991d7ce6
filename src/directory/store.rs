//! SQL for persons, memberships and team members.
//!
//! The sections call these functions with their write proof, because several of them create persons and
//! memberships.

use super::model::ValidPerson;
use super::search::Members;
use crate::access::{PrincipalId, TeamRole};
use crate::audit::Change;
use crate::platform::db::WriteProof;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::search::SearchableList as _;
use crate::platform::text::{self, casefold};
use crate::platform::{Error, Result, Timestamp, Tx, ValidationErrors, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

/// Inserts a person.
///
/// # Errors
/// [`Error::Conflict`] for a username or email that is taken.
pub async fn insert_person(
    tx: &mut Tx,
    proof: &impl WriteProof,
    id: PersonId,
    person: &ValidPerson,
    password_hash: String,
    now: Timestamp,
) -> Result<()> {
    let taken: Option<(String,)> =
        sql("SELECT username FROM people WHERE username = $1 OR email_folded = $2")
            .bind(&person.username)
            .bind(casefold(&person.email))
            .optional(&mut *tx)
            .await?;
    let (field, noun) = if taken.as_ref().is_some_and(|(name,)| *name == person.username) {
        ("username", "username")
    } else {
        ("email", "email address")
    };
    if taken.is_some() {
        return Err(Error::Conflict(ValidationErrors::one(field, text::taken(noun, "account"))));
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
    .execute(tx, proof)
    .await
    .map_err(|error| {
        Error::unique(error, "username", &text::taken("username or email address", "account"))
    })?;
    Ok(())
}

/// Makes a person a member of an organization. An existing member keeps their role. Returns whether the
/// membership is new.
///
/// # Errors
/// Returns an error if the person already has the maximum number of memberships, or if the database fails.
pub async fn insert_member(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
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
    let rows = change.write(proof, Effect::Principal(PrincipalId::Person(person)), statement).await?;
    Members::renew(change.tx(), proof, &person.to_string()).await?;
    Ok(rows == 1)
}

/// Adds a person to a team, or changes their team role there.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn set_team_member(
    change: &mut Change<'_>,
    proof: &impl WriteProof,
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
    change.write(proof, Effect::Principal(PrincipalId::Person(person)), statement).await?;
    Ok(())
}
