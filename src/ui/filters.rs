#![allow(missing_docs, clippy::unnecessary_wraps, reason = "askama makes public items of each filter")]
//! Filters of the templates: small ways of saying things. (askama finds them
//! under this name.)

use crate::platform::web::query_filter::ListFilter;

fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// A sentence that begins with a field's name, as a person says it:
/// `grants[0].permission_set is needed` is `Permission 1: permission set is needed`.
#[askama::filter_fn]
pub fn label(sentence: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(spoken(&sentence.to_string()))
}

fn spoken(sentence: &str) -> String {
    let (field, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
    let mut words = Vec::new();
    for part in field.split('.') {
        match part.strip_prefix("grants[").and_then(|part| part.strip_suffix(']')?.parse::<usize>().ok()) {
            Some(place) => words.push(format!("permission {}:", place + 1)),
            // Where a form of one page puts them, not what they are called there.
            None if matches!(part, "policy" | "lifetimes" | "identity") => {}
            None => words.push(part.replace('_', " ")),
        }
    }
    let text = format!("{} {rest}", words.join(" "));
    let mut chars = text.trim_end().chars();
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
    fn a_field_is_called_as_its_form_calls_it() {
        for (sentence, expected) in [
            ("default_team is needed", "Default team is needed"),
            ("grants[0].permission_set is needed", "Permission 1: permission set is needed"),
            ("policy.lifetimes.team.max_days must be a number", "Team max days must be a number"),
            ("key.expires_at must lie in the future", "Key expires at must lie in the future"),
            ("service_account", "Service account"),
        ] {
            assert_eq!(super::spoken(sentence), expected);
        }
    }
}
