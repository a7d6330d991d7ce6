//! Cache invalidation by version counters. Every commit increments the counters of
//! the organization, person or token that it changes, before it is acknowledged.
//! A cache entry stores the counters under which it was loaded
//! ([`DataVersion`]) and is not used once they differ.
//!
//! A [`Snapshot`] from before loading ensures that data that changes while it is
//! loaded is not cached. With several nodes (PostgreSQL), a node uses its cache
//! only while it is known to receive the changes of the others
//! (`invalidation_listener`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::platform::Timestamp;
use crate::platform::id::{OrganizationId, PersonId, TokenId};

/// The number of counters. Dependencies are distributed over them by their id; if
/// two share a counter, only more entries than necessary are invalidated.
const COUNTERS: u16 = 16_384;

/// The largest number of dependencies of a cache entry.
const MAX_DEPENDENCIES: usize = 3;

/// How long a node may use its cache after it last confirmed that it receives all
/// changes.
pub(super) const SYNC_TIMEOUT: Duration = Duration::from_millis(800);
/// [`SYNC_TIMEOUT`] in microseconds.
const SYNC_TIMEOUT_MICROS: i64 = 800_000;
/// The value of `synced_until` if there are no other nodes.
const ALWAYS: i64 = i64::MAX;

/// The organization, person or token on whose data a cache entry depends, by the
/// number of its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dependency(u128);

impl Dependency {
    /// The index of its counter. The low bits of an id are random.
    fn counter(self) -> u16 {
        u16::try_from(self.0 % u128::from(COUNTERS)).unwrap_or(0)
    }
}

impl From<OrganizationId> for Dependency {
    fn from(id: OrganizationId) -> Self {
        Self(id.number())
    }
}

impl From<TokenId> for Dependency {
    fn from(id: TokenId) -> Self {
        Self(id.number())
    }
}

impl From<PersonId> for Dependency {
    fn from(id: PersonId) -> Self {
        Self(id.number())
    }
}

/// The cache entries that a change invalidates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidationScope {
    /// None: the change affects no data that is cached.
    Nothing,
    /// The entries that depend on one or two organizations, people or tokens.
    These(Dependency, Option<Dependency>),
    /// All entries. The default for changes that name no scope.
    Everything,
}

impl InvalidationScope {
    /// The payload of the notification to other nodes; `None` for nothing.
    pub(super) fn encode(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::These(first, None) => Some(format!("{:x}", first.0)),
            Self::These(first, Some(second)) => Some(format!("{:x} {:x}", first.0, second.0)),
            Self::Everything => Some("everything".to_owned()),
        }
    }

    /// Parses the payload from another node. A malformed payload counts as
    /// everything.
    pub(super) fn decode(text: &str) -> Self {
        let scope = |word: &str| u128::from_str_radix(word, 16).ok().map(Dependency);
        let mut words = text.split(' ');
        match (words.next().and_then(scope), words.next()) {
            (Some(first), None) => Self::These(first, None),
            (Some(first), Some(second)) => {
                scope(second).map_or(Self::Everything, |second| Self::These(first, Some(second)))
            }
            _ => Self::Everything,
        }
    }
}

/// The version under which a cache entry was loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataVersion {
    /// The version of an entry with one to three dependencies.
    Of {
        /// The indexes of their counters. With fewer than three dependencies, an
        /// index is repeated.
        counters: [u16; MAX_DEPENDENCIES],
        /// The number of changes with the scope [`InvalidationScope::Everything`].
        all: u64,
        /// The sum of these counters. It identifies their values, because counters
        /// only grow.
        own: u64,
    },
    /// The version of an entry that any change invalidates: the number of changes.
    Any(u64),
}

// Every cache entry contains one.
const _: () = assert!(size_of::<DataVersion>() <= 24);

#[derive(Debug)]
struct Counts {
    /// The number of all changes. Incremented before the other counters.
    any: AtomicU64,
    /// The number of changes with the scope [`InvalidationScope::Everything`].
    all: AtomicU64,
    /// The counters of dependencies.
    own: Box<[AtomicU64]>,
    /// Until when the caches of this node may be used, in microseconds since the
    /// Unix epoch; [`ALWAYS`] without other nodes.
    synced_until: AtomicI64,
}

/// The version counters of one database in this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Invalidations(Arc<Counts>);

