//! The web, as far as it is the same for every product: the envelope around
//! each answer, forms, JSON, assets, paging.

pub mod assets;
pub mod body;
pub mod client;
mod connections;
pub mod cookie;
mod direct;
mod envelope;
mod form;
mod json;
mod listener;
pub mod mount;
pub mod nullable;
pub mod operation;
mod page;
pub mod paging;
mod serve;
mod stream;
mod tag;

pub use connections::ConnectionLimits;
pub use direct::{DirectRoutes, Front};
pub use envelope::{Arrival, OwnWords, Problem, envelope, headers, method_not_allowed, not_found, panicked};
pub use form::{Form, Query};
pub use json::{Json, told};
pub use listener::Listener;
pub use page::{html, redirect, safe_next};
pub use serve::serve;
pub use stream::{BodyWriter, ReaderGone, streamed_body};
pub use tag::{IfMatch, tagged};
