//! SQL for what the overview mentions: tokens that expire, refused calls, old values in use, and what the reader has.

use std::time::Duration;

use crate::access::{TeamRole, TokenKind};
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, TokenId};
use crate::platform::text::MOST;
use crate::platform::{Db, Result, Timestamp, sql};
use crate::ui::charts::MOST_IN_A_WEEK;
use crate::usage::model::Days;

/// A token with the object that it belongs to, as the overview mentions it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Expiring {
    /// Unique id.
    pub id: TokenId,
    /// Kind of the token.
    pub kind: TokenKind,
    /// Display name.
    pub name: String,
    /// Name of the service account or team that the token acts as. `None` for other kinds.
    pub holder: Option<String>,
    /// The service account that the token is a key of.
    pub service_account_id: Option<ServiceAccountId>,
    /// Slug of the team that the token acts as.
    pub team: Option<String>,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Last use, accurate to a minute; `None` if it was never used.
    pub last_used_at: Option<Timestamp>,
}

/// The next tokens to expire until `end`, the first one first, at most four.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn next_to_expire(
    db: &Db,
    organization: OrganizationId,
    (now, end): (Timestamp, Timestamp),
) -> Result<Vec<Expiring>> {
    Ok(sql("SELECT t.id, t.kind, t.name, COALESCE(a.name, own.name) AS holder, t.service_account_id, own.slug AS team, \
            t.expires_at, t.last_used_at FROM tokens t \
         LEFT JOIN service_accounts a ON a.id = t.service_account_id LEFT JOIN teams own ON own.id = t.team_id \
         WHERE t.organization_id = $1 AND t.revoked_at IS NULL AND t.kind <> 'access' AND t.kind <> 'service_secret' \
            AND t.expires_at > $2 AND t.expires_at <= $3 ORDER BY t.expires_at, t.id LIMIT 4")
    .bind(organization).bind(now).bind(end).all(db).await?)
}

/// How many tokens expire in each of the next 13 weeks. Each count stops after [`MOST_IN_A_WEEK`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn count_by_week(db: &Db, organization: OrganizationId, now: Timestamp) -> Result<Vec<i64>> {
    let weeks: Vec<(i64,)> = sql("SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens t WHERE t.organization_id = $1 \
                AND t.revoked_at IS NULL AND t.kind <> 'access' AND t.kind <> 'service_secret' \
                AND t.expires_at > $2 + w.column1 * $3 AND t.expires_at <= $2 + (w.column1 + 1) * $3 \
                LIMIT $4) counted) AS tokens \
         FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12)) AS w ORDER BY w.column1")
    .bind(organization)
    .bind(now)
    .bind(7 * 86_400_000_000_i64)
    .bind(MOST_IN_A_WEEK + 1)
    .all(db)
    .await?;
    Ok(weeks.into_iter().map(|(tokens,)| tokens).collect())
}

/// A principal whose tokens were refused.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RefusedPrincipal {
    /// Its id: a service account, team or service token.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// The slug of a team.
    pub team: Option<String>,
}

/// The principals whose tokens were refused most often, at most three.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn refused_principals(
    db: &Db,
    organization: OrganizationId,
    days: Days,
) -> Result<Vec<RefusedPrincipal>> {
    Ok(sql("SELECT u.subject_id AS id, COALESCE(a.name, g.name, t.name) AS name, g.slug AS team FROM usage_totals u \
         LEFT JOIN service_accounts a ON a.id = u.subject_id AND a.deleted_at IS NULL \
         LEFT JOIN teams g ON g.id = u.subject_id \
         LEFT JOIN tokens t ON t.id = u.subject_id AND t.kind = 'service_token' \
         WHERE u.organization_id = $1 AND u.outcome <> 'allowed' AND u.day >= $2 AND u.day <= $3 \
            AND COALESCE(a.name, g.name, t.name) IS NOT NULL \
         GROUP BY u.subject_id, a.name, g.name, t.name, g.slug ORDER BY SUM(u.calls) DESC, u.subject_id LIMIT 3")
    .bind(organization)
    .bind(days.from)
    .bind(days.to)
    .all(db)
    .await?)
}

/// An old value that is used although there is a new one.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OldValue {
    /// Its token.
    #[sqlx(flatten)]
    pub token: Expiring,
    /// When the old value was used last.
    pub old_used_at: Timestamp,
    /// When the old value stops working.
    pub old_stops_at: Timestamp,
}

/// The longest overlap: tokens that were regenerated before have no old value.
const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 86_400);

