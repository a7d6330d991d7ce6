//! SQL for teams and their members.
//!
//! Statements that write take a permit and are called by `actions` only.

use super::model::{Member, MembersOf, Team, Teams, ValidTeam};
use crate::access::{Permit, PrincipalId, TeamRole};
use crate::audit::Change;
use crate::directory::store::set_team_member;
use crate::platform::clock::EXPIRES_SOON;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::text::{contains_pattern, taken};
use crate::platform::web::Form;
use crate::platform::web::pagination::{Cursor, PageRequest, Sort, keyset};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

/// Which teams a list shows: the visible ones, and those selected here.
#[derive(Clone, Debug)]
pub struct TeamVisibilityFilter {
    /// Whether all secret teams are shown.
    pub all: bool,
    /// The person whose own secret teams are shown.
    pub person: Option<PersonId>,
}

/// Filters of a list. An empty filter matches every row.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text to search for in name and slug.
    pub search: String,
    /// Visibility of the team.
    pub visibility: String,
    /// State of the team's token: `none`, or `expiring` for one that expires soon.
    pub token: String,
}

impl Filter {
    /// Reads the filter from the query of a request.
    #[must_use]
    pub fn read(query: &Form) -> Self {
        Self { search: query.text("q"), visibility: query.text("visibility"), token: query.text("token") }
    }
}

impl ListFilter for Filter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("q", self.search.as_str()),
            ("visibility", self.visibility.as_str()),
            ("token", self.token.as_str()),
        ]
    }
}

/// The number of teams of the list, and of those that the saved filters find.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Counts {
    /// All teams that the reader sees.
    pub total: i64,
    /// Teams whose token expires soon.
    pub expiring: i64,
    /// Teams without a token.
    pub without_token: i64,
    /// Secret teams.
    pub secret: i64,
}

/// Text of a SELECT of [`Team`]s. `$most` limits the counts (` LIMIT …` or empty); `$rest` is the WHERE
/// condition and what follows it.
macro_rules! teams_where {
    ($most:literal, $rest:literal) => {
        concat!(
            "SELECT t.id, t.slug, t.name, t.description, t.visibility, t.role, t.members_manage_token, \
                t.created_at, t.is_owners, t.version, \
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM team_members m WHERE m.team_id = t.id",
            $most,
            ") counted) AS members, (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a \
                WHERE a.team_id = t.id AND a.deleted_at IS NULL",
            $most,
            ") counted) AS accounts, (SELECT COUNT(*) FROM (SELECT 1 AS one FROM projects p WHERE p.team_id = t.id",
            $most,
            ") counted) AS projects, k.id IS NOT NULL AS has_token, k.expires_at AS token_ends \
             FROM teams t LEFT JOIN tokens k ON k.team_id = t.id AND k.kind = 'team' AND k.revoked_at IS NULL WHERE ",
            $rest
        )
    };
}

/// The columns by which the list can be sorted.
pub const COLUMNS: &[Sort] = &[Sort::ascending("name")];

/// The cursor of a team in a list with this order.
pub(super) fn cursor(page: &PageRequest, team: &Team) -> Cursor {
    let key = match (team.is_owners, page.order().1) {
        (false, _) => team.slug.clone(),
        // The owners team comes first in both directions.
        (true, false) => String::new(),
        (true, true) => "~".to_owned(),
    };
    Cursor { key, id: team.id.to_string() }
}

/// Text of the list's SELECT.
macro_rules! teams_listed {
    () => {
        teams_where!(
            " LIMIT 101",
            "t.organization_id = $4 AND ($5 OR t.visibility = 'visible' \
                OR EXISTS (SELECT 1 FROM team_members m WHERE m.team_id = t.id AND m.person_id = $6)) \
             AND (LOWER(t.name COLLATE \"default\") LIKE $7 ESCAPE '\\' OR t.slug LIKE $7 ESCAPE '\\') \
             AND ($8 = '' OR t.visibility = $8) \
             AND ($9 = '' OR ($9 = 'none' AND k.id IS NULL) \
                OR ($9 = 'expiring' AND k.expires_at > $10 AND k.expires_at <= $11))"
        )
    };
}

