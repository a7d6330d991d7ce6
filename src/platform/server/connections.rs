//! How many connections there may be, and which are closed.
//!
//! There is a limit for all connections together and one for each network (an
//! IPv4 address, an IPv6 /64), from which trusted proxies and Unix sockets are
//! exempt. At a limit the connections that are idle longest are closed to make
//! room, so that a service that is flooded with silent connections still
//! answers; a connection with an answer under way is never closed for that. Once
//! a second, connections are closed whose request head takes too long, or on
//! which nothing happens. Requests touch only a few counters of their own
//! connection: the lock is taken when a connection comes and goes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::task::AbortHandle;

/// Within so many seconds a request's head must have arrived whole, counted
/// from its first byte; on a new connection from its beginning.
const HEAD_TIMEOUT: u32 = 10;
/// A connection on which nothing happens is closed after so many seconds:
/// longer than proxies keep theirs.
const IDLE_TIMEOUT: u32 = 75;
/// At a limit, this part of it is closed at once, so that a flood does not have
/// all connections searched for each of its own.
const EVICTED_FRACTION: usize = 64;

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one network.
    pub per_network: usize,
    /// From here as many as there may be in all.
    pub exempt: Vec<IpNet>,
}

/// What counts as one peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Network {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(upper_half(address)),
        }
    }
}

fn upper_half(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or(0)
}

/// What a connection is doing. Times are seconds on the clock of all connections.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<AtomicU32>,
    /// When a request or an answer last made progress.
    last: AtomicU32,
    /// When the first byte of a head that is not whole arrived; zero: none did.
    head_since: AtomicU32,
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

    /// Bytes arrived.
    pub(super) fn received(&self) {
        if self.answering.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.clock.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Bytes could be sent.
    pub(super) fn sent(&self) {
        self.touch();
    }

    /// A head arrived whole.
    pub(super) fn begin_answer(&self) {
        self.head_since.store(0, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    /// The answer is there.
    pub(super) fn end_answer(&self) {
        self.answering.fetch_sub(1, Ordering::Relaxed);
        self.touch();
    }

    fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) != 0
    }

    /// For how many seconds nothing was asked or answered.
    fn idle_for(&self, now: u32) -> u32 {
        now.saturating_sub(self.last.load(Ordering::Relaxed))
    }

    fn is_overdue(&self, now: u32) -> bool {
        if self.is_answering() {
            return false;
        }
        let idle = self.idle_for(now);
        let since = self.head_since.load(Ordering::Relaxed);
        let late = since != 0 && now.saturating_sub(since) >= HEAD_TIMEOUT && idle >= HEAD_TIMEOUT;
        late || idle >= IDLE_TIMEOUT
    }
}

#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    network: Option<Network>,
    abort: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: HashMap<u64, Entry>,
    by_network: HashMap<Network, usize>,
    /// When it was last told that a limit was reached.
    told: Option<u32>,
}

impl Open {
    fn remove(&mut self, id: u64) -> Option<Entry> {
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
            // One without it is closed by `set_abort`.
            if let Some(abort) = entry.abort {
                abort.abort();
            }
        }
        closed
    }

    /// Closes so many of those that are idle longest, of one network or of all.
    fn evict(&mut self, network: Option<Network>, count: usize) -> usize {
        let of_it = |entry: &Entry| network.is_none() || entry.network == network;
        let idle = self.entries.iter().filter(|(_, entry)| of_it(entry) && !entry.activity.is_answering());
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

/// The connections that are open. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    limits: Arc<ConnectionLimits>,
    clock: Arc<AtomicU32>,
    open: Arc<Mutex<Open>>,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        // Zero says of a time that there is none.
        Self { limits: Arc::new(limits), clock: Arc::new(AtomicU32::new(1)), open: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Takes a connection in, where there is room or where room can be made.
    /// `peer` is nothing for one that no limit of its network concerns.
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
            self.tell(&mut open, "limits.connections_per_network");
            if open.evict(Some(network), part(self.limits.per_network)) == 0 {
                return None;
            }
        }
        if open.entries.len() >= self.limits.total {
            self.tell(&mut open, "limits.connections");
            if open.evict(None, part(self.limits.total)) == 0 {
                return None;
            }
        }
        let id = open.next;
        open.next += 1;
        let activity = Arc::new(Activity::new(self.clock.clone()));
        open.entries.insert(id, Entry { activity: activity.clone(), network, abort: None });
        if let Some(network) = network {
            *open.by_network.entry(network).or_default() += 1;
        }
        Some(ConnectionSlot { connections: self.clone(), id, activity })
    }

    /// Once a minute at most.
    fn tell(&self, open: &mut Open, limit: &str) {
        let now = self.now();
        if open.told.is_none_or(|told| now.saturating_sub(told) >= 60) {
            open.told = Some(now);
            tracing::warn!(
                open = open.entries.len(),
                "{limit} is reached; connections that are idle longest are closed"
            );
        }
    }

    /// With this the connection is closed.
    pub(super) fn set_abort(&self, id: u64, abort: AbortHandle) {
        match self.lock().entries.get_mut(&id) {
            Some(entry) => entry.abort = Some(abort),
            // Closed already, to make room or because it ended.
            None => abort.abort(),
        }
    }

    /// Closes some of those that are idle longest: the system has no more files.
    pub(super) fn evict_some(&self) {
        let mut open = self.lock();
        let count = part(open.entries.len());
        open.evict(None, count);
    }

    /// Moves the clock on by a second, and closes what is overdue.
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

fn part(limit: usize) -> usize {
    (limit / EVICTED_FRACTION).max(1)
}

/// A connection that was taken in; dropped with it.
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
        slow.activity.received();
        for _ in 0..9 {
            connections.sweep();
            slow.activity.received();
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
