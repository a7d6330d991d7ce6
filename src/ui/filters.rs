#![allow(missing_docs, clippy::unnecessary_wraps, reason = "askama makes public items of each filter")]
//! Filters of the templates: small ways of saying things. (askama finds them
//! under this name.)

use crate::platform::web::query_filter::ListFilter;

fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// A word of the API as a label: `service_account` is `Service account`.
#[askama::filter_fn]
pub fn label(word: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(sentence_case(&word.to_string()))
}

fn sentence_case(word: &str) -> String {
    let text = word.replace('_', " ");
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// A field's name as the part of an address behind `#`.
#[askama::filter_fn]
pub fn fragment(field: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(field.to_string().replace('[', "%5B").replace(']', "%5D"))
}

/// A name as the part of an address behind `#`: lower case, hyphens for spaces.
#[askama::filter_fn]
pub fn anchor(name: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(name.to_string().to_lowercase().replace(' ', "-"))
}

/// A text of ours as HTML, with what stands between backticks as code.
#[askama::filter_fn]
pub fn ticks(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    let plain = text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = plain.split('`').enumerate();
    Ok(parts
        .map(|(place, part)| if place % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect())
}

/// `name=value&`, or nothing: the part of an address that keeps a filter.
#[askama::filter_fn]
pub fn query(value: impl std::fmt::Display, _: &dyn askama::Values, name: &str) -> askama::Result<String> {
    let value = value.to_string();
    Ok(if value.is_empty() { String::new() } else { format!("{name}={}&", encoded(&value)) })
}

/// The same for all fields of a list's filter.
#[askama::filter_fn]
pub fn filter_query(filter: impl ListFilter, _: &dyn askama::Values) -> askama::Result<String> {
    let kept = filter.fields().into_iter().filter(|(_, value)| !value.is_empty());
    Ok(kept.map(|(name, value)| format!("{name}={}&", encoded(value))).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_of_the_api_becomes_a_label() {
        for (word, expected) in [("service_account", "Service account"), ("person", "Person"), ("", "")] {
            assert_eq!(super::sentence_case(word), expected);
        }
    }
}