/// A page of teams: the `owners` team first, then by slug.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    seen: &TeamVisibilityFilter,
    filter: &Filter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Vec<Team>> {
    let statement = if page.order().1 {
        keyset!(page, teams_listed!(), descending "CASE WHEN t.is_owners THEN '~' ELSE t.slug END", "t.id")
    } else {
        keyset!(page, teams_listed!(), ascending "CASE WHEN t.is_owners THEN '' ELSE t.slug END", "t.id")
    };
    Ok(statement
        .bind(organization)
        .bind(seen.all)
        .bind(seen.person)
        .bind(contains_pattern(&filter.search))
        .bind(&filter.visibility)
        .bind(&filter.token)
        .bind(now)
        .bind(now.plus(EXPIRES_SOON))
        .all(db)
        .await?)
}

/// Counts the teams of each saved filter. An organization has few enough teams to count them all.
///
/// # Errors
/// Returns an error if the database fails.
pub(super) async fn count(
    db: &Db,
    organization: OrganizationId,
    seen: &TeamVisibilityFilter,
    now: Timestamp,
) -> Result<Counts> {
    Ok(sql("SELECT COUNT(*) AS total, \
            COUNT(CASE WHEN t.token_ends > $4 AND t.token_ends <= $5 THEN 1 END) AS expiring, \
            COUNT(CASE WHEN t.token_ends IS NULL THEN 1 END) AS without_token, \
            COUNT(CASE WHEN t.visibility = 'secret' THEN 1 END) AS secret \
         FROM (SELECT t.visibility, (SELECT COALESCE(k.expires_at, 9223372036854775807) FROM tokens k \
                WHERE k.team_id = t.id AND k.kind = 'team' AND k.revoked_at IS NULL) AS token_ends \
            FROM teams t WHERE t.organization_id = $1 AND ($2 OR t.visibility = 'visible' \
                OR EXISTS (SELECT 1 FROM team_members m WHERE m.team_id = t.id AND m.person_id = $3))) t")
    .bind(organization)
    .bind(seen.all)
    .bind(seen.person)
    .bind(now)
    .bind(now.plus(EXPIRES_SOON))
    .one(db)
    .await?)
}

/// Finds a team of the organization by its slug or id.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(source: impl Into<Source<'_>>, organization: OrganizationId, named: &str) -> Result<Team> {
    let team: Option<Team> = sql(teams_where!("", "t.organization_id = $1 AND (t.slug = $2 OR t.id = $2)"))
        .bind(organization)
        .bind(named)
        .optional(source)
        .await?;
    team.ok_or(Error::NotFound)
}

pub(super) async fn insert(
    change: &mut Change<'_>,
    permit: &Permit<Teams>,
    organization: OrganizationId,
    id: TeamId,
    team: &ValidTeam,
) -> Result<()> {
    ensure_room(change, Quota::Team(organization)).await?;
    let statement =
        sql("INSERT INTO teams (id, organization_id, slug, name, description, visibility, role, \
            members_manage_token, is_owners, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, 0, $9)")
        .bind(id)
        .bind(organization)
        .bind(&team.slug)
        .bind(&team.name)
        .bind(&team.description)
        .bind(team.visibility)
        .bind(&team.role)
        .bind(team.members_manage_token)
        .bind(change.now);
    let effect = Effect::Principal(PrincipalId::Team(id));
    change
        .write_unique(permit, effect, statement, |error| Error::unique(error, "slug", &taken("slug", "team")))
        .await?;
    Ok(())
}

