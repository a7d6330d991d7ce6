//! The limits of connections, and the connections that are closed.
//!
//! There is a limit for all connections and one for each network (an IPv4 address
//! or an IPv6 /64); trusted proxies and Unix sockets are exempt from the second. At
//! a limit, the connections that have been idle the longest are closed, so that a
//! flood of silent connections does not block the server. Connections with a
//! response in progress are never closed for that. Once a second, connections are
//! closed that are idle or whose request head takes too long. A request only
//! updates counters of its own connection; the lock is taken when a connection is
//! opened or closed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::task::AbortHandle;

/// How long a request head may take to arrive, in seconds from its first byte or,
/// on a new connection, from the beginning.
const HEAD_TIMEOUT: u32 = 10;
/// How long a connection may be idle, in seconds: longer than proxies keep theirs.
const IDLE_TIMEOUT: u32 = 75;
/// At a limit, one part in 64 of it is closed at once, so that in a flood not every
/// new connection causes a search through all connections.
const EVICTED_FRACTION: usize = 64;

/// The limits of open connections.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// The largest number of all connections.
    pub total: usize,
    /// The largest number of connections from one network.
    pub per_network: usize,
    /// Addresses to which `per_network` does not apply: the trusted proxies.
    pub exempt: Vec<IpNet>,
}

/// A network for which connections are counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Network {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(ipv6_network(address)),
        }
    }
}

fn ipv6_network(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or(0)
}

/// The activity of a connection. Times are seconds on the clock that all
/// connections share.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<AtomicU32>,
    /// When a request or a response last made progress.
    last: AtomicU32,
    /// When the first byte of an incomplete request head arrived; zero for none.
    head_since: AtomicU32,
    /// The number of responses in progress.
    answering: AtomicU32,
}

impl Activity {
    fn new(clock: Arc<AtomicU32>) -> Self {
        let now = clock.load(Ordering::Relaxed);
        Self {
            clock,
            last: AtomicU32::new(now),
            head_since: AtomicU32::new(now),
            answering: AtomicU32::new(0),
        }
    }

