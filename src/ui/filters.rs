#![allow(missing_docs, clippy::unnecessary_wraps, reason = "askama makes public items of each filter")]
//! The filters of the templates: they convert values to parts of sentences, URLs
//! and HTML. askama finds a filter in a module with the name `filters`.

use crate::platform::text::with_commas;

/// Converts a word of the API to a label: `service_account` becomes `Service
/// account`.
#[askama::filter_fn]
pub fn label(word: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(sentence_case(&word.to_string()))
}

pub(super) fn sentence_case(word: &str) -> String {
    let text = word.replace('_', " ");
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// Encodes a field's name as the fragment of a URL, to link to the field.
#[askama::filter_fn]
pub fn fragment(field: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(field.to_string().replace('[', "%5B").replace(']', "%5D"))
}

/// A number with a comma between thousands: `1,284`.
#[askama::filter_fn]
pub fn thousands(number: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(with_commas(number))
}

/// The first letters of the first and the last word of a name.
#[askama::filter_fn]
pub fn initials(name: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::layout::initials_of(&name.to_string()))
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

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_of_the_api_becomes_a_label() {
        for (word, expected) in [("service_account", "Service account"), ("person", "Person"), ("", "")] {
            assert_eq!(super::sentence_case(word), expected);
        }
    }
}