/// The number of changes before data is loaded, to notice changes during loading.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot(u64);

impl Invalidations {
    /// `is_single_node` says that no other node writes (SQLite). Otherwise caches
    /// are used only after [`Invalidations::mark_synced`].
    pub(super) fn new(is_single_node: bool) -> Self {
        let until = if is_single_node { ALWAYS } else { i64::MIN };
        Self(Arc::new(Counts {
            any: AtomicU64::new(0),
            all: AtomicU64::new(0),
            own: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            synced_until: AtomicI64::new(until),
        }))
    }

    fn own(&self, counter: u16) -> &AtomicU64 {
        &self.0.own[usize::from(counter)]
    }

    fn sum(&self, counters: [u16; MAX_DEPENDENCIES]) -> u64 {
        counters
            .into_iter()
            .map(|counter| self.own(counter).load(Ordering::SeqCst))
            .fold(0, u64::wrapping_add)
    }

    /// Call this before the first data for a cache entry is loaded.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.any.load(Ordering::SeqCst))
    }

    /// The version for a cache entry with these dependencies (one to three) that
    /// was loaded since `snapshot`. `None` if anything changed in the meantime; then
    /// the data must not be cached.
    #[must_use]
    pub fn version(&self, snapshot: Snapshot, scopes: &[Dependency]) -> Option<DataVersion> {
        let first = scopes.first().filter(|_| scopes.len() <= MAX_DEPENDENCIES)?;
        let mut counters = [first.counter(); MAX_DEPENDENCIES];
        for (counter, scope) in counters.iter_mut().zip(scopes) {
            *counter = scope.counter();
        }
        let version =
            DataVersion::Of { counters, all: self.0.all.load(Ordering::SeqCst), own: self.sum(counters) };
        // A change increments `any` first. If it is unchanged, the counters read above belong to the data.
        (self.0.any.load(Ordering::SeqCst) == snapshot.0).then_some(version)
    }

    /// The version for a cache entry that any change invalidates. `None` as for
    /// [`Invalidations::version`].
    #[must_use]
    pub fn version_of_all(&self, snapshot: Snapshot) -> Option<DataVersion> {
        (self.0.any.load(Ordering::SeqCst) == snapshot.0).then_some(DataVersion::Any(snapshot.0))
    }

    /// Whether a cache entry with this version can be used.
    #[must_use]
    pub fn is_current(&self, version: &DataVersion, now: Timestamp) -> bool {
        let unchanged = match version {
            DataVersion::Of { counters, all, own } => {
                self.sum(*counters) == *own && self.0.all.load(Ordering::SeqCst) == *all
            }
            DataVersion::Any(any) => self.0.any.load(Ordering::SeqCst) == *any,
        };
        unchanged && self.is_synced(now)
    }

    /// Whether there are no other nodes, as with SQLite. Changes by another process
    /// on the same file are noticed late (see `invalidation_listener`).
    #[must_use]
    pub fn is_single_node(&self) -> bool {
        self.0.synced_until.load(Ordering::SeqCst) == ALWAYS
    }

    /// Whether this node receives all changes. Times before the beginning of the
    /// span do not count, so that setting the clock back does not extend it.
    fn is_synced(&self, now: Timestamp) -> bool {
        let until = self.0.synced_until.load(Ordering::SeqCst);
        let now = now.micros();
        until == ALWAYS || (now < until && now >= until.saturating_sub(SYNC_TIMEOUT_MICROS))
    }

    /// Increments the counters for a committed change.
    pub fn invalidate(&self, touched: InvalidationScope) {
        if touched == InvalidationScope::Nothing {
            return;
        }
        self.0.any.fetch_add(1, Ordering::SeqCst);
        match touched {
            InvalidationScope::These(first, second) => {
                for scope in std::iter::once(first).chain(second) {
                    self.own(scope.counter()).fetch_add(1, Ordering::SeqCst);
                }
            }
            _ => drop(self.0.all.fetch_add(1, Ordering::SeqCst)),
        }
    }

    /// Records that this node receives all changes of other nodes until then.
    pub(super) fn mark_synced(&self, until: Timestamp) {
        self.0.synced_until.store(until.micros(), Ordering::SeqCst);
    }

    /// Records that this node may have missed changes of other nodes.
    pub(super) fn mark_stale(&self) {
        self.0.synced_until.store(i64::MIN, Ordering::SeqCst);
        self.invalidate(InvalidationScope::Everything);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_micros(1)
    }

    #[test]
    fn a_stamp_holds_until_its_scope_or_everything_changes() {
        let invalidations = Invalidations::new(true);
        let (one, two) = (OrganizationId::sample(1), OrganizationId::sample(2));
        let version =
            invalidations.version(invalidations.snapshot(), &[one.into()]).expect("nothing changed");
        invalidations.invalidate(InvalidationScope::Nothing);
        invalidations.invalidate(InvalidationScope::These(two.into(), None));
        assert!(invalidations.is_current(&version, now()));
        invalidations.invalidate(InvalidationScope::These(two.into(), Some(one.into())));
        assert!(!invalidations.is_current(&version, now()));
        let version =
            invalidations.version(invalidations.snapshot(), &[one.into()]).expect("nothing changed");
        invalidations.invalidate(InvalidationScope::Everything);
        assert!(!invalidations.is_current(&version, now()));
    }

    #[test]
    fn any_change_ends_what_depends_on_all() {
        let invalidations = Invalidations::new(true);
        let version = invalidations.version_of_all(invalidations.snapshot()).expect("nothing changed");
        invalidations.invalidate(InvalidationScope::Nothing);
        assert!(invalidations.is_current(&version, now()));
        invalidations.invalidate(InvalidationScope::These(PersonId::sample(3).into(), None));
        assert!(!invalidations.is_current(&version, now()));
    }

    #[test]
    fn a_stamp_of_several_scopes_ends_with_each_of_them() {
        let invalidations = Invalidations::new(true);
        let ids = [1, 2, 3].map(OrganizationId::sample);
        let scopes = ids.map(Dependency::from);
        for touched in scopes {
            let version = invalidations.version(invalidations.snapshot(), &scopes).expect("nothing changed");
            invalidations.invalidate(InvalidationScope::These(Dependency(4), None));
            assert!(invalidations.is_current(&version, now()));
            invalidations.invalidate(InvalidationScope::These(touched, None));
            assert!(!invalidations.is_current(&version, now()));
        }
        assert!(invalidations.version(invalidations.snapshot(), &[]).is_none());
        assert!(
            invalidations
                .version(
                    invalidations.snapshot(),
                    &[Dependency(1), Dependency(2), Dependency(3), Dependency(4)]
                )
                .is_none()
        );
    }

    #[test]
    fn what_changes_while_facts_are_read_leaves_no_stamp() {
        let invalidations = Invalidations::new(true);
        let snapshot = invalidations.snapshot();
        invalidations.invalidate(InvalidationScope::These(OrganizationId::sample(9).into(), None));
        assert!(invalidations.version(snapshot, &[OrganizationId::sample(1).into()]).is_none());
    }

    #[test]
    fn memory_is_trusted_only_while_this_node_hears_of_the_others() {
        let invalidations = Invalidations::new(false);
        let version = invalidations
            .version(invalidations.snapshot(), &[OrganizationId::sample(1).into()])
            .expect("nothing changed");
        assert!(!invalidations.is_current(&version, now()));
        invalidations.mark_synced(Timestamp::from_micros(10));
        assert!(invalidations.is_current(&version, Timestamp::from_micros(9)));
        assert!(!invalidations.is_current(&version, Timestamp::from_micros(10)));
        invalidations.mark_synced(Timestamp::from_micros(5_000_000));
        assert!(invalidations.is_current(&version, Timestamp::from_micros(4_200_000)));
        assert!(
            !invalidations.is_current(&version, Timestamp::from_micros(4_100_000)),
            "the clock was set back"
        );
        invalidations.mark_stale();
        assert!(!invalidations.is_current(&version, now()));
    }

    #[test]
    fn what_other_nodes_tell_is_read_back_and_anything_else_is_everything() {
        let (one, two) = (Dependency(7), Dependency(u128::MAX));
        for touched in [
            InvalidationScope::These(one, None),
            InvalidationScope::These(one, Some(two)),
            InvalidationScope::Everything,
        ] {
            assert_eq!(InvalidationScope::decode(&touched.encode().expect("told")), touched);
        }
        for text in ["", "x", "7 x", "-1"] {
            assert_eq!(InvalidationScope::decode(text), InvalidationScope::Everything, "{text}");
        }
    }
}