    fn touch(&self) {
        self.last.store(self.clock.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Records that bytes arrived.
    pub(super) fn record_received(&self) {
        if self.answering.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.clock.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Records that bytes were sent.
    pub(super) fn record_sent(&self) {
        self.touch();
    }

    /// Records that a request head is complete and its response begins.
    pub(super) fn begin_answer(&self) {
        self.head_since.store(0, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    /// Records that a response is ready, or was cancelled.
    pub(super) fn end_answer(&self) {
        self.answering.fetch_sub(1, Ordering::Relaxed);
        self.touch();
    }

    fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) != 0
    }

    /// The number of seconds without progress of a request or a response.
    fn idle_for(&self, now: u32) -> u32 {
        now.saturating_sub(self.last.load(Ordering::Relaxed))
    }

    fn is_overdue(&self, now: u32) -> bool {
        if self.is_answering() {
            return false;
        }
        let idle = self.idle_for(now);
        let since = self.head_since.load(Ordering::Relaxed);
        let is_head_late = since != 0 && now.saturating_sub(since) >= HEAD_TIMEOUT && idle >= HEAD_TIMEOUT;
        is_head_late || idle >= IDLE_TIMEOUT
    }
}

#[derive(Debug)]
struct OpenConnection {
    activity: Arc<Activity>,
    network: Option<Network>,
    abort: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    entries: HashMap<u64, OpenConnection>,
    by_network: HashMap<Network, usize>,
    /// When a reached limit was last logged.
    logged_at: Option<u32>,
}

impl OpenConnections {
    fn remove(&mut self, id: u64) -> Option<OpenConnection> {
        let entry = self.entries.remove(&id)?;
        if let Some(network) = entry.network
            && let Some(count) = self.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
        Some(entry)
    }

    fn close(&mut self, ids: impl IntoIterator<Item = u64>) -> usize {
        let mut closed = 0;
        for entry in ids.into_iter().filter_map(|id| self.remove(id)) {
            closed += 1;
            // A connection without an abort handle is closed by `set_abort`.
            if let Some(abort) = entry.abort {
                abort.abort();
            }
        }
        closed
    }

    /// Closes the `count` connections that have been idle the longest, of one network
    /// or of all. Returns the number of closed connections.
    fn evict(&mut self, network: Option<Network>, count: usize) -> usize {
        let in_network = |entry: &OpenConnection| network.is_none() || entry.network == network;
        let idle =
            self.entries.iter().filter(|(_, entry)| in_network(entry) && !entry.activity.is_answering());
        let mut idle: Vec<(u32, u64)> =
            idle.map(|(id, entry)| (entry.activity.last.load(Ordering::Relaxed), *id)).collect();
        let count = count.min(idle.len());
        if count == 0 {
            return 0;
        }
        idle.select_nth_unstable(count - 1);
        self.close(idle[..count].iter().map(|(_, id)| *id))
    }
}

/// All open connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    limits: Arc<ConnectionLimits>,
    clock: Arc<AtomicU32>,
    open: Arc<Mutex<OpenConnections>>,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        // The clock starts at one, because zero means that there is no time.
        Self { limits: Arc::new(limits), clock: Arc::new(AtomicU32::new(1)), open: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Admits a new connection, if necessary by closing idle ones. Returns `None` if
    /// there is no room. `peer` is `None` for a Unix socket, which has no limit per
    /// network.
    pub(super) fn admit(&self, peer: Option<IpAddr>) -> Option<ConnectionSlot> {
        let is_exempt = |address: &IpAddr| {
            let address = address.to_canonical();
            self.limits.exempt.iter().any(|range| range.contains(&address))
        };
        let network = peer.filter(|address| !is_exempt(address)).map(Network::from);
        let mut open = self.lock();
        if let Some(network) = network
            && open.by_network.get(&network).is_some_and(|count| *count >= self.limits.per_network)
        {
            self.log_limit(&mut open, "limits.connections_per_network");
            if open.evict(Some(network), eviction_count(self.limits.per_network)) == 0 {
                return None;
            }
        }
        if open.entries.len() >= self.limits.total {
            self.log_limit(&mut open, "limits.connections");
            if open.evict(None, eviction_count(self.limits.total)) == 0 {
                return None;
            }
        }
        let id = open.next;
        open.next += 1;
        let activity = Arc::new(Activity::new(self.clock.clone()));
        open.entries.insert(id, OpenConnection { activity: activity.clone(), network, abort: None });
        if let Some(network) = network {
            *open.by_network.entry(network).or_default() += 1;
        }
        Some(ConnectionSlot { connections: self.clone(), id, activity })
    }

    /// Logs that a limit is reached, at most once a minute.
    fn log_limit(&self, open: &mut OpenConnections, limit: &str) {
        let now = self.now();
        if open.logged_at.is_none_or(|logged_at| now.saturating_sub(logged_at) >= 60) {
            open.logged_at = Some(now);
            tracing::warn!(
                open = open.entries.len(),
                "{limit} is reached; connections that are idle longest are closed"
            );
        }
    }

    /// Stores the handle with which the connection can be closed. If the connection
    /// was removed in the meantime, it is closed now.
    pub(super) fn set_abort(&self, id: u64, abort: AbortHandle) {
        match self.lock().entries.get_mut(&id) {
            Some(entry) => entry.abort = Some(abort),
            // Closed already, to make room or because it ended.
            None => abort.abort(),
        }
    }

    /// Closes some idle connections, because the system has no more files.
    pub(super) fn evict_some(&self) {
        let mut open = self.lock();
        let count = eviction_count(open.entries.len());
        open.evict(None, count);
    }

    /// Advances the clock by one second, and closes overdue connections. Called once
    /// a second.
    pub(super) fn sweep(&self) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let mut open = self.lock();
        let overdue = open.entries.iter().filter(|(_, entry)| entry.activity.is_overdue(now));
        let overdue: Vec<u64> = overdue.map(|(id, _)| *id).collect();
        let closed = open.close(overdue);
        if closed > 0 {
            tracing::debug!(closed, "idle connections are closed");
        }
    }
}

fn eviction_count(limit: usize) -> usize {
    (limit / EVICTED_FRACTION).max(1)
}

/// An admitted connection. Dropping it removes the connection from the count.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Connections,
    pub(super) id: u64,
    pub(super) activity: Arc<Activity>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_network: usize) -> Connections {
        let exempt = vec!["10.0.0.0/8".parse().expect("a range")];
        Connections::new(ConnectionLimits { total, per_network, exempt })
    }

