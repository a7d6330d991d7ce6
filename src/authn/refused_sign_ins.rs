//! Audit events for refused sign-ins. The first refusal for an account and a
//! network is written at once. Refusals that follow within ten minutes are only
//! counted, and then written as one event with their number, so that guessing
//! does not fill the log. Attempts on accounts that do not exist are counted
//! together for each network.

use std::time::Duration;

use serde_json::json;

use crate::access::{System, SystemReason};
use crate::audit::{Action, Actor, ActorKind, Change, Channel, Event};
use crate::platform::id::PersonId;
use crate::platform::rate_limits::network;
use crate::platform::text::casefold;
use crate::platform::{Context, Result, Timestamp, sql};

/// The permit for counting refused sign-ins.
const REFUSALS: System = System::new(SystemReason::SignIn);

/// How long refusals are counted before they are written as one event.
const WINDOW: Duration = Duration::from_secs(600);
/// The largest number of events that one clean-up run writes.
const MAX_EVENTS_PER_RUN: i64 = 200;

/// The refusals for one account and network since the last event.
#[derive(sqlx::FromRow)]
struct RefusalCount {
    key: Vec<u8>,
    account: String,
    address: String,
    failures: i64,
    since: Timestamp,
    last_at: Timestamp,
}

impl RefusalCount {
    fn event(&self, person: Option<PersonId>) -> Event {
        let after = json!({
            "failures": self.failures, "since": self.since.rfc3339(), "until": self.last_at.rfc3339(),
        });
        refusal_event(person, &self.account).after(after)
    }
}

fn refusal_event(person: Option<PersonId>, account: &str) -> Event {
    let id = person.map(|person| person.to_string()).unwrap_or_default();
    Event::new(Action::SignInRefused, "person", id, account)
}

/// Finds the person with this email address. The event then appears in the logs
/// of the person's organizations.
async fn find_person(change: &mut Change<'_>, account: &str) -> Result<Option<PersonId>> {
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

/// Records a refused sign-in. `typed` is the email address as it was typed;
/// `is_known` says whether a person has this address.
///
/// # Errors
/// When the database cannot.
pub async fn record(context: &Context, actor: &Actor, typed: &str, is_known: bool) -> Result<()> {
    let account: String = typed.chars().filter(|c| !c.is_control()).take(254).collect();
    let counted_account = if is_known { casefold(&account) } else { String::new() };
    let place = network(actor.address);
    let key = context.key.derive("refused sign-ins", format!("{counted_account}\n{place}").as_bytes());
    // If two first refusals arrive at once, the insert of the second one fails; it then counts itself.
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
        let before: Option<RefusalCount> =
            sql("DELETE FROM refused_sign_ins WHERE key = $1 AND since <= $2 \
             RETURNING key, account, address, failures, since, last_at")
            .bind(key.as_slice())
            .bind(now.minus(WINDOW))
            .execute_returning(change.tx(), &REFUSALS)
            .await?;
        if let Some(before) = before.filter(|before| before.failures > 0) {
            let person = find_person(&mut change, &before.account).await?;
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
            let person = find_person(&mut change, &account).await?;
            return change.commit(refusal_event(person, &account)).await;
        }
    }
    Ok(())
}

/// Writes the events of windows that have ended, at most `MAX_EVENTS_PER_RUN`.
///
/// # Errors
/// When the database cannot; the remaining events are written next time.
pub async fn write_counted(context: &Context) -> Result<()> {
    let over = context.clock.now().minus(WINDOW);
    let mut tx = context.db.begin().await?;
    sql("DELETE FROM refused_sign_ins WHERE since <= $1 AND failures = 0")
        .bind(over)
        .execute(&mut tx, &REFUSALS)
        .await?;
    tx.commit().await?;
    let all: Vec<RefusalCount> =
        sql("SELECT key, account, address, failures, since, last_at FROM refused_sign_ins \
         WHERE since <= $1 ORDER BY since LIMIT $2")
        .bind(over)
        .bind(MAX_EVENTS_PER_RUN)
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
        // If several nodes do this at once, only one deletes the row and writes the event.
        let taken: Option<RefusalCount> = sql("DELETE FROM refused_sign_ins WHERE key = $1 AND since = $2 \
             RETURNING key, account, address, failures, since, last_at")
        .bind(&counted.key[..])
        .bind(counted.since)
        .execute_returning(change.tx(), &REFUSALS)
        .await?;
        if let Some(taken) = taken {
            let person = find_person(&mut change, &taken.account).await?;
            change.commit(taken.event(person)).await?;
        }
    }
    Ok(())
}
