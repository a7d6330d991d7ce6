//! JSON bodies: the extractor for request bodies of the API, and JSON responses.
//! Errors of `serde` are converted to messages in terms of JSON, which do not name
//! the types of the program.

use std::borrow::Cow;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body;
use crate::platform::text::one_of;
use crate::platform::{Error, Result, ValidationErrors};

/// The extractor of a JSON body. The rejection is 400 for a body that is not JSON,
/// and 422 with the field for JSON of another shape. An empty body reads as `{}`.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = body::read(request.into_body()).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        let essence = kind.as_deref().and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Error::Malformed("Send JSON with Content-Type: application/json.".to_owned()));
        }
        parse(&bytes).map(Self)
    }
}

/// A response with status 200 and this value as JSON, as axum's `Json`, but with a
/// larger initial buffer.
///
/// # Errors
/// [`Error::Internal`] for a value that cannot be serialized.
pub fn json_response<T: Serialize>(value: &T) -> Result<Response> {
    let mut body = Vec::with_capacity(1024);
    serde_json::to_writer(&mut body, value).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// The response of an operation that lists: one page of items, and the cursor of the
/// next page if there is one.
pub fn list_response(items: impl Serialize, next: Option<String>) -> Response {
    let next = next.map_or(Value::Null, Value::String);
    axum::Json(json!({ "items": items, "next": next })).into_response()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // serde also reads the fields of a struct from an array, in order, which is never intended.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        let read: std::result::Result<serde::de::IgnoredAny, _> = serde_json::from_slice(bytes);
        return Err(match read {
            Ok(_) => Error::Invalid(ValidationErrors::one("", "Send an object, not a list.")),
            Err(error) => Error::Malformed(format!("Send JSON in the body. It cannot be read: {error}.")),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            // Line and column do not help clients that generate their JSON.
            let text = inner.to_string();
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
            let field = if path == "." { field_in_message(message).unwrap_or_default() } else { &path };
            Error::Invalid(ValidationErrors::one(field, describe_type_error(message)))
        } else {
            Error::Malformed(format!("Send JSON in the body. It cannot be read: {inner}."))
        }
    })?;
    json.end().map_err(|error| {
        Error::Malformed(format!("Send one JSON value in the body. It cannot be read: {error}."))
    })?;
    Ok(value)
}

/// Converts serde's message about a value of the wrong type to terms of JSON.
fn describe_type_error(message: &str) -> Cow<'_, str> {
    if message.starts_with("data did not match any variant") {
        return Cow::Borrowed(OTHER_KIND);
    }
    if let Some(sentence) = about_fields(message) {
        return Cow::Owned(sentence);
    }
    let is_of_kind = ["invalid type: ", "invalid value: ", "invalid length "];
    if !is_of_kind.iter().any(|start| message.starts_with(start)) {
        return Cow::Borrowed(message);
    }
    // The text before it contains the value, which can be anything.
    let Some((_, expected)) = message.rsplit_once(", expected ") else {
        return Cow::Borrowed(OTHER_KIND);
    };
    let kind = match expected {
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string or map" | "variant identifier" => "a string",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") => "a string",
        _ if expected.starts_with("tuple ") || expected.starts_with("an array ") => "a list",
        // The `expecting` text of one of our own deserializers.
        _ if expected.starts_with("a ") || expected.starts_with("an ") => expected,
        _ => return Cow::Borrowed(OTHER_KIND),
    };
    Cow::Owned(format!("Send {kind}."))
}

const OTHER_KIND: &str = "Send a value of the type that the API reference describes.";

/// What serde says of the fields of an object and of the words of an enum, as
/// sentences: its lists of names stand between backticks.
fn about_fields(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    let first = names.next()?;
    let known: Vec<&str> = names.collect();
    if message.starts_with("unknown field `") {
        return Some(if known.is_empty() {
            format!("Remove “{first}”. No fields are allowed here.")
        } else {
            format!("Remove “{first}”. The fields are: {}.", known.join(", "))
        });
    }
    if message.starts_with("unknown variant `") {
        return Some(one_of(&known));
    }
    if message.starts_with("missing field `") {
        return Some(format!("Send the field “{first}”."));
    }
    message.starts_with("duplicate field `").then(|| format!("Send the field “{first}” only once."))
}

/// The field in serde's messages `unknown field` and `missing field`.
fn field_in_message(message: &str) -> Option<&str> {
    message.split('`').nth(1).filter(|_| message.contains("field `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its shape matters")]
        name: Option<String>,
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (body, field) in [(r#"{"nam":"x"}"#, "nam"), (r#"{"name":1}"#, "name"), ("[]", ""), ("1", "")] {
            let Err(Error::Invalid(errors)) = parse::<Sample>(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(errors.all()[0].field, field, "{body}: {errors}");
            assert!(!errors.to_string().contains("line 1"));
        }
        assert_eq!(
            describe_type_error("invalid type: string \"x, expected u8\", expected struct Sample"),
            "Send an object."
        );
        assert_eq!(
            describe_type_error("invalid value: integer `-1`, expected u32"),
            "Send a whole number of 0 or more."
        );
        assert_eq!(describe_type_error("invalid type: map, expected struct variant X"), "Send an object.");
        assert_eq!(describe_type_error("missing field `name`"), "Send the field “name”.");
        assert_eq!(describe_type_error("duplicate field `name`"), "Send the field “name” only once.");
        assert_eq!(
            describe_type_error("unknown field `nam`, expected `name` or `slug`"),
            "Remove “nam”. The fields are: name, slug."
        );
        assert_eq!(
            describe_type_error("unknown field `x`, there are no fields"),
            "Remove “x”. No fields are allowed here."
        );
        assert_eq!(
            describe_type_error("unknown variant `c`, expected one of `a`, `b`"),
            "Use one of these values: a, b."
        );
        for body in ["{", "", "{}{}", "\u{0}"] {
            assert!(matches!(parse::<Sample>(body.as_bytes()), Err(Error::Malformed(_))), "{body}");
        }
    }
}
