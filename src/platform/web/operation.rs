//! Operations of the JSON API: the route and what there is to say of it, in one
//! place, so that none answers that is not described and none is described that
//! does not answer.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::query_filter::QueryFilter;
use crate::platform::Context;
use crate::platform::server::FastPath;

/// The API's own address.
pub const BASE: &str = "/api/v1";

/// How a body looks: asks a generator for the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What an operation answers with when all is well.
#[derive(Clone, Copy, Debug)]
pub enum SuccessResponse {
    /// 204.
    Nothing,
    /// 200 with one of these.
    One(SchemaOf),
    /// 200 with a page of these.
    Page(SchemaOf),
    /// 200 with all of these at once: there are never many.
    All(SchemaOf),
    /// 201 with one of these.
    Made(SchemaOf),
}

/// What there is to say of an operation.
#[derive(Clone, Debug)]
pub struct OperationInfo {
    /// Names it in clients: `listTeams`.
    pub id: &'static str,
    /// The method.
    pub method: Method,
    /// The address below the API's own, with `{names}`.
    pub path: String,
    /// One line.
    pub summary: &'static str,
    /// More, where there is more to know.
    pub note: &'static str,
    /// The permission that it asks for, where it is one and the same.
    pub needs: &'static str,
    /// The kinds of token that can be used; all where there are none.
    pub only: &'static [&'static str],
    /// What a list is filtered by.
    pub filters: &'static [QueryFilter],
    /// The body that it takes.
    pub body: Option<SchemaOf>,
    /// What it answers with.
    pub answer: SuccessResponse,
    /// Whether the answer has an `ETag`, which an edit can hold on to.
    pub tagged: bool,
    /// Whether it can be repeated safely with an `Idempotency-Key`.
    pub once: bool,
}

/// An operation: its description, and what carries it out.
#[derive(Debug)]
pub struct Operation<S> {
    told: OperationInfo,
    handler: Route<S>,
}

/// What carries an operation out, and by which way.
#[derive(Debug)]
enum Route<S> {
    Usual(Box<MethodRouter<S>>),
    /// By its whole address.
    Direct(FastPath<S>),
}

/// The operations of one section.
#[derive(Debug)]
pub struct Api<S> {
    /// The section's name.
    pub tag: &'static str,
    /// What it is about, in a sentence.
    pub about: &'static str,
    /// What answers.
    pub router: Router<S>,
    /// What answers and can be repeated with an `Idempotency-Key`.
    pub once: Router<S>,
    /// What answers without the layers of the others, by its whole address.
    pub direct: FastPath<S>,
    /// What there is to say.
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

    /// With one more operation.
    #[must_use]
    pub fn with(mut self, operation: Operation<S>) -> Self {
        let Operation { told, handler } = operation;
        match handler {
            Route::Direct(routes) => self.direct = self.direct.merge(routes),
            Route::Usual(handler) => {
                let router = if told.once { &mut self.once } else { &mut self.router };
                *router = std::mem::take(router).route(&told.path, *handler);
            }
        }
        self.operations.push(told);
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
                told: OperationInfo {
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

method!(/** Reads. */ get, GET, false);
method!(/** Makes or does something. */ post, POST, true);
method!(/** Sets. */ put, PUT, false);
method!(/** Edits. */ patch, PATCH, false);
method!(/** Ends. */ delete, DELETE, false);

/// Reads, for every call of every service: without the layers of the others.
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
    /// With more to know.
    #[must_use]
    pub const fn note(mut self, note: &'static str) -> Self {
        self.told.note = note;
        self
    }

    /// The permission that it asks for.
    #[must_use]
    pub const fn needs(mut self, permission: &'static str) -> Self {
        self.told.needs = permission;
        self
    }

    /// The only kinds of token that can be used.
    #[must_use]
    pub const fn only(mut self, kinds: &'static [&'static str]) -> Self {
        self.told.only = kinds;
        self
    }

    /// What the list is filtered by.
    #[must_use]
    pub const fn filters(mut self, filters: &'static [QueryFilter]) -> Self {
        self.told.filters = filters;
        self
    }

    /// The body that it takes.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.told.body = Some(shape::<T>);
        self
    }

    /// 200 with one.
    #[must_use]
    pub fn gives<T: JsonSchema>(mut self) -> Self {
        self.told.answer = SuccessResponse::One(shape::<T>);
        self
    }

    /// 200 with a page of them.
    #[must_use]
    pub fn lists<T: JsonSchema>(mut self) -> Self {
        self.told.answer = SuccessResponse::Page(shape::<T>);
        self
    }

    /// 200 with all of them.
    #[must_use]
    pub fn lists_all<T: JsonSchema>(mut self) -> Self {
        self.told.answer = SuccessResponse::All(shape::<T>);
        self
    }

    /// 201 with what it made.
    #[must_use]
    pub fn makes<T: JsonSchema>(mut self) -> Self {
        self.told.answer = SuccessResponse::Made(shape::<T>);
        self
    }

    /// The answer has an `ETag`; an edit takes it in `If-Match`.
    #[must_use]
    pub const fn tagged(mut self) -> Self {
        self.told.tagged = true;
        self
    }

    /// Doing it twice is the same as once: no `Idempotency-Key` is read.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.told.once = false;
        self
    }
}
