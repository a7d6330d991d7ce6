//! SQL for members and invitations.
//!
//! Statements that write take a permit, or the system proof of an accepted invitation, and are called by
//! `actions` and `invitations` only.

use std::collections::HashMap;

use super::model::{Invitation, InvitationDetails, Invitations, Member, People, ValidInvitation};
use crate::access::{Permit, PrincipalId, System, TeamRole};
use crate::audit::Change;
use crate::directory::model::TeamMembership;
use crate::directory::search::Members;
use crate::platform::db::{Source, Statement};
use crate::platform::id::{InvitationId, OrganizationId, PersonId, TeamId};
use crate::platform::search::{self, Search, SearchableList as _, Sorting};
use crate::platform::web::pagination::{Cursor, PageRequest, Sort, keyset};
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

/// Text of a SELECT of [`Member`]s from `$from`; `$rest` is the rest of the WHERE condition.
macro_rules! members_where {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT p.id, p.username, p.email, p.name, m.role, m.created_at, p.last_signed_in_at, EXISTS (SELECT 1 FROM team_members tm \
                JOIN teams t ON t.id = tm.team_id WHERE tm.person_id = p.id AND t.is_owners AND t.organization_id = $4) AS is_owner \
             FROM ",
            $from,
            " JOIN people p ON p.id = m.person_id WHERE m.organization_id = $4 AND ",
            $rest
        )
    };
}

/// The columns by which the list can be sorted.
pub const COLUMNS: &[Sort] = &[Sort::ascending("name"), Sort::descending("joined")];

/// The cursor of a member in a list with this order.
pub(super) fn cursor(page: &PageRequest, member: &Member) -> Cursor {
    let key = match page.order().0 {
        "joined" => member.created_at.micros().to_string(),
        _ => member.username.clone(),
    };
    Cursor { key, id: member.id.to_string() }
}

/// The statement for a page of the list in the order that the page asks for.
macro_rules! members_sorted {
    ($page:ident, $from:literal, $rest:literal) => {
        match $page.order().0 {
            "joined" => keyset!($page, members_where!($from, $rest), sorted number "m.created_at", "m.person_id"),
            _ => keyset!($page, members_where!($from, $rest), sorted "m.username", "m.person_id"),
        }
    };
}

/// A page of members, filtered by a search text and a role (each can be empty).
///
/// # Errors
/// Returns an error if the database fails.
pub async fn members(
    db: &Db,
    organization: OrganizationId,
    (search, role): (&str, &str),
    page: &PageRequest,
) -> Result<Vec<Member>> {
    let bound = |statement: Statement| statement.bind(organization).bind(role);
    let search = Search::read(db, organization, Members::LIST, search).await?;
    let sorting = match &search {
        Some(search) if !page.is_by_name() => Some(search.sorting(db, organization, Members::LIST).await?),
        _ => None,
    };
    let statement = match (search, sorting) {
        // The entries of the index are in the order of the usernames.
        (Some(Search::Indexed { gram, pattern }), None) => bound(keyset!(
            page,
            members_where!(
                "search_grams g CROSS JOIN search_texts s CROSS JOIN memberships m",
                "g.organization_id = $4 AND g.list = 'people' AND g.gram = $6 AND s.organization_id = g.organization_id \
                 AND s.list = g.list AND s.sort_key = g.sort_key AND s.entry_id = g.entry_id \
                 AND m.person_id = g.entry_id AND s.content LIKE $7 ESCAPE '\\' \
                 AND ($5 = '' OR m.role = $5)"
            ),
            ascending "g.sort_key", "g.entry_id"
        ))
        .bind(gram)
        .bind(pattern),
        // Few entries are read first and sorted then.
        (Some(Search::Indexed { gram, pattern }), Some(Sorting::MatchesFirst)) => bound(members_sorted!(
            page,
            "search_grams g CROSS JOIN search_texts s CROSS JOIN memberships m",
            "g.organization_id = $4 AND g.list = 'people' AND g.gram = $6 AND s.organization_id = g.organization_id \
             AND s.list = g.list AND s.sort_key = g.sort_key AND s.entry_id = g.entry_id \
             AND m.person_id = g.entry_id AND s.content LIKE $7 ESCAPE '\\' AND ($5 = '' OR m.role = $5)"
        ))
        .bind(gram)
        .bind(pattern),
        (Some(Search::Short { pattern }), None) => bound(keyset!(
            page,
            members_where!(
                "search_texts s JOIN memberships m ON m.organization_id = s.organization_id \
                    AND m.person_id = s.entry_id",
                "s.organization_id = $4 AND s.list = 'people' AND s.content LIKE $6 ESCAPE '\\' \
                 AND ($5 = '' OR m.role = $5)"
            ),
            ascending "s.sort_key", "s.entry_id"
        ))
        .bind(pattern),
        // If there are many, the list is read in its order until enough of them are found.
        (Some(Search::Indexed { pattern, .. } | Search::Short { pattern }), _) => bound(members_sorted!(
            page,
            "memberships m CROSS JOIN search_texts s",
            "s.organization_id = m.organization_id AND s.list = 'people' AND s.entry_id = m.person_id \
             AND s.content LIKE $6 ESCAPE '\\' AND ($5 = '' OR m.role = $5)"
        ))
        .bind(pattern),
        (None, _) if role.is_empty() => bound(members_sorted!(page, "memberships m", "$5 = ''")),
        (None, _) => bound(members_sorted!(page, "memberships m", "m.role = $5")),
    };
    Ok(statement.all(db).await?)
}

