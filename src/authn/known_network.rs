//! Known networks: the networks (an IPv4 address or an IPv6 /64) from which a
//! person signed in during the last 90 days. Sign-in attempts from a known
//! network have their own rate limit, as those from a known browser have.

use std::net::IpAddr;
use std::time::Duration;

use crate::access::{System, SystemReason};
use crate::platform::clock::DAY;
use crate::platform::id::PersonId;
use crate::platform::rate_limits::network;
use crate::platform::{Context, Result, Timestamp, Tx, sql};

/// Every sign-in is recorded with its network.
const NETWORKS: System = System::new(SystemReason::SignIn);

/// How long a network stays known after the last sign-in from it.
const NETWORK_LIFETIME: Duration = Duration::from_secs(90 * DAY.as_secs());
/// The largest number of known networks of a person. The most recent ones are
/// kept.
const MAX_NETWORKS: i64 = 20;

/// The stored form of a network: a MAC, so that the database does not reveal the
/// IP address.
fn network_mac(context: &Context, person: &str, network: IpAddr) -> Vec<u8> {
    context.key.derive("sign-in network", format!("{person}\n{network}").as_bytes()).to_vec()
}

/// Whether the network is known to the person. The query is made without a
/// person (`None`), too, so that the duration does not reveal whether an account
/// exists.
pub(super) async fn is_known_network(
    context: &Context,
    person: Option<PersonId>,
    network: IpAddr,
) -> Result<bool> {
    let person = person.map(|id| id.to_string()).unwrap_or_default();
    let row: Option<(Timestamp,)> =
        sql("SELECT last_seen_at FROM sign_in_networks WHERE person_id = $1 AND network = $2")
            .bind(&person)
            .bind(network_mac(context, &person, network))
            .optional(&context.db)
            .await?;
    Ok(row.is_some_and(|(at,)| context.clock.now().since(at) < NETWORK_LIFETIME))
}

/// Stores that the person signed in from this network now.
///
/// # Errors
/// When the database cannot.
pub async fn remember_network(context: &Context, person: PersonId, address: Option<IpAddr>) -> Result<()> {
    let network = network_mac(context, &person.to_string(), network(address));
    let mut tx = context.db.begin().await?;
    sql("INSERT INTO sign_in_networks (person_id, network, last_seen_at) VALUES ($1, $2, $3) \
         ON CONFLICT (person_id, network) DO UPDATE SET last_seen_at = $3")
    .bind(person)
    .bind(network)
    .bind(context.clock.now())
    .execute(&mut tx, &NETWORKS)
    .await?;
    sql("DELETE FROM sign_in_networks WHERE person_id = $1 AND network NOT IN \
         (SELECT network FROM sign_in_networks WHERE person_id = $1 ORDER BY last_seen_at DESC, network LIMIT $2)")
    .bind(person)
    .bind(MAX_NETWORKS)
    .execute(&mut tx, &NETWORKS)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes networks that are no longer known.
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
