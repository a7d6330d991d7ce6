#![allow(missing_docs, clippy::unnecessary_wraps, reason = "askama makes public items of each filter")]
//! The filters of the templates: they convert values to parts of sentences, URLs
//! and HTML. askama finds a filter in a module with the name `filters`.

use crate::platform::web::query_filter::ListFilter;

fn form_encode(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// Replaces the field name at the beginning of an error message by words:
/// `grants[0].permission_set is needed` becomes
/// `Permission 1: permission set is needed`.
#[askama::filter_fn]
pub fn label(sentence: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(replace_field_name(&sentence.to_string()))
}

fn replace_field_name(sentence: &str) -> String {
    let (field, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
    let mut words = Vec::new();
    for part in field.split('.') {
        match part.strip_prefix("grants[").and_then(|part| part.strip_suffix(']')?.parse::<usize>().ok()) {
            Some(place) => words.push(format!("permission {}:", place + 1)),
            // The name of a group of fields, which the form does not show.
            None if matches!(part, "policy" | "lifetimes" | "identity") => {}
            None => words.push(part.replace('_', " ")),
        }
    }
    let text = format!("{} {rest}", words.join(" "));
    let mut chars = text.trim_end().chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// Encodes a field's name as the fragment of a URL, to link to the field.
#[askama::filter_fn]
pub fn fragment(field: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(field.to_string().replace('[', "%5B").replace(']', "%5D"))
}

/// Converts a name to an id for a fragment: lower case, hyphens for spaces.
#[askama::filter_fn]
pub fn anchor(name: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(name.to_string().to_lowercase().replace(' ', "-"))
}

/// Converts a text to HTML: escapes it, and marks the parts between backticks as
/// code.
#[askama::filter_fn]
pub fn ticks(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    let plain = text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = plain.split('`').enumerate();
    Ok(parts
        .map(|(place, part)| if place % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect())
}

/// The query part `name=value&` that keeps a filter in a link; empty without a
/// value.
#[askama::filter_fn]
pub fn query(value: impl std::fmt::Display, _: &dyn askama::Values, name: &str) -> askama::Result<String> {
    let value = value.to_string();
    Ok(if value.is_empty() { String::new() } else { format!("{name}={}&", form_encode(&value)) })
}

/// The query part that keeps all fields of a list's filter in a link.
#[askama::filter_fn]
pub fn filter_query(filter: impl ListFilter, _: &dyn askama::Values) -> askama::Result<String> {
    let kept = filter.fields().into_iter().filter(|(_, value)| !value.is_empty());
    Ok(kept.map(|(name, value)| format!("{name}={}&", form_encode(value))).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_field_is_called_as_its_form_calls_it() {
        for (sentence, expected) in [
            ("default_team is needed", "Default team is needed"),
            ("grants[0].permission_set is needed", "Permission 1: permission set is needed"),
            ("policy.lifetimes.team.max_days must be a number", "Team max days must be a number"),
            ("key.expires_at must lie in the future", "Key expires at must lie in the future"),
            ("service_account", "Service account"),
        ] {
            assert_eq!(super::replace_field_name(sentence), expected);
        }
    }
}