/// The open invitations (not accepted, revoked or expired), newest first, at most 1,000.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn invitations(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Vec<Invitation>> {
    let mut source = source.into();
    let mut all: Vec<Invitation> =
        sql("SELECT id, email, role, created_by_name, created_by, expires_at FROM invitations \
            WHERE organization_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2 \
            ORDER BY id DESC LIMIT 1000")
        .bind(organization)
        .bind(now)
        .all(source.reborrow())
        .await?;
    if all.is_empty() {
        return Ok(all);
    }
    let teams: Vec<InvitedPlace> =
        sql("SELECT i.id AS invitation_id, t.slug, p.role, t.name, t.visibility = 'secret' AS secret, t.id \
             FROM invitations i JOIN invitation_teams p ON p.invitation_id = i.id JOIN teams t ON t.id = p.team_id \
             WHERE i.organization_id = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $2 \
             ORDER BY t.slug")
        .bind(organization)
        .bind(now)
        .all(source)
        .await?;
    let mut by_invitation: HashMap<InvitationId, Vec<TeamMembership>> = HashMap::new();
    for row in teams {
        by_invitation.entry(row.invitation_id).or_default().push(row.place);
    }
    for invitation in &mut all {
        invitation.teams = by_invitation.remove(&invitation.id).unwrap_or_default();
    }
    Ok(all)
}

#[derive(sqlx::FromRow)]
struct InvitedPlace {
    invitation_id: InvitationId,
    #[sqlx(flatten)]
    place: TeamMembership,
}

/// Whether an email belongs to a member of the organization.
pub(super) async fn is_member(tx: &mut Tx, organization: OrganizationId, email: &str) -> Result<bool> {
    let row: Option<(PersonId,)> = sql("SELECT p.id FROM people p JOIN memberships m ON m.person_id = p.id \
         WHERE p.email_folded = $1 AND m.organization_id = $2")
    .bind(crate::platform::text::casefold(email))
    .bind(organization)
    .optional(tx)
    .await?;
    Ok(row.is_some())
}

/// Writes the fields of an open invitation. The actor becomes its inviter. Returns false if it has been
/// accepted or revoked.
pub(super) async fn update_invitation(
    change: &mut Change<'_>,
    permit: &Permit<Invitations>,
    id: InvitationId,
    invitation: &ValidInvitation,
    teams: &[(TeamId, TeamRole)],
) -> Result<bool> {
    let effect = Effect::Invitation(invitation.role.clone(), teams.to_vec());
    let actor = change.actor();
    let statement =
        sql("UPDATE invitations SET role = $1, expires_at = $2, created_by = $3, created_by_name = $4 \
         WHERE id = $5 AND accepted_at IS NULL AND revoked_at IS NULL")
        .bind(&invitation.role)
        .bind(invitation.expires_at)
        .bind(actor.id.clone())
        .bind(actor.name.clone())
        .bind(id);
    let rows = change.write(permit, effect.clone(), statement).await?;
    let clear = sql("DELETE FROM invitation_teams WHERE invitation_id = $1").bind(id);
    change.write(permit, effect.clone(), clear).await?;
    insert_teams(change, permit, &effect, id, teams).await?;
    Ok(rows == 1)
}

async fn insert_teams(
    change: &mut Change<'_>,
    permit: &Permit<Invitations>,
    effect: &Effect,
    id: InvitationId,
    teams: &[(TeamId, TeamRole)],
) -> Result<()> {
    for (team, role) in teams {
        let statement =
            sql("INSERT INTO invitation_teams (invitation_id, team_id, role) VALUES ($1, $2, $3)");
        change.write(permit, effect.clone(), statement.bind(id).bind(*team).bind(*role)).await?;
    }
    Ok(())
}

