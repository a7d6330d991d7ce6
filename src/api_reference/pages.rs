//! The reference page, and the endpoint of the OpenAPI document.
//!
//! The page is rendered from the same document, so both show the same.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use tower_http::compression::CompressionLayer;

use super::words::{kinds, parts};
use super::{Reference, Section};
use crate::platform::web::operation::{OperationInfo, SuccessResponse};
use crate::platform::web::{html, mount};
use crate::state::AppState;
use crate::ui::filters;

/// The routes of the reference. They are public, because they contain nothing about an installation.
pub(super) fn routes(reference: Arc<Reference>) -> Router<AppState> {
    let told = reference.clone();
    Router::new()
        .route(
            "/api/openapi.json",
            get(move |State(app): State<AppState>| {
                std::future::ready(document(&reference, &app.context.config.public_url))
            }),
        )
        .route("/api/docs", get(move || std::future::ready(page(&told))))
        .layer(CompressionLayer::new())
}

const AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

fn document(reference: &Reference, public_url: &str) -> Response {
    let json = reference.json.get_or_init(|| {
        let mut document = reference.document().clone();
        document["servers"][0]["url"] = Value::from(format!("{}/api/v1", mount::base_path_of(public_url)));
        Bytes::from(document.to_string())
    });
    let kind = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, AN_HOUR)], json.clone()).into_response()
}

/// A field of a request body or response.
struct Field {
    name: String,
    kind: String,
    is_needed: bool,
    about: String,
}

/// An operation, as the page shows it.
struct OperationView<'a> {
    operation: &'a OperationInfo,
    kinds: Option<String>,
    parts: Vec<(&'static str, &'static str, &'static str)>,
    body: Vec<Field>,
    status: &'static str,
    answer: Vec<Field>,
    is_list: bool,
}

#[derive(Template)]
#[template(path = "api_reference/reference.html")]
struct ReferencePage<'a> {
    sections: Vec<(&'a Section, Vec<OperationView<'a>>)>,
}

fn page(reference: &Reference) -> Response {
    let document = reference.document();
    let tell = |operation| tell(document, operation);
    let sections = reference
        .sections
        .iter()
        .map(|section| (section, section.operations.iter().map(tell).collect()))
        .collect();
    html(axum::http::StatusCode::OK, &ReferencePage { sections })
}

fn tell<'a>(document: &Value, operation: &'a OperationInfo) -> OperationView<'a> {
    let told = &document["paths"][&operation.path][operation.method.as_str().to_lowercase()];
    let status = match operation.answer {
        SuccessResponse::Nothing => "204",
        SuccessResponse::One(_) | SuccessResponse::Page(_) | SuccessResponse::All(_) => "200",
        SuccessResponse::Made(_) => "201",
    };
    let mut answer = &told["responses"][status]["content"]["application/json"]["schema"];
    let is_list = matches!(operation.answer, SuccessResponse::Page(_) | SuccessResponse::All(_));
    if is_list {
        answer = &answer["properties"]["items"]["items"];
    }
    OperationView {
        operation,
        kinds: kinds(operation),
        parts: parts(&operation.path).collect(),
        body: fields(document, &told["requestBody"]["content"]["application/json"]["schema"]),
        status,
        answer: fields(document, answer),
        is_list,
    }
}

/// Resolves a reference to a named schema.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/"));
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}

fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let schema = resolved(document, schema);
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, field)| Field {
            name: name.clone(),
            kind: kind(document, field),
            is_needed: needed.contains(&name.as_str()),
            about: field["description"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

/// The type of a field in words.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    if let Some(words) = schema["enum"].as_array() {
        let all: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let all = if all.len() > 12 { "permission".to_owned() } else { all.join(" | ") };
        return if words.contains(&Value::Null) { format!("{all} or null") } else { all };
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("“{word}”");
    }
    if let Some(several) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        return several.iter().map(|each| kind(document, each)).collect::<Vec<_>>().join(" or ");
    }
    let words: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word.as_str()],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => return "any".to_owned(),
    };
    let told = words.into_iter().map(|word| match word {
        "array" => format!("list of {}", kind(document, &schema["items"])),
        "object" => match schema["properties"].as_object() {
            Some(fields) => format!("{{{}}}", fields.keys().cloned().collect::<Vec<_>>().join(", ")),
            None => "object".to_owned(),
        },
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "string" if schema["pattern"].as_str().is_some_and(|it| it.contains("_[0-9a-h")) => "id".to_owned(),
        "string" => "text".to_owned(),
        "boolean" => "true | false".to_owned(),
        "integer" | "number" => "number".to_owned(),
        other => other.to_owned(),
    });
    told.collect::<Vec<_>>().join(" or ")
}
