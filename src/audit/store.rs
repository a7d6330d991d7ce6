//! The SQL of the audit log: the one insert, which `Change` calls, and the
//! short lists of recent events on the pages of other sections. Searching the
//! whole log is in `audit_log::store`.

use super::event::{Actor, Event, EventSummary};
use crate::access::{System, SystemReason};
use crate::platform::id::{EventId, OrganizationId, PersonId};
use crate::platform::{Context, Db, Result, Timestamp, Tx, sql};

/// Every change writes its events.
const AUDIT_LOG: System = System::new(SystemReason::AuditLog);

/// Inserts an event inside the transaction of its change. `position` orders the
/// events of one change.
pub(super) async fn insert_event(
    tx: &mut Tx,
    context: &Context,
    actor: &Actor,
    organization: Option<OrganizationId>,
    (now, place): (Timestamp, u8),
    event: &Event,
) -> Result<()> {
    sql("INSERT INTO audit_events (id, organization_id, at, actor_kind, actor_id, actor_name, token_id, \
            action, target_kind, target_id, target_name, via, address, request_id, before, after, \
            on_behalf_of, for_team) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)")
    .bind(EventId::in_order(now, place, &context.random))
    .bind(organization)
    .bind(now)
    .bind(actor.kind)
    .bind(actor.id.clone())
    .bind(actor.name.clone())
    .bind(actor.token)
    .bind(event.action)
    .bind(event.target_kind)
    .bind(event.target_id.clone())
    .bind(event.target_name.clone())
    .bind(actor.through)
    .bind(actor.address.map(|address| address.to_string()))
    .bind(actor.request_id.clone())
    .bind(event.before.as_ref().map(ToString::to_string))
    .bind(event.after.as_ref().map(ToString::to_string))
    .bind(actor.on_behalf_of.clone())
    .bind(actor.for_team.clone())
    .execute(tx, &AUDIT_LOG)
    .await?;
    Ok(())
}

/// The organizations that a person belongs to. An event about the person
/// appears in the log of each.
pub(super) async fn list_organizations_of(tx: &mut Tx, person: PersonId) -> Result<Vec<OrganizationId>> {
    let rows: Vec<(OrganizationId,)> =
        sql("SELECT organization_id FROM memberships WHERE person_id = $1 ORDER BY organization_id")
            .bind(person)
            .all(tx)
            .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Text of a SELECT of [`EventSummary`]s. `$rest` is the WHERE condition and what
/// follows it.
macro_rules! summaries_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, at, actor_name, on_behalf_of, action, target_kind, target_name FROM audit_events WHERE ",
            $rest
        )
    };
}

/// The latest events of an organization, newest first.
///
/// # Errors
/// When the database cannot.
pub async fn list_latest_events(
    db: &Db,
    organization: OrganizationId,
    limit: i64,
) -> Result<Vec<EventSummary>> {
    Ok(sql(summaries_where!("organization_id = $1 ORDER BY id DESC LIMIT $2"))
        .bind(organization)
        .bind(limit)
        .all(db)
        .await?)
}

/// The latest events about an object, newest first, without those of which the
/// object itself is the actor.
///
/// # Errors
/// When the database cannot.
pub async fn list_events_about(
    db: &Db,
    organization: OrganizationId,
    target: &str,
    limit: i64,
) -> Result<Vec<EventSummary>> {
    Ok(sql(summaries_where!(
        "target_id = $1 AND organization_id = $2 AND actor_id <> $1 ORDER BY id DESC LIMIT $3"
    ))
    .bind(target)
    .bind(organization)
    .bind(limit)
    .all(db)
    .await?)
}

/// The latest events of which a principal is the actor, newest first.
///
/// # Errors
/// When the database cannot.
pub async fn list_events_by(
    db: &Db,
    organization: OrganizationId,
    actor: &str,
    limit: i64,
) -> Result<Vec<EventSummary>> {
    Ok(sql(summaries_where!("actor_id = $1 AND organization_id = $2 ORDER BY id DESC LIMIT $3"))
        .bind(actor)
        .bind(organization)
        .bind(limit)
        .all(db)
        .await?)
}