pub(super) async fn insert(
    change: &mut Change<'_>,
    permit: &Permit<Invitations>,
    organization: OrganizationId,
    id: InvitationId,
    code_hash: Vec<u8>,
    invitation: &ValidInvitation,
    teams: &[(TeamId, TeamRole)],
) -> Result<()> {
    ensure_room(change, Quota::Invitation(organization)).await?;
    ensure_room(change, Quota::Person(organization)).await?;
    let actor = change.actor();
    let statement = sql(
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
    .bind(change.now)
    .bind(invitation.expires_at);
    let effect = Effect::Invitation(invitation.role.clone(), teams.to_vec());
    change.write(permit, effect.clone(), statement).await?;
    insert_teams(change, permit, &effect, id, teams).await?;
    Ok(())
}

pub(super) async fn revoke(
    tx: &mut Tx,
    permit: &Permit<Invitations>,
    organization: OrganizationId,
    id: &str,
    now: Timestamp,
) -> Result<bool> {
    let rows = sql("UPDATE invitations SET revoked_at = $1 WHERE id = $2 AND organization_id = $3 \
         AND revoked_at IS NULL AND accepted_at IS NULL")
    .bind(now)
    .bind(id)
    .bind(organization)
    .execute(tx, permit)
    .await?;
    Ok(rows == 1)
}

/// Finds an open invitation by the hash of its code.
pub(super) async fn offer(
    source: impl Into<Source<'_>>,
    code_hash: Vec<u8>,
    now: Timestamp,
) -> Result<Option<InvitationDetails>> {
    Ok(sql(
        "SELECT i.id, i.organization_id, o.slug AS organization_slug, o.name AS organization_name, i.email, \
            i.role, i.expires_at, i.created_by FROM invitations i JOIN organizations o ON o.id = i.organization_id \
         WHERE i.code_hash = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $2",
    )
    .bind(code_hash)
    .bind(now)
    .optional(source)
    .await?)
}

/// Marks an invitation as accepted. Returns false if it has been accepted or revoked in the meantime.
pub(super) async fn accept(tx: &mut Tx, proof: System, id: InvitationId, now: Timestamp) -> Result<bool> {
    let rows = sql("UPDATE invitations SET accepted_at = $1 WHERE id = $2 AND accepted_at IS NULL AND revoked_at IS NULL")
        .bind(now)
        .bind(id)
        .execute(tx, &proof)
        .await?;
    Ok(rows == 1)
}

pub(super) async fn list_invited_teams(tx: &mut Tx, id: InvitationId) -> Result<Vec<(TeamId, TeamRole)>> {
    Ok(sql("SELECT team_id, role FROM invitation_teams WHERE invitation_id = $1").bind(id).all(tx).await?)
}

/// Finds a member by username or id.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    named: &str,
) -> Result<Member> {
    let found: Option<Member> =
        sql("SELECT p.id, p.username, p.email, p.name, m.role, m.created_at, p.last_signed_in_at, EXISTS (SELECT 1 FROM team_members tm \
            JOIN teams t ON t.id = tm.team_id WHERE tm.person_id = p.id AND t.is_owners AND t.organization_id = $1) AS is_owner \
         FROM memberships m JOIN people p ON p.id = m.person_id \
         WHERE m.organization_id = $1 AND (p.username = $2 OR p.id = $2)")
        .bind(organization)
        .bind(named)
        .optional(source)
        .await?;
    found.ok_or(Error::NotFound)
}

/// The teams of a person in the organization, sorted by slug.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn places(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    person: PersonId,
) -> Result<Vec<TeamMembership>> {
    Ok(sql("SELECT t.slug, m.role, t.name, t.visibility = 'secret' AS secret, t.id FROM team_members m \
         JOIN teams t ON t.id = m.team_id WHERE t.organization_id = $1 AND m.person_id = $2 ORDER BY t.slug")
    .bind(organization)
    .bind(person)
    .all(source)
    .await?)
}

#[derive(sqlx::FromRow)]
struct PlaceRow {
    person_id: PersonId,
    #[sqlx(flatten)]
    place: TeamMembership,
}

