//! Generates the OpenAPI 3.1 document from the operations.
//!
//! Schemas come from the Rust types through schemars. Their descriptions are the doc comments of these types.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Section;
use super::words::{kinds, parts};
use crate::platform::web::Problem;
use crate::platform::web::operation::{OperationInfo, SchemaOf, SuccessResponse};

/// Schema generators: request bodies are described inline, responses refer to named schemas.
struct Generators {
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
}

/// Generates the document for these sections.
pub(super) fn of(sections: &[Section]) -> Value {
    let settings = |settings: SchemaSettings| {
        settings.with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let bodies = settings(SchemaSettings::draft2020_12()).with(|it| it.inline_subschemas = true);
    let mut generators = Generators {
        bodies: bodies.into_generator(),
        answers: settings(SchemaSettings::draft2020_12().for_serialize()).into_generator(),
    };
    let problem = generators.answers.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    let all: Vec<&OperationInfo> = sections.iter().flat_map(|section| &section.operations).collect();
    for section in sections {
        for operation in &section.operations {
            let mut told = tell(section.tag, operation, &mut generators, &json!(problem));
            if let SuccessResponse::Made(_) = operation.answer {
                told["responses"]["201"]["links"] = links(operation, &all);
            }
            paths.entry(&operation.path).or_insert_with(|| json!({}))
                [operation.method.as_str().to_lowercase()] = told;
        }
    }
    let tags: Vec<Value> =
        sections.iter().map(|section| json!({ "name": section.tag, "description": section.about })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tessera",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A self-hosted console for machine accounts.",
            "description": INTRODUCTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }, { "basic": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": generators.answers.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "tsr?_…" },
                "basic": { "type": "http", "scheme": "basic", "description": "The token as the password." },
            },
        },
    })
}

const INTRODUCTION: &str = "Errors are `application/problem+json` (RFC 9457): `errors` names each field that is \
wrong, `request_id` finds the request in the log. Lists answer `items` and `next`, a cursor for `after`; a page may hold few or no items while there is a `next`. What the \
caller may not see is 404; what it may see but not do is 403 and names what is missing. `POST` takes an \
`Idempotency-Key`: the same key again answers with what the first request made, without its secret. `If-Match` with \
an `ETag` makes an edit hold on to what was read. `Tessera-On-Behalf-Of` and `Tessera-For-Team` say for whom and for \
which team a service account works.";

fn tell(tag: &str, operation: &OperationInfo, generators: &mut Generators, problem: &Value) -> Value {
    let description: Vec<String> = [
        Some(operation.note.to_owned()).filter(|note| !note.is_empty()),
        Some(operation.needs).filter(|needs| !needs.is_empty()).map(|needs| format!("Needs `{needs}`.")),
        kinds(operation).map(|sentence| format!("**Note:** {sentence}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut told = json!({
        "operationId": operation.id,
        "tags": [tag],
        "summary": operation.summary,
        "parameters": parameters(operation),
        "responses": responses(operation, generators, problem),
    });
    if !description.is_empty() {
        told["description"] = json!(description.join("\n\n"));
    }
    if !operation.only.is_empty() {
        told["x-token-kinds"] = json!(operation.only);
    }
    if let Some(body) = operation.body {
        let schema = body(&mut generators.bodies);
        told["requestBody"] = json!({ "content": { "application/json": { "schema": schema } } });
    }
    told
}

/// OpenAPI links from a creating operation to those that read, edit and delete the created object.
fn links(made: &OperationInfo, all: &[&OperationInfo]) -> Value {
    let below = |each: &&&OperationInfo| {
        let rest = each.path.strip_prefix(made.path.as_str()).and_then(|rest| rest.strip_prefix("/{"));
        rest.is_some_and(|rest| rest.ends_with('}') && !rest.contains('/'))
    };
    let links = all.iter().filter(below).filter_map(|each| {
        let own = parts(&each.path).last()?.0;
        let mut given: Map<String, Value> = parts(&made.path)
            .map(|(name, ..)| (name.to_owned(), json!(format!("$request.path.{name}"))))
            .collect();
        given.insert(own.to_owned(), json!("$response.body#/id"));
        Some((each.id.to_owned(), json!({ "operationId": each.id, "parameters": given })))
    });
    Value::Object(links.collect())
}

fn parameters(operation: &OperationInfo) -> Vec<Value> {
    let mut all: Vec<Value> = parts(&operation.path)
        .map(|(name, about, example)| {
            json!({
                "name": name, "in": "path", "required": true, "description": about, "example": example,
                "schema": { "type": "string" },
            })
        })
        .collect();
    for filter in operation.filters {
        let schema = if filter.words.is_empty() {
            json!({ "type": "string" })
        } else {
            json!({ "type": "string", "enum": filter.words })
        };
        all.push(
            json!({ "name": filter.name, "in": "query", "description": filter.about, "schema": schema }),
        );
    }
    if let SuccessResponse::Page(_) = operation.answer {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 });
        all.push(json!({ "name": "limit", "in": "query", "description": "How many.", "schema": limit }));
        let about = "The cursor of the page before.";
        all.push(json!({ "name": "after", "in": "query", "description": about, "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]*$" } }));
    }
    let mut header = |name: &str, about: &str, schema: Value| {
        all.push(json!({ "name": name, "in": "header", "description": about, "schema": schema }));
    };
    if operation.once {
        let schema = json!({ "type": "string", "maxLength": 200 });
        header("Idempotency-Key", "The same key again does nothing and answers with what was made.", schema);
    }
    if edits(operation) {
        header("If-Match", "The `ETag` that the edit holds on to.", json!({ "type": "string" }));
    }
    all
}

