//! Refused sign-ins in the audit log. The first of an account and network is
//! written at once; those that follow within ten minutes are counted, and
//! written as one event with their number, so that somebody who guesses does not
//! fill the log. Attempts on accounts that do not exist are counted together for
//! each network.

use std::time::Duration;

use serde_json::json;

use crate::access::{System, SystemReason};
use crate::audit::{Action, Actor, ActorKind, Change, Channel, Event};
use crate::platform::Context;
use crate::platform::id::PersonId;
use crate::platform::rate_limits::network;
use crate::platform::text::casefold;
use crate::platform::{Result, Timestamp, sql};

/// Every refused sign-in is counted.
const REFUSALS: System = System::new(SystemReason::SignIn);

const WINDOW: Duration = Duration::from_secs(600);
/// So many are written in one transaction after another before others have a turn.
const AT_ONCE: i64 = 200;

#[derive(sqlx::FromRow)]
struct Counted {
    key: Vec<u8>,
    account: String,
    address: String,
    failures: i64,
    since: Timestamp,
    last_at: Timestamp,
}

impl Counted {
    fn event(&self, person: Option<PersonId>) -> Event {
        let after = json!({
            "failures": self.failures, "since": self.since.rfc3339(), "until": self.last_at.rfc3339(),
        });
        refused(person, &self.account).after(after)
    }
}

fn refused(person: Option<PersonId>, account: &str) -> Event {
    let id = person.map(|person| person.to_string()).unwrap_or_default();
    Event::new(Action::SignInRefused, "person", id, account)
}

/// Whose the typed address is; what is told of them stands in the logs of their
/// organizations.
async fn person_of(change: &mut Change<'_>, account: &str) -> Result<Option<PersonId>> {
    let row: Option<(PersonId,)> = sql("SELECT id FROM people WHERE email_folded = $1")
        .bind(casefold(account))
        .optional(change.tx())
        .await?;
    let person = row.map(|(id,)| id);
    if let Some(person) = person {
        change.about_person(person);
    }
    Ok(person)
}

/// Records a refused sign-in: the address that was typed, and whether it is
/// anybody's.
///
/// # Errors
/// When the database cannot.
pub async fn record(context: &Context, actor: &Actor, typed: &str, is_known: bool) -> Result<()> {
    let account: String = typed.chars().filter(|c| !c.is_control()).take(254).collect();
    let counted_as = if is_known { casefold(&account) } else { String::new() };
    let place = network(actor.address);
    let key = context.key.derive("refused sign-ins", format!("{counted_as}\n{place}").as_bytes());
    // Of two first ones at once, the second finds nothing to tell and counts.
    for _ in 0..3 {
        let now = context.clock.now();
        let mut tx = context.db.begin().await?;
        let counted = sql("UPDATE refused_sign_ins SET failures = failures + 1, last_at = $2 \
             WHERE key = $1 AND since > $3")
        .bind(key.as_slice())
        .bind(now)
        .bind(now.minus(WINDOW))
        .execute(&mut tx, &REFUSALS)
        .await?;
        if counted == 1 {
            tx.commit().await?;
            return Ok(());
        }
        drop(tx);
        let mut change = Change::begin(context, actor, None).await?;
        change.no_invalidation();
        let before: Option<Counted> = sql("DELETE FROM refused_sign_ins WHERE key = $1 AND since <= $2 \
             RETURNING key, account, address, failures, since, last_at")
        .bind(key.as_slice())
        .bind(now.minus(WINDOW))
        .execute_returning(change.tx(), &REFUSALS)
        .await?;
        if let Some(before) = before.filter(|before| before.failures > 0) {
            let person = person_of(&mut change, &before.account).await?;
            change.also(&before.event(person)).await?;
        }
        let first = sql("INSERT INTO refused_sign_ins (key, account, address, failures, since, last_at) \
             VALUES ($1, $2, $3, 0, $4, $4) ON CONFLICT (key) DO NOTHING")
        .bind(key.as_slice())
        .bind(&account)
        .bind(actor.address.map(|address| address.to_string()).unwrap_or_default())
        .bind(now)
        .execute(change.tx(), &REFUSALS)
        .await?;
        if first == 1 {
            let person = person_of(&mut change, &account).await?;
            return change.commit(refused(person, &account)).await;
        }
    }
    Ok(())
}

/// Writes what was counted in windows that are over.
///
/// # Errors
/// When the database cannot; what was not written is written next time.
pub async fn write_counted(context: &Context) -> Result<()> {
    let over = context.clock.now().minus(WINDOW);
    let mut tx = context.db.begin().await?;
    sql("DELETE FROM refused_sign_ins WHERE since <= $1 AND failures = 0")
        .bind(over)
        .execute(&mut tx, &REFUSALS)
        .await?;
    tx.commit().await?;
    let all: Vec<Counted> =
        sql("SELECT key, account, address, failures, since, last_at FROM refused_sign_ins \
         WHERE since <= $1 ORDER BY since LIMIT $2")
        .bind(over)
        .bind(AT_ONCE)
        .all(&context.db)
        .await?;
    for counted in all {
        let actor = Actor {
            kind: ActorKind::Nobody,
            id: String::new(),
            name: String::new(),
            token: None,
            through: Channel::Console,
            address: counted.address.parse().ok(),
            request_id: String::new(),
            on_behalf_of: None,
            for_team: None,
            idempotency_key: None,
        };
        let mut change = Change::begin(context, &actor, None).await?;
        change.no_invalidation();
        // Of several nodes, one takes it.
        let taken: Option<Counted> = sql("DELETE FROM refused_sign_ins WHERE key = $1 AND since = $2 \
             RETURNING key, account, address, failures, since, last_at")
        .bind(&counted.key[..])
        .bind(counted.since)
        .execute_returning(change.tx(), &REFUSALS)
        .await?;
        if let Some(taken) = taken {
            let person = person_of(&mut change, &taken.account).await?;
            change.commit(taken.event(person)).await?;
        }
    }
    Ok(())
}
