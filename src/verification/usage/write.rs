//! Writes collected usage to the database.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::counted::{CountedPrincipal, CountedRow};
use super::pending::{Batch, TokenUse, day_number};
use crate::access::{System, SystemReason};
use crate::platform::db::{Value, WriteProof};
use crate::platform::{Context, Result, Tx, sql};

/// Every use of a token is recorded.
const USAGE: System = System::new(SystemReason::Usage);

/// Writes the collected last uses and counts in one transaction. If that fails, nothing is written and the caller
/// keeps the batch.
pub(super) async fn write_batch(context: &Context, batch: &Batch) -> Result<()> {
    let today = day_number(context.clock.now());
    let mut tx = context.db.begin().await?;
    write_last_uses(&mut tx, batch).await?;
    add_counts(&mut tx, &USAGE, today, &batch.counts).await?;
    let rows = batch.attributed.iter().map(|((account, username, team), (calls, last))| {
        vec![(*account).into(), today.into(), username.into(), team.into(), (*calls).into(), (*last).into()]
    });
    // The join leaves out accounts that were deleted in the meantime.
    sql("INSERT INTO attributions (service_account_id, day, username, team, calls, last_at) \
            SELECT a.id, v.column2, v.column3, v.column4, v.column5, v.column6 \
            FROM (VALUES ($1, $2, $3, $4, $5, $6)) AS v \
            JOIN service_accounts a ON a.id = v.column1 WHERE TRUE \
         ON CONFLICT (service_account_id, day, username, team) \
            DO UPDATE SET calls = attributions.calls + excluded.calls, last_at = excluded.last_at")
    .execute_batch(&mut tx, &USAGE, rows.collect())
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn write_last_uses(tx: &mut Tx, batch: &Batch) -> Result<()> {
    let (mut values, mut tokens, mut accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (value, last) in &batch.uses {
        if last.value.is_old {
            values.insert(*value, last.at);
        }
        keep_last(&mut tokens, last.token, last);
        // Using an access token also uses the token for which it was exchanged.
        if let Some(source) = &last.source {
            let at = values.entry(source.1).or_insert(last.at);
            *at = last.at.max(*at);
            keep_last(&mut tokens, source.0, last);
        }
        if let CountedPrincipal::ServiceAccount(account) = last.value.principal {
            keep_last(&mut accounts, account, last);
        }
    }
    sql("UPDATE token_values SET last_used_at = v.column2 FROM (VALUES ($1, $2)) AS v \
         WHERE token_values.hash = v.column1")
    .execute_batch(tx, &USAGE, values.into_iter().map(|(value, at)| vec![value.into(), at.into()]).collect())
    .await?;
    let rows = tokens.into_iter().map(|(token, last)| {
        let (agent, service) = (last.agent.as_deref(), last.service.as_deref());
        vec![token.into(), last.at.into(), ip_value(last.last.0.address), agent.into(), service.into()]
    });
    sql("UPDATE tokens SET last_used_at = v.column2, last_used_address = v.column3, last_used_agent = v.column4, \
            last_used_service = v.column5 FROM (VALUES ($1, $2, $3, $4, $5)) AS v \
         WHERE tokens.id = v.column1 AND COALESCE(tokens.last_used_at, 0) <= v.column2")
    .execute_batch(tx, &USAGE, rows.collect())
    .await?;
    let rows = accounts
        .into_iter()
        .map(|(account, last)| vec![account.into(), last.at.into(), ip_value(last.last.0.address)]);
    sql("UPDATE service_accounts SET last_used_at = v.column2, last_used_address = v.column3 \
         FROM (VALUES ($1, $2, $3)) AS v \
         WHERE service_accounts.id = v.column1 AND COALESCE(service_accounts.last_used_at, 0) <= v.column2")
    .execute_batch(tx, &USAGE, rows.collect())
    .await?;
    Ok(())
}

/// Adds to the counts of a day, and to the totals of each principal, organization, service and project.
///
/// # Errors
/// When the database cannot.
pub async fn add_counts(
    tx: &mut Tx,
    proof: &impl WriteProof,
    day: i64,
    counts: &[(CountedRow, i64)],
) -> Result<()> {
    let mut rows = Vec::with_capacity(counts.len());
    let mut totals: BTreeMap<(String, &'static str, String), i64> = BTreeMap::new();
    for ((value, call), calls) in counts {
        let outcome = call.check.outcome.word();
        // The calls of a service with its secret are its questions, which are counted with what they ask about.
        let is_secret = value.is_some_and(|value| matches!(value.principal, CountedPrincipal::Service(_)));
        let principal = value.map(|value| value.principal);
        // The organization's own token is a principal with the organization's id; its total is the organization's.
        let subjects = [
            principal.filter(|it| !matches!(it, CountedPrincipal::Organization(_))).map(|it| it.to_string()),
            call.organization.map(|id| id.to_string()),
            call.service.map(|id| id.to_string()),
            call.check.project.map(|id| id.to_string()),
        ];
        let organization = call.organization.map(|id| id.to_string()).unwrap_or_default();
        for subject in subjects.into_iter().flatten().filter(|_| !is_secret) {
            *totals.entry((subject, outcome, organization.clone())).or_default() += calls;
        }
        let Some(value) = value else { continue };
        rows.push(vec![
            value.principal.to_string().into(),
            text(value.token),
            day.into(),
            outcome.into(),
            text(call.service),
            text(call.check.project),
            text(call.check.permission),
            text(call.address),
            Value::Bool(value.is_old),
            organization.into(),
            (*calls).into(),
        ]);
    }
    sql("INSERT INTO usage (principal_id, token_id, day, outcome, service_id, project_id, permission, address, is_old, \
            organization_id, calls) \
            SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8, v.column9, \
                v.column10, v.column11 \
            FROM (VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)) AS v WHERE TRUE \
         ON CONFLICT (principal_id, token_id, day, outcome, service_id, project_id, permission, address, is_old, \
            organization_id) \
            DO UPDATE SET calls = usage.calls + excluded.calls")
    .execute_batch(tx, proof, rows)
    .await?;
    let totals = totals.into_iter().map(|((subject, outcome, organization), calls)| {
        vec![subject.into(), day.into(), outcome.into(), organization.into(), calls.into()]
    });
    sql("INSERT INTO usage_totals (subject_id, day, outcome, organization_id, calls) \
            SELECT v.column1, v.column2, v.column3, v.column4, v.column5 FROM (VALUES ($1, $2, $3, $4, $5)) AS v WHERE TRUE \
         ON CONFLICT (subject_id, day, outcome, organization_id) \
            DO UPDATE SET calls = usage_totals.calls + excluded.calls")
    .execute_batch(tx, proof, totals.collect())
    .await?;
    Ok(())
}

/// The stored form of a part of a key; empty if it is not known.
fn text(part: Option<impl ToString>) -> Value {
    part.map(|part| part.to_string()).unwrap_or_default().into()
}

/// The stored form of an IP address in a column; NULL if it is not known.
fn ip_value(address: Option<IpAddr>) -> Value {
    address.map(|address| address.to_string()).into()
}

fn keep_last<'a, K: Ord>(all: &mut BTreeMap<K, &'a TokenUse>, key: K, last: &'a TokenUse) {
    let kept = all.entry(key).or_insert(last);
    if kept.at <= last.at {
        *kept = last;
    }
}