/// Writes an edit if the row still has the version that was read. Returns false otherwise.
pub(super) async fn update(
    change: &mut Change<'_>,
    team: &Permit<Team>,
    checked: &ValidTeam,
) -> Result<bool> {
    let statement = sql("UPDATE teams SET name = $1, description = $2, visibility = $3, role = $4, \
            members_manage_token = $5, version = version + 1 WHERE id = $6 AND version = $7")
    .bind(&checked.name)
    .bind(&checked.description)
    .bind(checked.visibility)
    .bind(&checked.role)
    .bind(checked.members_manage_token)
    .bind(team.id)
    .bind(team.version);
    Ok(change.write(team, Effect::Principal(PrincipalId::Team(team.id)), statement).await? == 1)
}

/// Names of the projects that belong to a team, for the error that prevents its deletion.
pub(super) async fn tied_projects(tx: &mut Tx, team: TeamId) -> Result<Vec<(String,)>> {
    Ok(sql("SELECT name FROM projects WHERE team_id = $1 ORDER BY slug LIMIT 20").bind(team).all(tx).await?)
}

/// Names of at most 20 existing service accounts that belong to a team or have it as their default team.
pub(super) async fn tied_accounts(tx: &mut Tx, team: TeamId) -> Result<Vec<(String,)>> {
    Ok(sql("SELECT name FROM service_accounts WHERE (team_id = $1 OR default_team_id = $1) AND deleted_at IS NULL \
            ORDER BY name_folded LIMIT 20")
        .bind(team)
        .all(tx)
        .await?)
}

pub(super) async fn delete(tx: &mut Tx, team: &Permit<Team>) -> Result<()> {
    // Rows of deleted accounts refer to the team. They are kept for the audit log only as long as their team
    // exists.
    sql("DELETE FROM service_accounts WHERE (team_id = $1 OR default_team_id = $1) AND deleted_at IS NOT NULL")
        .bind(team.id)
        .execute(&mut *tx, team)
        .await?;
    sql("DELETE FROM grants WHERE principal_id = $1").bind(team.id).execute(&mut *tx, team).await?;
    sql("DELETE FROM teams WHERE id = $1").bind(team.id).execute(tx, team).await?;
    Ok(())
}

/// A page of the people in a team, sorted by username.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn members(db: &Db, team: TeamId, page: &PageRequest) -> Result<Vec<Member>> {
    Ok(keyset!(
        page,
        "SELECT p.id, p.username, p.email, p.name, m.role FROM team_members m \
            JOIN people p ON p.id = m.person_id WHERE m.team_id = $4",
        ascending "m.username", "m.person_id"
    )
    .bind(team)
    .all(db)
    .await?)
}

/// Finds a member of the organization by username or email. Returns the id, username, name and, if the person
/// is in the team, the team role.
pub(super) async fn person(
    tx: &mut Tx,
    organization: OrganizationId,
    team: TeamId,
    named: &str,
) -> Result<Option<(PersonId, String, String, Option<TeamRole>)>> {
    Ok(sql("SELECT p.id, p.username, p.name, t.role FROM people p \
            JOIN memberships m ON m.person_id = p.id AND m.organization_id = $1 \
            LEFT JOIN team_members t ON t.person_id = p.id AND t.team_id = $2 \
            WHERE p.username = $3 OR p.email_folded = $3")
    .bind(organization)
    .bind(team)
    .bind(crate::platform::text::casefold(named))
    .optional(tx)
    .await?)
}

pub(super) async fn set_member(
    change: &mut Change<'_>,
    team: &Permit<MembersOf>,
    person: PersonId,
    role: TeamRole,
) -> Result<()> {
    set_team_member(change, team, team.0.id, person, role).await
}

pub(super) async fn remove_member(tx: &mut Tx, team: &Permit<MembersOf>, person: PersonId) -> Result<()> {
    sql("DELETE FROM team_members WHERE team_id = $1 AND person_id = $2")
        .bind(team.0.id)
        .bind(person)
        .execute(tx, team)
        .await?;
    Ok(())
}

pub(super) async fn count_members(tx: &mut Tx, team: TeamId) -> Result<i64> {
    let (count,): (i64,) =
        sql("SELECT COUNT(*) FROM team_members WHERE team_id = $1").bind(team).one(tx).await?;
    Ok(count)
}
