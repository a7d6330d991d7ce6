//! The queue for password hashing. Hashing takes much memory on purpose, so only
//! a few hashes are computed at once, and other attempts wait here.
//!
//! Attempts wait in lanes: one for each network, and one for each browser or
//! network that an account knows. Lanes take turns, so that many attempts from
//! one network do not delay the others. Lanes belong to three classes (known,
//! without a recent failure, with a recent failure), which take turns as well.
//! Waiting is limited for each lane and for each class; an attempt that finds no
//! place or waits too long is refused with 503.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::platform::{Error, Result};

/// The number of hashes that are computed at once. With 19 MiB each, passwords
/// use at most 38 MiB.
const MAX_RUNNING: usize = 2;
/// How many attempts may wait in all known lanes together, and in one of them.
const MAX_KNOWN: (usize, usize) = (512, 64);
/// How many attempts may wait from all networks without a recent failure
/// together, and from one of them. Many people may sign in behind one IP
/// address at the same time.
const MAX_FRESH: (usize, usize) = (512, 256);
/// How many attempts may wait from all networks with a recent failure together,
/// and from one of them.
const MAX_FAILING: (usize, usize) = (512, 16);
/// The longest wait, counted from the moment when an attempt is accepted.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// The `Retry-After` of an attempt that is refused here.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The lane in which an attempt waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// A browser or network that the account knows, by the key of its counter;
    /// also a person who is already authorized to set a password.
    Known([u8; 32]),
    /// A network without a recent failure that the account does not know: an
    /// IPv4 address, or an IPv6 network of 64 bits.
    Fresh(IpAddr),
    /// A network with a recent failure that the account does not know.
    Failing(IpAddr),
}

impl Lane {
    /// The lane of people who set a new password.
    pub const NEW_PASSWORDS: Self = Self::Known([0; 32]);

    const fn class(self) -> usize {
        match self {
            Self::Known(_) => 0,
            Self::Fresh(_) => 1,
            Self::Failing(_) => 2,
        }
    }

    const fn limits(self) -> (usize, usize) {
        match self {
            Self::Known(_) => MAX_KNOWN,
            Self::Fresh(_) => MAX_FRESH,
            Self::Failing(_) => MAX_FAILING,
        }
    }
}

const CLASSES: usize = 3;

/// Limits how many passwords are hashed at a time, because each takes a core and
/// much memory. Further ones wait; if too many wait, they are refused. Cheap to
/// clone.
#[derive(Clone, Default, Debug)]
pub struct PasswordQueue(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    running: usize,
    classes: [Class; CLASSES],
    next_class: usize,
}

/// The lanes that share a limit.
#[derive(Default, Debug)]
struct Class {
    /// The places that are taken in all lanes.
    waiting: usize,
    /// The places that are taken in each lane.
    lanes: HashMap<Lane, usize>,
    /// The attempts that wait for their turn, in each lane in order of arrival.
    ready: HashMap<Lane, VecDeque<oneshot::Sender<Turn>>>,
    /// The lanes of `ready`, in the order of their turns.
    order: VecDeque<Lane>,
}

impl Class {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(lane) = self.order.pop_front() {
            let Some(queue) = self.ready.get_mut(&lane) else { continue };
            let first = queue.pop_front();
            if queue.is_empty() {
                self.ready.remove(&lane);
            } else {
                self.order.push_back(lane);
            }
            if let Some(sender) = first.filter(|sender| !sender.is_closed()) {
                return Some(sender);
            }
        }
        None
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        for offset in 0..CLASSES {
            let class = (self.next_class + offset) % CLASSES;
            if let Some(sender) = self.classes[class].next() {
                self.next_class = (class + 1) % CLASSES;
                return Some(sender);
            }
        }
        None
    }
}

impl PasswordQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a place in the queue. The fuller a class is, the fewer places
    /// one lane may have, so that a lane without any still finds one.
    ///
    /// # Errors
    /// [`Error::Busy`] if the lane or its class is full.
    pub fn join(&self, lane: Lane) -> Result<QueuePlace> {
        let (max_in_class, max_in_lane) = lane.limits();
        let mut state = self.lock();
        let class = &mut state.classes[lane.class()];
        let max_in_lane = match class.waiting {
            waiting if waiting >= max_in_class => 0,
            waiting if waiting >= max_in_class / 4 * 3 => 1,
            waiting if waiting >= max_in_class / 2 => max_in_lane.min(4),
            _ => max_in_lane,
        };
        let own = class.lanes.entry(lane).or_default();
        if *own >= max_in_lane {
            if *own == 0 {
                class.lanes.remove(&lane);
            }
            return Err(Error::Busy { retry_after: RETRY_AFTER });
        }
        *own += 1;
        class.waiting += 1;
        drop(state);
        Ok(QueuePlace { queue: self.clone(), lane })
    }

    /// Gives turns to the next attempts until [`MAX_RUNNING`] is reached.
    fn dispatch(&self) {
        loop {
            let mut state = self.lock();
            if state.running >= MAX_RUNNING {
                return;
            }
            let Some(sender) = state.next() else { return };
            state.running += 1;
            drop(state);
            if let Err(mut turn) = sender.send(Turn { queue: Some(self.clone()) }) {
                // The attempt was cancelled. Dropping the turn would call this function again.
                turn.queue = None;
                self.lock().running -= 1;
            }
        }
    }
}

/// A reserved place in the queue. Dropping it frees the place.
#[derive(Debug)]
pub struct QueuePlace {
    queue: PasswordQueue,
    lane: Lane,
}

