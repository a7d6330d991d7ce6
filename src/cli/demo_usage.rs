//! How the tokens of the demo were used in the last ninety days.

use std::net::IpAddr;
use std::time::Duration;

use crate::access::{Permission, System, SystemReason};
use crate::platform::id::{OrganizationId, ProjectId, ServiceAccountId, ServiceId, TokenId};
use crate::platform::{Error, Timestamp, Tx, sql};
use crate::state::AppState;
use crate::verification::usage::{
    Check, CountedCall, CountedPrincipal, CountedRow, CountedValue, Outcome, add_counts, day_number,
};

/// The demo makes up how things were used.
const DEMO: System = System::new(SystemReason::Demo);

/// How a token is used: how often on a working day, by which service, and for what.
struct Habit {
    /// Name of the service account or service token.
    name: &'static str,
    /// Calls on a working day.
    calls: i64,
    /// The share of these calls on a Saturday or Sunday, in per cent.
    weekend: i64,
    /// How many hours ago the last call was.
    hours: u64,
    address: &'static str,
    agent: &'static str,
    service: &'static str,
    permission: &'static str,
    project: &'static str,
}

const fn habit(
    name: &'static str,
    (calls, weekend, hours): (i64, i64, u64),
    (address, agent): (&'static str, &'static str),
    (service, permission, project): (&'static str, &'static str, &'static str),
) -> Habit {
    Habit { name, calls, weekend, hours, address, agent, service, permission, project }
}

const HABITS: &[Habit] = &[
    habit(
        "ci-deploy",
        (1_420, 12, 1),
        ("203.0.113.40", "terraform/1.14"),
        ("Storefront API", "runs:write", "storefront"),
    ),
    habit(
        "metrics-export",
        (410, 98, 9),
        ("203.0.113.77", "python-requests/2.32"),
        ("Warehouse gateway", "jobs:write", "warehouse"),
    ),
    habit(
        "edge-cache",
        (11_700, 84, 3),
        ("203.0.113.40", "edge-cache/3.1"),
        ("Storefront API", "projects:read", "storefront"),
    ),
    habit(
        "ledger-sync",
        (2_370, 41, 30),
        ("198.51.100.9", "python-requests/2.32"),
        ("Warehouse gateway", "runs:read", "payments"),
    ),
    habit(
        "warehouse-sync",
        (744, 100, 5),
        ("198.51.100.23", "dbt/1.9"),
        ("Warehouse gateway", "jobs:read", "payments"),
    ),
    habit(
        "bi-dashboards",
        (188, 9, 26),
        ("198.51.100.23", "metabase/0.52"),
        ("Warehouse gateway", "semantic_layer_config:read", "warehouse"),
    ),
];

#[derive(sqlx::FromRow)]
struct AccountRow {
    id: ServiceAccountId,
    key: TokenId,
}

/// Writes the usage of every token with a habit.
pub(super) async fn use_tokens(app: &AppState, now: Timestamp) -> Result<(), Error> {
    let db = &app.context.db;
    let (organization,): (OrganizationId,) = sql("SELECT id FROM organizations").one(db).await?;
    let services: Vec<(ServiceId, String)> = sql("SELECT id, name FROM services").all(db).await?;
    let projects: Vec<(ProjectId, String)> = sql("SELECT id, slug FROM projects").all(db).await?;
    let mut tx = db.begin().await?;
    for habit in HABITS {
        let at = now.minus(Duration::from_secs(habit.hours * 3600));
        let account: Option<AccountRow> = sql("SELECT a.id, t.id AS key FROM service_accounts a \
             JOIN tokens t ON t.service_account_id = a.id AND t.name = 'default' AND t.kind = 'service_account' \
             WHERE a.organization_id = $1 AND a.name_folded = $2")
        .bind(organization)
        .bind(habit.name)
        .optional(&mut tx)
        .await?;
        let token: Option<(TokenId,)> =
            sql("SELECT id FROM tokens WHERE organization_id = $1 AND kind = 'service_token' AND name = $2")
                .bind(organization)
                .bind(habit.name)
                .optional(&mut tx)
                .await?;
        let (principal, token) = match (account, token) {
            (Some(account), _) => (CountedPrincipal::ServiceAccount(account.id), account.key),
            (None, Some((token,))) => (CountedPrincipal::ServiceToken(token), token),
            (None, None) => continue,
        };
        note_last_use(&mut tx, habit, token, at).await?;
        let service = services.iter().find(|(_, name)| name == habit.service).map(|(id, _)| *id);
        let project = projects.iter().find(|(_, slug)| slug == habit.project).map(|(id, _)| *id);
        let value = CountedValue { principal, token: Some(token), is_old: false };
        let call = CountedCall {
            organization: Some(organization),
            address: habit.address.parse::<IpAddr>().ok(),
            service,
            check: Check {
                permission: habit.permission.parse::<Permission>().ok(),
                project,
                outcome: Outcome::Allowed,
            },
        };
        let today = day_number(at);
        for ago in 0..90 {
            add_counts(&mut tx, &DEMO, today - ago, &calls_of_day(habit, (value, call), today - ago, ago))
                .await?;
        }
    }
    name_people(&mut tx, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn note_last_use(tx: &mut Tx, habit: &Habit, token: TokenId, at: Timestamp) -> Result<(), Error> {
    sql("UPDATE service_accounts SET last_used_at = $1, last_used_address = $2 WHERE name = $3")
        .bind(at)
        .bind(habit.address)
        .bind(habit.name)
        .execute(tx, &DEMO)
        .await?;
    sql("UPDATE tokens SET last_used_at = $1, last_used_address = $2, last_used_agent = $3 WHERE id = $4")
        .bind(at)
        .bind(habit.address)
        .bind(habit.agent)
        .bind(token)
        .execute(tx, &DEMO)
        .await?;
    // The program with the replaced key used its old value since.
    sql("UPDATE token_values SET last_used_at = (SELECT regenerated_at FROM tokens WHERE id = $1) \
         WHERE token_id = $1 AND stops_at IS NOT NULL")
    .bind(token)
    .execute(tx, &DEMO)
    .await?;
    Ok(())
}

/// The calls of one day: more on working days, growing slowly, and never twice the same number.
fn calls_of_day(
    habit: &Habit,
    (value, call): (CountedValue, CountedCall),
    day: i64,
    ago: i64,
) -> Vec<(CountedRow, i64)> {
    // 1970-01-01 was a Thursday.
    let is_weekend = matches!((day + 3).rem_euclid(7), 5 | 6);
    let share = if is_weekend { habit.weekend } else { 100 };
    let varied = 88 + (day * 7_919 + habit.calls).rem_euclid(25);
    let allowed = habit.calls * share / 100 * varied / 100 * (150 - ago) / 150;
    let refused = |outcome: Outcome, address: &str, calls: i64| {
        let check = Check { outcome, ..call.check };
        ((Some(value), CountedCall { address: address.parse().ok(), check, ..call }), calls)
    };
    let mut rows = vec![((Some(value), call), allowed.max(1))];
    match (habit.name, ago) {
        // It moved to another network yesterday, which its key does not allow.
        ("ledger-sync", 0) => rows.push(refused(Outcome::Address, "198.51.100.77", 1_284)),
        ("ci-deploy", 15) => rows.push(refused(Outcome::Expired, habit.address, 539)),
        ("ci-deploy", _) => rows.push(refused(Outcome::Permission, habit.address, 2 + day.rem_euclid(9))),
        ("edge-cache", ago) if ago % 6 == 2 => rows.push(refused(Outcome::Project, habit.address, 31)),
        _ => {}
    }
    rows
}

/// For whom an account worked.
async fn name_people(tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
    for (name, username, team, calls, hours) in
        [("ci-deploy", "olive", "platform", 64, 3), ("ci-deploy", "dana", "platform", 12, 50)]
    {
        let at = now.minus(Duration::from_secs(hours * 3600));
        sql("INSERT INTO attributions (service_account_id, day, username, team, calls, last_at) \
             SELECT id, $1, $2, $3, $4, $5 FROM service_accounts WHERE name = $6")
        .bind(day_number(at))
        .bind(username)
        .bind(team)
        .bind(calls)
        .bind(at)
        .bind(name)
        .execute(tx, &DEMO)
        .await?;
    }
    Ok(())
}
