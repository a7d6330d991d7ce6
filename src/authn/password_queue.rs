//! The queue before password hashing. Hashing takes memory on purpose, so few
//! run at once and the others wait here. Waiting is bounded in total and for
//! each lane (a network, or a browser or network that the account knows), and
//! lanes take turns, so that many attempts from one place do not hold up the
//! others. Known lanes, networks without a recent failure, and networks with
//! some are counted apart from each other and take turns too. Whoever finds no
//! place, or waits too long, is told to come back.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::platform::{Error, Result};

/// So many hash at once: with 19 MiB each, at most 38 MiB are in use for
/// passwords at any moment.
const MAX_RUNNING: usize = 2;
/// So many of known lanes wait at once, and so many of one of them.
const MAX_KNOWN: (usize, usize) = (512, 64);
/// So many wait at once from networks without a recent failure, and so many of
/// one of them: all who work behind one address may come in the same moment.
const MAX_FRESH: (usize, usize) = (512, 256);
/// So many wait at once from networks with one, and so many of one of them.
const MAX_FAILING: (usize, usize) = (512, 16);
/// The longest wait, from the moment that an attempt is accepted.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// When to come back for whoever finds no place.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Who waits together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// A browser or network that the account knows, or whoever proved
    /// otherwise that they may set a password.
    Known([u8; 32]),
    /// A network that the account does not know, without a recent failure: an
    /// IPv4 address, or an IPv6 network of 64 bits.
    Fresh(IpAddr),
    /// Such a network with a recent failure.
    Failing(IpAddr),
}

impl Lane {
    /// Where people wait who set a new password.
    pub const NEW_PASSWORDS: Self = Self::Known([0; 32]);

    const fn class(self) -> usize {
        match self {
            Self::Known(_) => 0,
            Self::Fresh(_) => 1,
            Self::Failing(_) => 2,
        }
    }

    const fn bounds(self) -> (usize, usize) {
        match self {
            Self::Known(_) => MAX_KNOWN,
            Self::Fresh(_) => MAX_FRESH,
            Self::Failing(_) => MAX_FAILING,
        }
    }
}

const CLASSES: usize = 3;

/// The queue. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct Queue(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    running: usize,
    classes: [Class; CLASSES],
    next_class: usize,
}

/// The lanes that share a bound.
#[derive(Default, Debug)]
struct Class {
    waiting: usize,
    lanes: HashMap<Lane, usize>,
    ready: HashMap<Lane, VecDeque<oneshot::Sender<Turn>>>,
    /// The lanes of `ready`; the next one first.
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

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place among those who wait. The fuller the queue is, the fewer
    /// one lane may have, so that a lane without any still finds one.
    ///
    /// # Errors
    /// [`Error::Busy`] where the lane or the queue is full.
    pub fn join(&self, lane: Lane) -> Result<QueuePlace> {
        let (most, most_of_lane) = lane.bounds();
        let mut state = self.lock();
        let class = &mut state.classes[lane.class()];
        let most_of_lane = match class.waiting {
            waiting if waiting >= most => 0,
            waiting if waiting >= most / 4 * 3 => 1,
            waiting if waiting >= most / 2 => most_of_lane.min(4),
            _ => most_of_lane,
        };
        let own = class.lanes.entry(lane).or_default();
        if *own >= most_of_lane {
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

    /// Gives turns to those who are next.
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
                // Whoever waited is gone. Not by dropping the turn, which would come back here.
                turn.queue = None;
                self.lock().running -= 1;
            }
        }
    }
}

/// A place among those who wait; dropping it gives it back.
#[derive(Debug)]
pub struct QueuePlace {
    queue: Queue,
    lane: Lane,
}

impl QueuePlace {
    /// Waits for the lane's turn, at most this long.
    ///
    /// # Errors
    /// [`Error::Busy`] after that.
    pub async fn turn(self, patience: Duration) -> Result<Turn> {
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
        match timeout(patience, receiver).await {
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
        // Nobody stands in the queue who has left.
        if let Some(queue) = class.ready.get_mut(&self.lane) {
            queue.retain(|sender| !sender.is_closed());
            if queue.is_empty() {
                class.ready.remove(&self.lane);
                class.order.retain(|lane| *lane != self.lane);
            }
        }
    }
}

/// The right to hash; dropping it passes it on.
#[derive(Debug)]
pub struct Turn {
    queue: Option<Queue>,
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
    async fn busy(queue: &Queue) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..MAX_RUNNING {
            turns.push(queue.join(lane(255)).expect("a place").turn(MAX_WAIT).await.expect("a turn"));
        }
        turns
    }

    #[tokio::test]
    async fn lanes_take_turns_however_many_wait_in_one_of_them() {
        let queue = Queue::default();
        let turns = busy(&queue).await;
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        let wait = |lane: Lane, name: &'static str| {
            let (place, told) = (queue.join(lane).expect("a place"), told.clone());
            tokio::spawn(async move {
                let turn = place.turn(MAX_WAIT).await.expect("a turn");
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
        let queue = Queue::default();
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
        let queue = Queue::default();
        let office = Lane::Fresh(IpAddr::from([192, 0, 2, 9]));
        let places: Vec<_> = (0..200).map(|_| queue.join(office).expect("a place")).collect();
        let elsewhere = queue.join(Lane::Fresh(IpAddr::from([198, 51, 100, 9])));
        assert!(elsewhere.is_ok() && places.len() == 200);
    }

    #[tokio::test]
    async fn who_leaves_or_waits_too_long_holds_up_nobody() {
        let queue = Queue::default();
        let turns = busy(&queue).await;
        let late = queue.join(lane(1)).expect("a place").turn(Duration::from_millis(10)).await;
        assert!(matches!(late, Err(Error::Busy { .. })));
        let place = queue.join(lane(1)).expect("a place");
        let gone = tokio::spawn(place.turn(MAX_WAIT));
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(turns);
        let turn = queue.join(lane(1)).expect("a place").turn(MAX_WAIT).await.expect("a turn");
        drop(turn);
        let state = queue.lock();
        assert_eq!(state.running, 0);
        assert!(state.classes.iter().all(|class| class.ready.is_empty() && class.order.is_empty()));
    }
}
