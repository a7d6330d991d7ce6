//! The operations of the JSON API. An [`Operation`] is a route together with its
//! description for the API reference and the OpenAPI document, so that neither can
//! exist without the other. Each section builds an [`Api`] of its operations.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::query_filter::QueryFilter;
use crate::platform::Context;
use crate::platform::server::FastPath;

/// The beginning of the paths of the API.
pub const BASE: &str = "/api/v1";

/// A function that generates the JSON schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The successful response of an operation.
#[derive(Clone, Copy, Debug)]
pub enum SuccessResponse {
    /// 204 without a body.
    Nothing,
    /// 200 with one object of this schema.
    One(SchemaOf),
    /// 200 with a page of objects of this schema.
    Page(SchemaOf),
    /// 200 with all objects of this schema, of which there are never many.
    All(SchemaOf),
    /// 201 with the created object of this schema.
    Made(SchemaOf),
}

/// The description of an operation.
#[derive(Clone, Debug)]
pub struct OperationInfo {
    /// The `operationId`, as clients name the operation: `listTeams`.
    pub id: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path below [`BASE`], with `{parameters}`.
    pub path: String,
    /// One line.
    pub summary: &'static str,
    /// More details; empty for none.
    pub note: &'static str,
    /// The required permission; empty if it depends on the request.
    pub needs: &'static str,
    /// The only kinds of token that can be used; empty for all kinds.
    pub only: &'static [&'static str],
    /// The filters of a list.
    pub filters: &'static [QueryFilter],
    /// The schema of the request's body.
    pub body: Option<SchemaOf>,
    /// The successful response.
    pub answer: SuccessResponse,
    /// Whether the response has an `ETag`, which an edit can send in `If-Match`.
    pub tagged: bool,
    /// Whether the operation reads an `Idempotency-Key`.
    pub once: bool,
}

/// An operation: its description and its handler.
#[derive(Debug)]
pub struct Operation<S> {
    info: OperationInfo,
    handler: Route<S>,
}

/// How an operation is routed.
#[derive(Debug)]
enum Route<S> {
    /// By the router, below [`BASE`].
    Usual(Box<MethodRouter<S>>),
    /// By the fast path, with its full path.
    Direct(FastPath<S>),
}

/// The operations of one section.
#[derive(Debug)]
pub struct Api<S> {
    /// The name of the section in the API reference.
    pub tag: &'static str,
    /// One sentence about the section.
    pub about: &'static str,
    /// The operations that read no `Idempotency-Key`, below [`BASE`].
    pub router: Router<S>,
    /// The operations that read an `Idempotency-Key`, below [`BASE`].
    pub once: Router<S>,
    /// The operations on the fast path, with their full paths.
    pub direct: FastPath<S>,
    /// The descriptions of all operations.
    pub operations: Vec<OperationInfo>,
}

impl<S: AsRef<Context> + Clone + Send + Sync + 'static> Api<S> {
    /// A section without operations yet.
    #[must_use]
    pub fn of(tag: &'static str, about: &'static str) -> Self {
        Self {
            tag,
            about,
            router: Router::new(),
            once: Router::new(),
            direct: FastPath::default(),
            operations: Vec::new(),
        }
    }

    /// Adds an operation.
    #[must_use]
    pub fn with(mut self, operation: Operation<S>) -> Self {
        let Operation { info, handler } = operation;
        match handler {
            Route::Direct(routes) => self.direct = self.direct.merge(routes),
            Route::Usual(handler) => {
                let router = if info.once { &mut self.once } else { &mut self.router };
                *router = std::mem::take(router).route(&info.path, *handler);
            }
        }
        self.operations.push(info);
        self
    }
}

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $method:ident, $once:expr) => {
        $(#[$doc])*
        pub fn $name<H, T, S>(
            id: &'static str,
            path: impl Into<String>,
            handler: H,
            summary: &'static str,
        ) -> Operation<S>
        where
            H: Handler<T, S>,
            T: 'static,
            S: Clone + Send + Sync + 'static,
        {
            Operation {
                info: OperationInfo {
                    id,
                    method: Method::$method,
                    path: path.into(),
                    summary,
                    note: "",
                    needs: "",
                    only: &[],
                    filters: &[],
                    body: None,
                    answer: SuccessResponse::Nothing,
                    tagged: false,
                    once: $once,
                },
                handler: Route::Usual(Box::new(on(MethodFilter::$method, handler))),
            }
        }
    };
}

method!(/** An operation with GET. */ get, GET, false);
method!(/** An operation with POST, which reads an `Idempotency-Key`. */ post, POST, true);
method!(/** An operation with PUT. */ put, PUT, false);
method!(/** An operation with PATCH. */ patch, PATCH, false);
method!(/** An operation with DELETE. */ delete, DELETE, false);

/// An operation with GET on the fast path, without the middleware of the others.
pub fn direct<H, T, S>(
    id: &'static str,
    path: impl Into<String>,
    handler: H,
    summary: &'static str,
) -> Operation<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: AsRef<Context> + Clone + Send + Sync + 'static,
{
    let path = path.into();
    let routes = FastPath::default().route(&format!("{BASE}{path}"), Method::GET, handler.clone());
    Operation { handler: Route::Direct(routes), ..get(id, path, handler, summary) }
}

impl<S> Operation<S> {
    /// Adds details.
    #[must_use]
    pub const fn note(mut self, note: &'static str) -> Self {
        self.info.note = note;
        self
    }

    /// States the required permission.
    #[must_use]
    pub const fn needs(mut self, permission: &'static str) -> Self {
        self.info.needs = permission;
        self
    }

    /// States the only kinds of token that can be used.
    #[must_use]
    pub const fn only(mut self, kinds: &'static [&'static str]) -> Self {
        self.info.only = kinds;
        self
    }

    /// States the filters of the list.
    #[must_use]
    pub const fn filters(mut self, filters: &'static [QueryFilter]) -> Self {
        self.info.filters = filters;
        self
    }

    /// States the type of the request's body.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.info.body = Some(schema_of::<T>);
        self
    }

    const fn answers(mut self, answer: SuccessResponse) -> Self {
        self.info.answer = answer;
        self
    }

    /// States that the response is 200 with one object.
    #[must_use]
    pub fn gives<T: JsonSchema>(self) -> Self {
        self.answers(SuccessResponse::One(schema_of::<T>))
    }

    /// States that the response is 200 with a page of objects.
    #[must_use]
    pub fn lists<T: JsonSchema>(self) -> Self {
        self.answers(SuccessResponse::Page(schema_of::<T>))
    }

    /// States that the response is 200 with all objects.
    #[must_use]
    pub fn lists_all<T: JsonSchema>(self) -> Self {
        self.answers(SuccessResponse::All(schema_of::<T>))
    }

    /// States that the response is 201 with the created object.
    #[must_use]
    pub fn makes<T: JsonSchema>(self) -> Self {
        self.answers(SuccessResponse::Made(schema_of::<T>))
    }

    /// States that the response has an `ETag`, which an edit can send in `If-Match`.
    #[must_use]
    pub const fn tagged(mut self) -> Self {
        self.info.tagged = true;
        self
    }

    /// States that the operation is idempotent by itself and reads no
    /// `Idempotency-Key`.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.info.once = false;
        self
    }
}