    /// A connection from there.
    fn from(connections: &Connections, peer: &str) -> Option<ConnectionSlot> {
        connections.admit(Some(peer.parse().expect("an address")))
    }

    fn is_open(connections: &Connections, slot: &ConnectionSlot) -> bool {
        connections.lock().entries.contains_key(&slot.id)
    }

    #[test]
    fn at_a_limit_the_connection_that_is_idle_longest_makes_room() {
        let connections = connections(2, 2);
        let first = from(&connections, "192.0.2.1").expect("room");
        connections.sweep();
        let second = from(&connections, "192.0.2.2").expect("room");
        connections.sweep();
        first.activity.begin_answer();
        first.activity.end_answer();
        let third = from(&connections, "192.0.2.3").expect("room is made");
        assert!(!is_open(&connections, &second));
        assert!(is_open(&connections, &first) && is_open(&connections, &third));
    }

    #[test]
    fn a_connection_with_an_answer_under_way_is_not_closed_to_make_room() {
        let connections = connections(1, 1);
        let busy = from(&connections, "192.0.2.1").expect("room");
        busy.activity.begin_answer();
        assert!(from(&connections, "192.0.2.2").is_none());
        busy.activity.end_answer();
        assert!(from(&connections, "192.0.2.2").is_some());
        assert!(!is_open(&connections, &busy));
    }

    #[test]
    fn one_network_has_its_own_limit_and_trusted_proxies_and_unix_sockets_have_none() {
        let connections = connections(100, 2);
        let held: Vec<_> = ["192.0.2.1", "192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8::2"]
            .map(|text| from(&connections, text).expect("room"))
            .into();
        let more = from(&connections, "2001:db8::3").expect("room is made in the same network");
        let open: Vec<bool> = held.iter().map(|each| is_open(&connections, each)).collect();
        assert_eq!(open.iter().filter(|open| **open).count(), 4);
        assert_eq!(open[..3], [true; 3], "other networks are left alone");
        let exempt: Vec<_> = (0..10)
            .map(
                |number| {
                    if number % 2 == 0 { from(&connections, "10.1.2.3") } else { connections.admit(None) }
                },
            )
            .map(|slot| slot.expect("room"))
            .collect();
        assert!(exempt.iter().all(|each| is_open(&connections, each)));
        drop((held, more, exempt));
        let open = connections.lock();
        assert!(open.entries.is_empty() && open.by_network.is_empty());
    }

    #[test]
    fn a_head_must_arrive_within_ten_seconds_of_its_first_byte() {
        let connections = connections(10, 10);
        let silent = from(&connections, "192.0.2.1").expect("room");
        let kept = from(&connections, "192.0.2.1").expect("room");
        let slow = from(&connections, "192.0.2.1").expect("room");
        for each in [&kept, &slow] {
            each.activity.begin_answer();
            each.activity.end_answer();
        }
        slow.activity.record_received();
        for _ in 0..9 {
            connections.sweep();
            slow.activity.record_received();
        }
        assert!(is_open(&connections, &silent) && is_open(&connections, &slow));
        connections.sweep();
        assert!(!is_open(&connections, &silent), "it sent nothing");
        assert!(!is_open(&connections, &slow), "single bytes do not count");
        for _ in 0..64 {
            connections.sweep();
        }
        assert!(is_open(&connections, &kept), "proxies keep connections");
        connections.sweep();
        assert!(!is_open(&connections, &kept));
    }

    #[test]
    fn an_answer_under_way_has_its_time() {
        let connections = connections(10, 10);
        let busy = from(&connections, "192.0.2.1").expect("room");
        busy.activity.begin_answer();
        for _ in 0..200 {
            connections.sweep();
        }
        assert!(is_open(&connections, &busy));
    }
}
