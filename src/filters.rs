#![allow(missing_docs, clippy::unnecessary_wraps, reason = "askama makes public items of each filter")]
//! Filters of the templates: small ways of saying things. (askama finds them
//! under this name.)

use crate::service_accounts::store::Filter;

fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// A sentence about a field, without the underscores of its name.
#[askama::filter_fn]
pub fn label(sentence: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    let text = sentence.to_string().replacen('_', " ", 1);
    let mut chars = text.chars();
    Ok(chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect())
}

/// A field's name as the part of an address behind `#`.
#[askama::filter_fn]
pub fn fragment(field: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(field.to_string().replace('[', "%5B").replace(']', "%5D"))
}

/// `name=value&`, or nothing: the part of an address that keeps a filter.
#[askama::filter_fn]
pub fn query(value: impl std::fmt::Display, _: &dyn askama::Values, name: &str) -> askama::Result<String> {
    let value = value.to_string();
    Ok(if value.is_empty() { String::new() } else { format!("{name}={}&", encoded(&value)) })
}

/// The same for the filter of service accounts.
#[askama::filter_fn]
pub fn filter_query(filter: &Filter, _: &dyn askama::Values) -> askama::Result<String> {
    let all =
        [("q", &filter.search), ("scope", &filter.scope), ("team", &filter.team), ("status", &filter.status)];
    let kept = all.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(kept.map(|(name, value)| format!("{name}={}&", encoded(value))).collect())
}

/// The same for the filter of service tokens.
#[askama::filter_fn]
pub fn token_filter_query(
    filter: &crate::service_tokens::store::Filter,
    _: &dyn askama::Values,
) -> askama::Result<String> {
    let all = [
        ("q", &filter.search),
        ("status", &filter.status),
        ("permission_set", &filter.set),
        ("project", &filter.project),
    ];
    let kept = all.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(kept.map(|(name, value)| format!("{name}={}&", encoded(value))).collect())
}