/// Whether the operation edits an object that has an entity tag.
fn edits(operation: &OperationInfo) -> bool {
    operation.tagged && operation.method == axum::http::Method::PATCH
}

fn responses(operation: &OperationInfo, generators: &mut Generators, problem: &Value) -> Value {
    let mut all = Map::new();
    let mut well = |status: &str, about: &str, schema: Option<Value>| {
        let mut response = json!({ "description": about });
        if let Some(schema) = schema {
            response["content"] = json!({ "application/json": { "schema": schema } });
        }
        if operation.tagged {
            let about = "Names this version.";
            response["headers"] = json!({ "ETag": { "description": about, "schema": { "type": "string" } } });
        }
        all.insert(status.to_owned(), response);
    };
    let mut one = |shape: SchemaOf| json!(shape(&mut generators.answers));
    match operation.answer {
        SuccessResponse::Nothing => well("204", "Done.", None),
        SuccessResponse::One(shape) => well("200", "As it is.", Some(one(shape))),
        SuccessResponse::Made(shape) => well("201", "Made.", Some(one(shape))),
        SuccessResponse::Page(shape) | SuccessResponse::All(shape) => {
            let next =
                json!({ "type": ["string", "null"], "description": "For `after`; null on the last page." });
            let list = json!({
                "type": "object", "required": ["items", "next"],
                "properties": { "items": { "type": "array", "items": one(shape) }, "next": next },
            });
            well("200", "A page.", Some(list));
        }
    }
    for (status, about) in failures(operation) {
        let mut response = json!({
            "description": about,
            "content": { "application/problem+json": { "schema": problem } },
        });
        if status == "429" {
            let about = "Seconds to wait.";
            response["headers"] =
                json!({ "Retry-After": { "description": about, "schema": { "type": "integer" } } });
        }
        all.insert(status.to_owned(), response);
    }
    Value::Object(all)
}

fn failures(operation: &OperationInfo) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("401", "No token, or none that is good."),
        ("403", "Not allowed; the answer names what is missing."),
        ("429", "Too many requests."),
    ];
    // A path parameter may be too long or otherwise invalid.
    let is_below = operation.path.contains('{');
    if is_below {
        all.push(("404", "Nothing there, or nothing that the caller may see."));
    }
    let reads = matches!(operation.answer, SuccessResponse::Page(_)) || !operation.filters.is_empty();
    if operation.body.is_some() {
        all.push(("400", "Not JSON."));
        all.push(("413", "More than is taken."));
    }
    if operation.body.is_some() || operation.once || reads || is_below {
        all.push(("422", "Fields that are wrong, each with what is allowed."));
    }
    if operation.method != axum::http::Method::GET {
        all.push(("409", "It does not fit what is there."));
    }
    if edits(operation) {
        all.push(("412", "It is no longer what `If-Match` names."));
    }
    all.sort_unstable();
    all
}
