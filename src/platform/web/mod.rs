//! The web, as far as it is the same for every product: the envelope around
//! each answer, forms, JSON, assets, paging.

pub mod assets;
pub mod body;
pub mod client;
pub mod cookie;
pub(crate) mod envelope;
mod form;
pub mod idempotency;
mod json;
pub mod mount;
pub mod nullable;
pub mod operation;
mod page;
pub mod pagination;
pub mod query_filter;
mod request_context;
pub mod same_origin;
mod stream;
mod tag;

pub use envelope::{
    CustomBody, Problem, RequestMeta, envelope, headers, method_not_allowed, not_found, panicked,
};
pub use form::{Form, Query};
pub use idempotency::IdempotencyKey;
pub use json::{Json, json_response};
pub use page::{html, redirect, safe_next};
pub use request_context::RequestContext;
pub use stream::{BodyWriter, ReaderGone, streamed_body};
pub use tag::{IfMatch, tagged};
