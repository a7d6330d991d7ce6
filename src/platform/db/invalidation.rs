//! What changed, as far as memory must know: counters that are moved on after a
//! commit and before it is acknowledged. What was remembered under an older
//! count is not used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::platform::Timestamp;
use crate::platform::id::{OrganizationId, PersonId, TokenId};

/// So many counters share all scopes; two that meet only forget more than they
/// must.
const COUNTERS: u16 = 16_384;

/// So many scopes may a fact depend on, and no more.
const SCOPES: usize = 3;

/// How long a node is trusted to hear of all changes after it was last known to.
pub(super) const SYNC_TIMEOUT: Duration = Duration::from_millis(800);
const SYNC_TIMEOUT_MICROS: i64 = 800_000;
/// Until when a node is trusted that has no others to hear.
const ALWAYS: i64 = i64::MAX;

/// TokenOwner facts they are that a change touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dependency(u128);

impl Dependency {
    /// Its counter: the low bits of an id are random.
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

/// What a change touches of that which is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidationScope {
    /// Nothing: it only adds what nobody can have remembered.
    Nothing,
    /// What belongs to these; the second where there are two.
    These(Dependency, Option<Dependency>),
    /// Nobody looked closer.
    Everything,
}

impl InvalidationScope {
    /// As other nodes are told.
    pub(super) fn encode(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::These(first, None) => Some(format!("{:x}", first.0)),
            Self::These(first, Some(second)) => Some(format!("{:x} {:x}", first.0, second.0)),
            Self::Everything => Some("everything".to_owned()),
        }
    }

    /// What another node told; what cannot be read counts as everything.
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

/// The counts under which something was remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataVersion {
    /// It depends on changes of these scopes.
    Of {
        /// Their counters; one several times where there are fewer.
        counters: [u16; SCOPES],
        /// Changes that touched everything.
        all: u64,
        /// Changes of their own, all together: no counter ever goes back.
        own: u64,
    },
    /// It depends on any change.
    Any(u64),
}

// There is one with everything that is remembered.
const _: () = assert!(size_of::<DataVersion>() <= 24);

#[derive(Debug)]
struct Counts {
    /// Moved on by every change, before the others.
    any: AtomicU64,
    all: AtomicU64,
    own: Box<[AtomicU64]>,
    /// Until when this node knows that it hears of all changes.
    synced_until: AtomicI64,
}

/// The counters of one database, as this process knows it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Invalidations(Arc<Counts>);

/// A moment before facts are read, so that a change meanwhile is noticed.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot(u64);

impl Invalidations {
    /// `trusted`: nobody else writes unheard (SQLite); otherwise only once it
    /// is said by [`Invalidations::mark_synced`].
    pub(super) fn new(trusted: bool) -> Self {
        let until = if trusted { ALWAYS } else { i64::MIN };
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

    fn sum(&self, counters: [u16; SCOPES]) -> u64 {
        counters
            .into_iter()
            .map(|counter| self.own(counter).load(Ordering::SeqCst))
            .fold(0, u64::wrapping_add)
    }

    /// Call this before facts are read.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.any.load(Ordering::SeqCst))
    }

    /// The stamp for facts that depend on these scopes (one to three) and were
    /// read since `snapshot`; nothing where anything changed meanwhile.
    #[must_use]
    pub fn version(&self, snapshot: Snapshot, scopes: &[Dependency]) -> Option<DataVersion> {
        let first = scopes.first().filter(|_| scopes.len() <= SCOPES)?;
        let mut counters = [first.counter(); SCOPES];
        for (counter, scope) in counters.iter_mut().zip(scopes) {
            *counter = scope.counter();
        }
        let version =
            DataVersion::Of { counters, all: self.0.all.load(Ordering::SeqCst), own: self.sum(counters) };
        // A change moves `any` on before the others: unchanged, no stamp is too new.
        (self.0.any.load(Ordering::SeqCst) == snapshot.0).then_some(version)
    }

    /// The stamp for facts of several scopes, or of none in particular: any
    /// change ends it.
    #[must_use]
    pub fn version_of_all(&self, snapshot: Snapshot) -> Option<DataVersion> {
        (self.0.any.load(Ordering::SeqCst) == snapshot.0).then_some(DataVersion::Any(snapshot.0))
    }

    /// Whether facts of this stamp still hold.
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

    /// Whether no other node writes: so it is with SQLite. A change by another
    /// process on the file is heard late, as `hear` tells.
    #[must_use]
    pub fn is_single_node(&self) -> bool {
        self.0.synced_until.load(Ordering::SeqCst) == ALWAYS
    }

    /// Whether this node hears of all changes. A clock that was set back does
    /// not make the span longer: before its beginning is outside of it, too.
    fn is_synced(&self, now: Timestamp) -> bool {
        let until = self.0.synced_until.load(Ordering::SeqCst);
        let now = now.micros();
        until == ALWAYS || (now < until && now >= until.saturating_sub(SYNC_TIMEOUT_MICROS))
    }

    /// Something changed, and is committed.
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

    /// This node hears of all changes of other nodes until then.
    pub(super) fn mark_synced(&self, until: Timestamp) {
        self.0.synced_until.store(until.micros(), Ordering::SeqCst);
    }

    /// It no longer does, and has missed who knows what.
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
