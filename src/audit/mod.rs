//! The audit log. Every change that a person or a program requests is a
//! [`Change`]: a transaction that can only be committed together with an event
//! that describes it. `privileges` checks at commit that nobody gains access
//! that the caller does not hold; `idempotency` stores the outcomes of requests
//! with an `Idempotency-Key`. `audit_log` is the section that shows the events.

mod change;
mod event;
pub mod idempotency;
mod privileges;
mod store;

pub use change::Change;
pub use event::{Action, Actor, ActorKind, Channel, Event, EventSummary};
pub use store::{list_events_about, list_events_by, list_latest_events};