/// The old values that are used during their overlap, those first that stop first; at most three. Of the tokens that
/// were regenerated lately, the latest thousand are looked at.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn old_values_in_use(
    db: &Db,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Vec<OldValue>> {
    Ok(sql("SELECT t.id, t.kind, t.name, COALESCE(a.name, own.name) AS holder, t.service_account_id, own.slug AS team, \
            COALESCE(t.expires_at, v.stops_at) AS expires_at, t.last_used_at, \
            v.last_used_at AS old_used_at, v.stops_at AS old_stops_at \
         FROM (SELECT r.id FROM tokens r WHERE r.organization_id = $1 AND r.revoked_at IS NULL AND r.kind <> 'access' \
                AND r.regenerated_by_name IS NOT NULL AND r.regenerated_at > $3 \
                ORDER BY r.regenerated_at DESC LIMIT 1000) recent \
         JOIN tokens t ON t.id = recent.id \
         JOIN token_values v ON v.token_id = t.id AND v.stops_at > $2 AND v.last_used_at >= t.regenerated_at \
         LEFT JOIN service_accounts a ON a.id = t.service_account_id LEFT JOIN teams own ON own.id = t.team_id \
         WHERE t.kind <> 'service_secret' ORDER BY v.stops_at LIMIT 3")
    .bind(organization)
    .bind(now)
    .bind(now.minus(LONGEST_OVERLAP))
    .all(db)
    .await?)
}

/// How many active tokens were created before `before` and never used. Stops after [`MOST`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn count_never_used(
    db: &Db,
    organization: OrganizationId,
    (now, before): (Timestamp, Timestamp),
) -> Result<i64> {
    let (count,): (i64,) =
        sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens t WHERE t.organization_id = $1 \
            AND t.revoked_at IS NULL AND t.kind <> 'access' AND t.kind <> 'service_secret' \
            AND t.last_used_at IS NULL AND t.id < $2 AND (t.expires_at IS NULL OR t.expires_at > $4) LIMIT $3) counted")
        .bind(organization)
        .bind(TokenId::first_of(before))
        .bind(MOST + 1)
        .bind(now)
        .one(db)
        .await?;
    Ok(count)
}

/// How many of the latest thousand invitations can be accepted now.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn count_open_invitations(db: &Db, organization: OrganizationId, now: Timestamp) -> Result<i64> {
    let (count,): (i64,) =
        sql("SELECT COUNT(*) FROM (SELECT accepted_at, revoked_at, expires_at FROM invitations \
            WHERE organization_id = $1 ORDER BY id DESC LIMIT $3) latest \
         WHERE accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2")
        .bind(organization)
        .bind(now)
        .bind(MOST)
        .one(db)
        .await?;
    Ok(count)
}

/// A team of the reader, with its token.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OwnTeam {
    /// Slug in paths.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// What the reader is in the team.
    pub role: TeamRole,
    /// Whether the team has a token that is not revoked.
    pub has_token: bool,
    /// When that token expires.
    pub token_ends: Option<Timestamp>,
}

/// The teams of a person, by slug, at most 20.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn own_teams(db: &Db, organization: OrganizationId, person: PersonId) -> Result<Vec<OwnTeam>> {
    Ok(sql("SELECT t.slug, t.name, m.role, k.id IS NOT NULL AS has_token, k.expires_at AS token_ends \
         FROM team_members m JOIN teams t ON t.id = m.team_id \
         LEFT JOIN tokens k ON k.team_id = t.id AND k.kind = 'team' AND k.revoked_at IS NULL \
         WHERE m.person_id = $1 AND t.organization_id = $2 ORDER BY t.slug LIMIT 20")
    .bind(person)
    .bind(organization)
    .all(db)
    .await?)
}

/// A personal token that expires soon.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OwnToken {
    /// Unique id.
    pub id: TokenId,
    /// Display name.
    pub name: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The personal tokens of a person that expire until `soon`, the first one first, at most five.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn own_tokens(
    db: &Db,
    person: PersonId,
    (now, soon): (Timestamp, Timestamp),
) -> Result<Vec<OwnToken>> {
    Ok(sql("SELECT id, name, expires_at FROM tokens WHERE person_id = $1 AND kind = 'personal' AND revoked_at IS NULL \
            AND expires_at > $2 AND expires_at <= $3 ORDER BY expires_at, id LIMIT 5")
    .bind(person)
    .bind(now)
    .bind(soon)
    .all(db)
    .await?)
}

/// How many people belong to the organization. Stops after [`MOST`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn count_people(db: &Db, organization: OrganizationId) -> Result<i64> {
    let (count,): (i64,) = sql(
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM memberships WHERE organization_id = $1 ORDER BY person_id LIMIT $2) counted",
    )
    .bind(organization)
    .bind(MOST + 1)
    .one(db)
    .await?;
    Ok(count)
}
