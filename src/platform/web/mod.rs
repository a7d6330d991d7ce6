//! The web layer that every section uses: the response middleware (`response_middleware`),
//! forms, JSON, cookies, assets, pagination, idempotency keys, and the operations of
//! the API. It knows nothing about the product.

pub mod assets;
pub mod body;
pub mod client;
pub mod cookie;
mod form;
pub mod idempotency;
mod json;
pub mod mount;
pub mod nullable;
pub mod operation;
mod page;
pub mod pagination;
mod path_params;
pub mod query_filter;
mod request_context;
pub(crate) mod response_middleware;
pub mod same_origin;
mod stream;
mod tag;

pub use form::{Form, Query};
pub use idempotency::IdempotencyKey;
pub use json::{Json, json_response, list_response};
pub use page::{html, redirect, safe_next};
pub use path_params::{ItemPath, PartPath};
pub use request_context::RequestContext;
pub use response_middleware::{
    CustomBody, ErrorFormat, Problem, RequestMeta, handle_panic, headers, method_not_allowed, not_found,
    response_middleware,
};
pub use stream::{BodyWriter, ReaderGone, streamed_body};
pub use tag::{IfMatch, tagged};
