//! The audit log. A change that people or programs ask for is a [`Change`]:
//! a transaction that can only be committed with the event that tells of it.

mod change;
mod event;
pub mod idempotency;
mod privileges;
mod store;

pub use change::Change;
pub use event::{Action, Actor, ActorKind, Channel, Event, EventSummary};
pub use store::{about, by, latest};
