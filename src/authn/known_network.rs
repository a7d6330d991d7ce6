//! Networks from which a person signed in before. Attempts from there are counted
//! apart from those of everybody else, as those of known browsers are.

use std::net::IpAddr;
use std::time::Duration;

use crate::access::System;
use crate::platform::clock::DAY;
use crate::platform::id::PersonId;
use crate::platform::rate_limits::network;
use crate::platform::{Context, Result, Timestamp, Tx, sql};

/// Networks are remembered so long after the last sign-in from them, so many of
/// each person.
const NETWORK_LIFETIME: Duration = Duration::from_secs(90 * DAY.as_secs());
const MAX_NETWORKS: i64 = 20;

/// What is stored of a network: who reads the database does not learn it.
fn stored(context: &Context, person: &str, network: IpAddr) -> Vec<u8> {
    context.key.derive("sign-in network", format!("{person}\n{network}").as_bytes()).to_vec()
}

/// Whether the person signed in from this network lately. Asked for nobody too,
/// so that it takes as long.
pub(super) async fn knows_network(
    context: &Context,
    person: Option<PersonId>,
    network: IpAddr,
) -> Result<bool> {
    let person = person.map(|id| id.to_string()).unwrap_or_default();
    let row: Option<(Timestamp,)> =
        sql("SELECT last_seen_at FROM sign_in_networks WHERE person_id = $1 AND network = $2")
            .bind(&person)
            .bind(stored(context, &person, network))
            .optional(&context.db)
            .await?;
    Ok(row.is_some_and(|(at,)| context.clock.now().since(at) < NETWORK_LIFETIME))
}

/// Remembers that the person signed in from this network.
///
/// # Errors
/// When the database cannot.
pub async fn remember_network(
    context: &Context,
    proof: System,
    person: PersonId,
    address: Option<IpAddr>,
) -> Result<()> {
    let network = stored(context, &person.to_string(), network(address));
    let mut tx = context.db.begin().await?;
    sql("INSERT INTO sign_in_networks (person_id, network, last_seen_at) VALUES ($1, $2, $3) \
         ON CONFLICT (person_id, network) DO UPDATE SET last_seen_at = $3")
    .bind(person)
    .bind(network)
    .bind(context.clock.now())
    .execute(&mut tx, &proof)
    .await?;
    sql("DELETE FROM sign_in_networks WHERE person_id = $1 AND network NOT IN \
         (SELECT network FROM sign_in_networks WHERE person_id = $1 ORDER BY last_seen_at DESC, network LIMIT $2)")
    .bind(person)
    .bind(MAX_NETWORKS)
    .execute(&mut tx, &proof)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes networks that were not used for long.
///
/// # Errors
/// When the database cannot.
pub(super) async fn purge_expired(tx: &mut Tx, proof: System, now: Timestamp) -> Result<()> {
    sql("DELETE FROM sign_in_networks WHERE last_seen_at < $1")
        .bind(now.minus(NETWORK_LIFETIME))
        .execute(tx, &proof)
        .await?;
    Ok(())
}
