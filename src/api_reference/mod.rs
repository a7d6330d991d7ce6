//! The reference of the JSON API: an OpenAPI 3.1 document and a page.
//!
//! Both are generated from the operations that the sections register, so they cannot differ from the code.

mod document;
mod pages;
mod words;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::middleware::from_fn;
use serde_json::Value;

use crate::platform::server::FastPath;
use crate::platform::web::idempotency::digest_request;
use crate::platform::web::operation::{Api, BASE, OperationInfo};
use crate::state::AppState;

/// The operations of one section of the API.
#[derive(Debug)]
pub struct Section {
    /// Name of the section, used as the OpenAPI tag.
    pub tag: &'static str,
    /// Description of the section.
    pub about: &'static str,
    /// Operations of the section, in the order of the document.
    pub operations: Vec<OperationInfo>,
}

/// The data of the reference. The document is generated at the first request.
#[derive(Debug)]
struct Reference {
    sections: Vec<Section>,
    document: OnceLock<Value>,
    json: OnceLock<Bytes>,
}

impl Reference {
    fn document(&self) -> &Value {
        self.document.get_or_init(|| document::of(&self.sections))
    }
}

/// The routers that result from all sections.
#[derive(Debug)]
pub struct ApiRouter {
    /// Routes below the base path of the API.
    pub api: Router<AppState>,
    /// Routes of the fast path, which skip the middleware of the others.
    pub direct: FastPath<AppState>,
    /// Routes of the reference itself.
    pub reference: Router<AppState>,
}

/// Splits the sections into routers and the description of their operations.
pub fn assemble(sections: Vec<Api<AppState>>) -> ApiRouter {
    let (mut api, mut once, mut told) = (Router::new(), Router::new(), Vec::new());
    let mut direct = FastPath::default();
    for Api { tag, about, router, once: repeated, direct: apart, operations } in sections {
        api = api.merge(router);
        once = once.merge(repeated);
        direct = direct.merge(apart);
        told.push(Section { tag, about, operations });
    }
    let reference = Reference { sections: told, document: OnceLock::new(), json: OnceLock::new() };
    // The middleware that hashes the request is only added to operations that accept an `Idempotency-Key`.
    let api = api.merge(once.layer(from_fn(digest_request)));
    ApiRouter { api: Router::new().nest(BASE, api), direct, reference: pages::routes(Arc::new(reference)) }
}