/// The teams of several people in the organization, each list sorted by slug.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn places_of(
    db: &Db,
    organization: OrganizationId,
    people: impl Iterator<Item = PersonId>,
) -> Result<HashMap<PersonId, Vec<TeamMembership>>> {
    let rows: Vec<PlaceRow> =
        sql("SELECT m.person_id, t.slug, m.role, t.name, t.visibility = 'secret' AS secret, t.id \
            FROM (VALUES ($1, $2)) AS v JOIN team_members m ON m.person_id = v.column1 \
            JOIN teams t ON t.id = m.team_id AND t.organization_id = v.column2 ORDER BY t.slug")
        .fetch_batch(db, people.map(|person| vec![person.into(), organization.into()]).collect())
        .await?;
    let mut places: HashMap<PersonId, Vec<TeamMembership>> = HashMap::new();
    for row in rows {
        places.entry(row.person_id).or_default().push(row.place);
    }
    Ok(places)
}

/// Writes a member's role.
pub(super) async fn set_role(
    change: &mut Change<'_>,
    permit: &Permit<People>,
    organization: OrganizationId,
    person: PersonId,
    role: &str,
) -> Result<()> {
    let statement = sql("UPDATE memberships SET role = $1 WHERE organization_id = $2 AND person_id = $3");
    let effect = Effect::Principal(PrincipalId::Person(person));
    change.write(permit, effect, statement.bind(role).bind(organization).bind(person)).await?;
    Ok(())
}

/// Removes a person from the organization: from its teams and memberships, with the grants that name them.
/// Revokes the open invitations that they made.
pub(super) async fn remove(
    tx: &mut Tx,
    permit: &Permit<People>,
    organization: OrganizationId,
    person: PersonId,
    now: Timestamp,
) -> Result<()> {
    sql("UPDATE invitations SET revoked_at = $1 WHERE organization_id = $2 AND created_by = $3 \
         AND accepted_at IS NULL AND revoked_at IS NULL")
    .bind(now)
    .bind(organization)
    .bind(person)
    .execute(&mut *tx, permit)
    .await?;
    for statement in [
        sql("DELETE FROM team_members WHERE team_id IN (SELECT id FROM teams WHERE organization_id = $1) \
             AND person_id = $2"),
        sql("DELETE FROM grants WHERE organization_id = $1 AND principal_id = $2"),
        sql("DELETE FROM memberships WHERE organization_id = $1 AND person_id = $2"),
    ] {
        statement.bind(organization).bind(person).execute(&mut *tx, permit).await?;
    }
    search::erase(tx, permit, organization, Members::LIST, &person).await
}

/// Number of owners of the organization.
pub(super) async fn owners(tx: &mut Tx, organization: OrganizationId) -> Result<i64> {
    let (count,): (i64,) = sql("SELECT COUNT(*) FROM team_members m JOIN teams t ON t.id = m.team_id \
         WHERE t.organization_id = $1 AND t.is_owners")
    .bind(organization)
    .one(tx)
    .await?;
    Ok(count)
}

/// A service account or token that outlives the membership of its creator.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Orphaned {
    /// Unique id of the object.
    pub id: String,
    /// `service_account` or a kind of token.
    pub kind: String,
    /// Display name of the object.
    pub name: String,
}

/// The existing service accounts and valid tokens that a person created in the organization, at most 100.
/// Keys, service secrets and access tokens are left out.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn orphaned_by(
    db: &Db,
    organization: OrganizationId,
    person: PersonId,
    now: Timestamp,
) -> Result<Vec<Orphaned>> {
    Ok(sql("SELECT id, 'service_account' AS kind, name FROM service_accounts \
            WHERE organization_id = $1 AND created_by = $2 AND deleted_at IS NULL \
         UNION ALL SELECT id, kind, name FROM tokens WHERE organization_id = $1 AND created_by = $2 \
            AND kind NOT IN ('service_account', 'service_secret', 'access') AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) ORDER BY 2, 3 LIMIT 100")
    .bind(organization)
    .bind(person)
    .bind(now)
    .all(db)
    .await?)
}

/// Records another person as the creator of everything that a person created in the organization. Returns the
/// number of objects.
pub(super) async fn transfer_responsibility(
    tx: &mut Tx,
    permit: &Permit<People>,
    organization: OrganizationId,
    from: PersonId,
    (to, name): (PersonId, &str),
) -> Result<u64> {
    let accounts = sql("UPDATE service_accounts SET created_by = $1, created_by_name = $2 \
         WHERE organization_id = $3 AND created_by = $4")
    .bind(to)
    .bind(name)
    .bind(organization)
    .bind(from)
    .execute(&mut *tx, permit)
    .await?;
    let tokens = sql("UPDATE tokens SET created_by = $1, created_by_name = $2 \
         WHERE organization_id = $3 AND created_by = $4")
    .bind(to)
    .bind(name)
    .bind(organization)
    .bind(from)
    .execute(tx, permit)
    .await?;
    Ok(accounts + tokens)
}
