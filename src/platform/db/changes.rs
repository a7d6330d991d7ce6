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
pub(super) const TRUST: Duration = Duration::from_millis(800);
const SPAN: i64 = 800_000;
/// Until when a node is trusted that has no others to hear.
const ALWAYS: i64 = i64::MAX;

/// Whose facts they are that a change touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope(u128);

impl Scope {
    /// Its counter: the low bits of an id are random.
    fn counter(self) -> u16 {
        u16::try_from(self.0 % u128::from(COUNTERS)).unwrap_or(0)
    }
}

impl From<OrganizationId> for Scope {
    fn from(id: OrganizationId) -> Self {
        Self(id.number())
    }
}

impl From<TokenId> for Scope {
    fn from(id: TokenId) -> Self {
        Self(id.number())
    }
}

impl From<PersonId> for Scope {
    fn from(id: PersonId) -> Self {
        Self(id.number())
    }
}

/// What a change touches of that which is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touched {
    /// Nothing: it only adds what nobody can have remembered.
    Nothing,
    /// What belongs to these; the second where there are two.
    These(Scope, Option<Scope>),
    /// Nobody looked closer.
    Everything,
}

impl Touched {
    /// As other nodes are told.
    pub(super) fn told(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::These(first, None) => Some(format!("{:x}", first.0)),
            Self::These(first, Some(second)) => Some(format!("{:x} {:x}", first.0, second.0)),
            Self::Everything => Some("everything".to_owned()),
        }
    }

    /// What another node told; what cannot be read counts as everything.
    pub(super) fn heard(text: &str) -> Self {
        let scope = |word: &str| u128::from_str_radix(word, 16).ok().map(Scope);
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
pub enum Stamp {
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
const _: () = assert!(size_of::<Stamp>() <= 24);

#[derive(Debug)]
struct Counts {
    /// Moved on by every change, before the others.
    any: AtomicU64,
    all: AtomicU64,
    own: Box<[AtomicU64]>,
    /// Until when this node knows that it hears of all changes.
    trusted_until: AtomicI64,
}

/// The counters of one database, as this process knows it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Changes(Arc<Counts>);

/// A moment before facts are read, so that a change meanwhile is noticed.
#[derive(Clone, Copy, Debug)]
pub struct Before(u64);

impl Changes {
    /// `trusted`: nobody else writes unheard (SQLite); otherwise only once it
    /// is said by [`Changes::trust`].
    pub(super) fn new(trusted: bool) -> Self {
        let until = if trusted { ALWAYS } else { i64::MIN };
        Self(Arc::new(Counts {
            any: AtomicU64::new(0),
            all: AtomicU64::new(0),
            own: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            trusted_until: AtomicI64::new(until),
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
    pub fn before(&self) -> Before {
        Before(self.0.any.load(Ordering::SeqCst))
    }

    /// The stamp for facts that depend on these scopes (one to three) and were
    /// read since `before`; nothing where anything changed meanwhile.
    #[must_use]
    pub fn stamp(&self, before: Before, scopes: &[Scope]) -> Option<Stamp> {
        let first = scopes.first().filter(|_| scopes.len() <= SCOPES)?;
        let mut counters = [first.counter(); SCOPES];
        for (counter, scope) in counters.iter_mut().zip(scopes) {
            *counter = scope.counter();
        }
        let stamp = Stamp::Of { counters, all: self.0.all.load(Ordering::SeqCst), own: self.sum(counters) };
        // A change moves `any` on before the others: unchanged, no stamp is too new.
        (self.0.any.load(Ordering::SeqCst) == before.0).then_some(stamp)
    }

    /// The stamp for facts of several scopes, or of none in particular: any
    /// change ends it.
    #[must_use]
    pub fn stamp_of_all(&self, before: Before) -> Option<Stamp> {
        (self.0.any.load(Ordering::SeqCst) == before.0).then_some(Stamp::Any(before.0))
    }

    /// Whether facts of this stamp still hold.
    #[must_use]
    pub fn holds(&self, stamp: &Stamp, now: Timestamp) -> bool {
        let unchanged = match stamp {
            Stamp::Of { counters, all, own } => {
                self.sum(*counters) == *own && self.0.all.load(Ordering::SeqCst) == *all
            }
            Stamp::Any(any) => self.0.any.load(Ordering::SeqCst) == *any,
        };
        unchanged && self.is_trusted(now)
    }

    /// Whether no other node writes: so it is with SQLite. A change by another
    /// process on the file is heard late, as `hear` tells.
    #[must_use]
    pub fn are_all_own(&self) -> bool {
        self.0.trusted_until.load(Ordering::SeqCst) == ALWAYS
    }

    /// Whether this node hears of all changes. A clock that was set back does
    /// not make the span longer: before its beginning is outside of it, too.
    fn is_trusted(&self, now: Timestamp) -> bool {
        let until = self.0.trusted_until.load(Ordering::SeqCst);
        let now = now.micros();
        until == ALWAYS || (now < until && now >= until.saturating_sub(SPAN))
    }

    /// Something changed, and is committed.
    pub fn happened(&self, touched: Touched) {
        if touched == Touched::Nothing {
            return;
        }
        self.0.any.fetch_add(1, Ordering::SeqCst);
        match touched {
            Touched::These(first, second) => {
                for scope in std::iter::once(first).chain(second) {
                    self.own(scope.counter()).fetch_add(1, Ordering::SeqCst);
                }
            }
            _ => drop(self.0.all.fetch_add(1, Ordering::SeqCst)),
        }
    }

    /// This node hears of all changes of other nodes until then.
    pub(super) fn trust(&self, until: Timestamp) {
        self.0.trusted_until.store(until.micros(), Ordering::SeqCst);
    }

    /// It no longer does, and has missed who knows what.
    pub(super) fn distrust(&self) {
        self.0.trusted_until.store(i64::MIN, Ordering::SeqCst);
        self.happened(Touched::Everything);
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
        let changes = Changes::new(true);
        let (one, two) = (OrganizationId::sample(1), OrganizationId::sample(2));
        let stamp = changes.stamp(changes.before(), &[one.into()]).expect("nothing changed");
        changes.happened(Touched::Nothing);
        changes.happened(Touched::These(two.into(), None));
        assert!(changes.holds(&stamp, now()));
        changes.happened(Touched::These(two.into(), Some(one.into())));
        assert!(!changes.holds(&stamp, now()));
        let stamp = changes.stamp(changes.before(), &[one.into()]).expect("nothing changed");
        changes.happened(Touched::Everything);
        assert!(!changes.holds(&stamp, now()));
    }

    #[test]
    fn any_change_ends_what_depends_on_all() {
        let changes = Changes::new(true);
        let stamp = changes.stamp_of_all(changes.before()).expect("nothing changed");
        changes.happened(Touched::Nothing);
        assert!(changes.holds(&stamp, now()));
        changes.happened(Touched::These(PersonId::sample(3).into(), None));
        assert!(!changes.holds(&stamp, now()));
    }

    #[test]
    fn a_stamp_of_several_scopes_ends_with_each_of_them() {
        let changes = Changes::new(true);
        let ids = [1, 2, 3].map(OrganizationId::sample);
        let scopes = ids.map(Scope::from);
        for touched in scopes {
            let stamp = changes.stamp(changes.before(), &scopes).expect("nothing changed");
            changes.happened(Touched::These(Scope(4), None));
            assert!(changes.holds(&stamp, now()));
            changes.happened(Touched::These(touched, None));
            assert!(!changes.holds(&stamp, now()));
        }
        assert!(changes.stamp(changes.before(), &[]).is_none());
        assert!(changes.stamp(changes.before(), &[Scope(1), Scope(2), Scope(3), Scope(4)]).is_none());
    }

    #[test]
    fn what_changes_while_facts_are_read_leaves_no_stamp() {
        let changes = Changes::new(true);
        let before = changes.before();
        changes.happened(Touched::These(OrganizationId::sample(9).into(), None));
        assert!(changes.stamp(before, &[OrganizationId::sample(1).into()]).is_none());
    }

    #[test]
    fn memory_is_trusted_only_while_this_node_hears_of_the_others() {
        let changes = Changes::new(false);
        let stamp =
            changes.stamp(changes.before(), &[OrganizationId::sample(1).into()]).expect("nothing changed");
        assert!(!changes.holds(&stamp, now()));
        changes.trust(Timestamp::from_micros(10));
        assert!(changes.holds(&stamp, Timestamp::from_micros(9)));
        assert!(!changes.holds(&stamp, Timestamp::from_micros(10)));
        changes.trust(Timestamp::from_micros(5_000_000));
        assert!(changes.holds(&stamp, Timestamp::from_micros(4_200_000)));
        assert!(!changes.holds(&stamp, Timestamp::from_micros(4_100_000)), "the clock was set back");
        changes.distrust();
        assert!(!changes.holds(&stamp, now()));
    }

    #[test]
    fn what_other_nodes_tell_is_read_back_and_anything_else_is_everything() {
        let (one, two) = (Scope(7), Scope(u128::MAX));
        for touched in [Touched::These(one, None), Touched::These(one, Some(two)), Touched::Everything] {
            assert_eq!(Touched::heard(&touched.told().expect("told")), touched);
        }
        for text in ["", "x", "7 x", "-1"] {
            assert_eq!(Touched::heard(text), Touched::Everything, "{text}");
        }
    }
}