impl QueuePlace {
    /// Waits until it is this attempt's turn.
    ///
    /// # Errors
    /// [`Error::Busy`] after `max_wait`.
    pub async fn wait_for_turn(self, max_wait: Duration) -> Result<Turn> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            let class = &mut state.classes[self.lane.class()];
            let queue = class.ready.entry(self.lane).or_default();
            if queue.is_empty() {
                class.order.push_back(self.lane);
            }
            queue.push_back(sender);
        }
        self.queue.dispatch();
        match timeout(max_wait, receiver).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Error::Busy { retry_after: RETRY_AFTER }),
        }
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        let class = &mut state.classes[self.lane.class()];
        class.waiting -= 1;
        if let Some(own) = class.lanes.get_mut(&self.lane) {
            *own -= 1;
            if *own == 0 {
                class.lanes.remove(&self.lane);
            }
        }
        // Remove attempts that were cancelled while waiting.
        if let Some(queue) = class.ready.get_mut(&self.lane) {
            queue.retain(|sender| !sender.is_closed());
            if queue.is_empty() {
                class.ready.remove(&self.lane);
                class.order.retain(|lane| *lane != self.lane);
            }
        }
    }
}

/// The permission to compute one hash. Dropping it gives the turn to the next
/// attempt.
#[derive(Debug)]
pub struct Turn {
    queue: Option<PasswordQueue>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.lock().running -= 1;
            queue.dispatch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(number: u8) -> Lane {
        Lane::Failing(IpAddr::from([192, 0, 2, number]))
    }

    /// Takes both turns, so that everybody else waits.
    async fn busy(queue: &PasswordQueue) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..MAX_RUNNING {
            turns
                .push(queue.join(lane(255)).expect("a place").wait_for_turn(MAX_WAIT).await.expect("a turn"));
        }
        turns
    }

    #[tokio::test]
    async fn lanes_take_turns_however_many_wait_in_one_of_them() {
        let queue = PasswordQueue::default();
        let turns = busy(&queue).await;
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        let wait = |lane: Lane, name: &'static str| {
            let (place, told) = (queue.join(lane).expect("a place"), told.clone());
            tokio::spawn(async move {
                let turn = place.wait_for_turn(MAX_WAIT).await.expect("a turn");
                told.send(name).expect("heard");
                drop(turn);
            })
        };
        let mut all: Vec<_> = (0..10).map(|_| wait(lane(1), "many")).collect();
        tokio::task::yield_now().await;
        all.push(wait(lane(2), "one"));
        all.push(wait(Lane::Known([7; 32]), "known"));
        all.push(wait(Lane::Fresh(IpAddr::from([192, 0, 2, 9])), "fresh"));
        tokio::task::yield_now().await;
        drop(turns);
        for each in all {
            each.await.expect("done");
        }
        let order: Vec<&str> = std::iter::from_fn(|| order.try_recv().ok()).collect();
        let place = |name: &str| order.iter().position(|each| *each == name).expect("there");
        assert!(["one", "known", "fresh"].iter().all(|name| place(name) <= 4), "{order:?}");
        assert_eq!(queue.lock().running, 0);
    }

    #[tokio::test]
    async fn waiting_is_bounded_for_a_lane_and_a_new_lane_finds_a_place_while_others_crowd() {
        let queue = PasswordQueue::default();
        let mut places = Vec::new();
        while let Ok(place) = queue.join(lane(1)) {
            places.push(place);
        }
        assert_eq!(places.len(), MAX_FAILING.1);
        for network in 0..=90_u8 {
            while let Ok(place) = queue.join(lane(network)) {
                places.push(place);
            }
        }
        assert!(places.len() >= MAX_FAILING.0 / 4 * 3 && places.len() < MAX_FAILING.0, "{}", places.len());
        places.push(queue.join(lane(250)).expect("a place"));
        assert!(matches!(queue.join(lane(250)), Err(Error::Busy { .. })));
        for number in 0..=255 {
            places.extend(queue.join(Lane::Failing(IpAddr::from([198, 51, 100, number]))));
        }
        assert_eq!(places.len(), MAX_FAILING.0);
        // The known have places of their own.
        let known = queue.join(Lane::Known([1; 32])).expect("a place");
        drop((places, known));
        let state = queue.lock();
        assert!(state.classes.iter().all(|class| class.waiting == 0 && class.lanes.is_empty()));
    }

    #[tokio::test]
    async fn all_who_work_behind_one_address_may_come_at_once_while_none_of_them_failed() {
        let queue = PasswordQueue::default();
        let office = Lane::Fresh(IpAddr::from([192, 0, 2, 9]));
        let places: Vec<_> = (0..200).map(|_| queue.join(office).expect("a place")).collect();
        let elsewhere = queue.join(Lane::Fresh(IpAddr::from([198, 51, 100, 9])));
        assert!(elsewhere.is_ok() && places.len() == 200);
    }

    #[tokio::test]
    async fn who_leaves_or_waits_too_long_holds_up_nobody() {
        let queue = PasswordQueue::default();
        let turns = busy(&queue).await;
        let late = queue.join(lane(1)).expect("a place").wait_for_turn(Duration::from_millis(10)).await;
        assert!(matches!(late, Err(Error::Busy { .. })));
        let place = queue.join(lane(1)).expect("a place");
        let gone = tokio::spawn(place.wait_for_turn(MAX_WAIT));
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(turns);
        let turn = queue.join(lane(1)).expect("a place").wait_for_turn(MAX_WAIT).await.expect("a turn");
        drop(turn);
        let state = queue.lock();
        assert_eq!(state.running, 0);
        assert!(state.classes.iter().all(|class| class.ready.is_empty() && class.order.is_empty()));
    }
}
