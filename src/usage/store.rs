//! SQL for the counts of verifications.

use std::collections::HashMap;

use super::model::{CallsBy, CountRow, Days, History};
use crate::platform::db::Statement;
use crate::platform::id::{OrganizationId, TokenId};
use crate::platform::{Context, Db, Result, sql};

/// The calls of a principal, organization, service or project, by its id.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn history(db: &Db, subject: impl ToString, days: Days) -> Result<History> {
    let rows: Vec<CountRow> = sql("SELECT day, outcome, calls FROM usage_totals \
         WHERE subject_id = $1 AND day >= $2 AND day <= $3 ORDER BY day")
    .bind(subject.to_string())
    .bind(days.from)
    .bind(days.to)
    .all(db)
    .await?;
    Ok(History::of(&rows, days))
}

/// As [`history`], of what was used in one organization.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn history_in(
    db: &Db,
    subject: impl ToString,
    organization: OrganizationId,
    days: Days,
) -> Result<History> {
    let rows: Vec<CountRow> = sql("SELECT day, outcome, calls FROM usage_totals \
         WHERE subject_id = $1 AND day >= $2 AND day <= $3 AND organization_id = $4 ORDER BY day")
    .bind(subject.to_string())
    .bind(days.from)
    .bind(days.to)
    .bind(organization)
    .all(db)
    .await?;
    Ok(History::of(&rows, days))
}

/// A row of [`histories`].
#[derive(Debug, sqlx::FromRow)]
struct SubjectRow {
    subject_id: String,
    #[sqlx(flatten)]
    count: CountRow,
}

/// As [`history`], for the rows of a list: one for each id, in the same order.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn histories(db: &Db, subjects: Vec<String>, days: Days) -> Result<Vec<History>> {
    let rows = subjects.iter().map(|id| vec![id.into(), days.from.into(), days.to.into()]).collect();
    let rows: Vec<SubjectRow> = sql("SELECT u.subject_id, u.day, u.outcome, u.calls \
         FROM (VALUES ($1, $2, $3)) AS v JOIN usage_totals u ON u.subject_id = v.column1 \
            AND u.day >= v.column2 AND u.day <= v.column3")
    .fetch_batch(db, rows)
    .await?;
    let mut by_subject: HashMap<String, Vec<CountRow>> = HashMap::new();
    for row in rows {
        by_subject.entry(row.subject_id).or_default().push(row.count);
    }
    let none = Vec::new();
    Ok(subjects.iter().map(|id| History::of(by_subject.get(id).unwrap_or(&none), days)).collect())
}

/// Text of a SELECT of the counts of a token, `t`, which are found by its principal. `$rest` is the rest of the
/// condition and what follows it.
macro_rules! usage_of_token {
    ($what:literal, $rest:expr) => {
        concat!(
            "SELECT ",
            $what,
            " FROM tokens t JOIN usage u ON u.principal_id = CASE t.kind \
                WHEN 'service_account' THEN t.service_account_id WHEN 'team' THEN t.team_id \
                WHEN 'personal' THEN t.person_id WHEN 'service_secret' THEN t.service_id \
                WHEN 'organization' THEN t.organization_id ELSE t.id END \
             AND u.token_id = t.id AND u.day >= $2 AND u.day <= $3 WHERE t.id = $1 AND ",
            $rest
        )
    };
}

/// Text of the SELECT of the IP addresses that used a token. `$where` is a further condition.
macro_rules! addresses_of_token {
    ($where:literal) => {
        usage_of_token!(
            "u.address AS what, CAST(SUM(u.calls) AS BIGINT) AS calls, \
             CAST(SUM(SUM(u.calls)) OVER () AS BIGINT) AS total",
            concat!(
                "u.outcome = 'allowed' AND ",
                $where,
                " GROUP BY u.address ORDER BY SUM(u.calls) DESC, u.address LIMIT 20"
            )
        )
    };
}

