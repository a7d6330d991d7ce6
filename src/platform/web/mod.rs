//! The web, as far as it is the same for every product: the envelope around
//! each answer, forms, JSON, assets, paging.

pub mod assets;
pub mod client;
mod envelope;
mod form;
mod json;
mod page;
pub mod paging;

pub use envelope::{RequestId, envelope, method_not_allowed, not_found, panicked};
pub use form::{Form, Query};
pub use json::Json;
pub use page::{html, redirect, safe_next};
