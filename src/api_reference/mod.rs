//! The reference of the JSON API: an OpenAPI 3.1 document and a page, both made
//! from the operations themselves.

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

/// A section of the reference.
#[derive(Debug)]
pub struct Section {
    /// Its name.
    pub tag: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Its operations.
    pub operations: Vec<OperationInfo>,
}

/// Everything that the reference tells, made when it is first asked for.
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

/// The sections taken apart.
#[derive(Debug)]
pub struct ApiRouter {
    /// What answers below the API's address.
    pub api: Router<AppState>,
    /// What answers without the layers of the others.
    pub direct: FastPath<AppState>,
    /// The pages of the reference.
    pub reference: Router<AppState>,
}

/// Takes the sections apart.
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
    // Only what reads an `Idempotency-Key` carries what that costs.
    let api = api.merge(once.layer(from_fn(digest_request)));
    ApiRouter { api: Router::new().nest(BASE, api), direct, reference: pages::routes(Arc::new(reference)) }
}