/// The calls with both values of a token, and with what it was exchanged for, in one organization: a personal token is
/// used in several.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn history_of_token(
    db: &Db,
    token: TokenId,
    organization: OrganizationId,
    days: Days,
) -> Result<History> {
    let statement = sql(usage_of_token!(
        "u.day, u.outcome, CAST(SUM(u.calls) AS BIGINT) AS calls",
        "u.organization_id = $4 GROUP BY u.day, u.outcome"
    ));
    let rows: Vec<CountRow> = on(statement, &token, days).bind(organization).all(db).await?;
    Ok(History::of(&rows, days))
}

/// The IP addresses from which a principal called, with all its tokens, deleted ones included, by descending number
/// of allowed calls, at most 20.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn addresses(db: &Db, principal: impl ToString, days: Days) -> Result<Vec<CallsBy>> {
    let statement = sql("SELECT address AS what, CAST(SUM(calls) AS BIGINT) AS calls, \
            CAST(SUM(SUM(calls)) OVER () AS BIGINT) AS total \
         FROM usage WHERE principal_id = $1 AND day >= $2 AND day <= $3 AND outcome = 'allowed' \
         GROUP BY address ORDER BY SUM(calls) DESC, address LIMIT 20");
    Ok(on(statement, &principal, days).all(db).await?)
}

/// The [`addresses`] of the recent calls.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn recent_addresses(context: &Context, principal: impl ToString) -> Result<Vec<CallsBy>> {
    addresses(&context.db, principal, Days::recent(context.clock.now())).await
}

/// The IP addresses that used a token recently, by descending number of allowed calls, at most 20.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn recent_addresses_of_token(context: &Context, token: TokenId) -> Result<Vec<CallsBy>> {
    let statement = sql(addresses_of_token!("TRUE"));
    Ok(on(statement, &token, Days::recent(context.clock.now())).all(&context.db).await?)
}

/// As [`recent_addresses_of_token`], of what was used in one organization.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn recent_addresses_in(
    context: &Context,
    token: TokenId,
    organization: OrganizationId,
) -> Result<Vec<CallsBy>> {
    let statement = sql(addresses_of_token!("u.organization_id = $4"));
    let statement = on(statement, &token, Days::recent(context.clock.now()));
    Ok(statement.bind(organization).all(&context.db).await?)
}

/// The permissions that services asked of a principal and that were allowed, by descending number of calls.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn permissions(db: &Db, principal: impl ToString, days: Days) -> Result<Vec<CallsBy>> {
    let statement = sql("SELECT permission AS what, CAST(SUM(calls) AS BIGINT) AS calls, \
            CAST(SUM(SUM(calls)) OVER () AS BIGINT) AS total \
         FROM usage WHERE principal_id = $1 AND day >= $2 AND day <= $3 AND outcome = 'allowed' AND permission <> '' \
         GROUP BY permission ORDER BY SUM(calls) DESC, permission");
    Ok(on(statement, &principal, days).all(db).await?)
}

/// The services that verified tokens of a principal, as ids, by descending number of allowed calls, at most 20. The
/// calls to Tessera itself have no service.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn services(db: &Db, principal: impl ToString, days: Days) -> Result<Vec<CallsBy>> {
    let statement = sql("SELECT service_id AS what, CAST(SUM(calls) AS BIGINT) AS calls, \
            CAST(SUM(SUM(calls)) OVER () AS BIGINT) AS total \
         FROM usage WHERE principal_id = $1 AND day >= $2 AND day <= $3 AND outcome = 'allowed' \
         GROUP BY service_id ORDER BY SUM(calls) DESC, service_id LIMIT 20");
    Ok(on(statement, &principal, days).all(db).await?)
}

/// Binds what was used, and the days.
fn on(statement: Statement, used: &impl ToString, days: Days) -> Statement {
    statement.bind(used.to_string()).bind(days.from).bind(days.to)
}
