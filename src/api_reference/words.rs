//! Descriptions of path parameters and of the kinds of token that an operation accepts.
//!
//! The document and the page share them. Every parameter of a path must have a description here.

use crate::access::TokenKind;
use crate::platform::web::operation::OperationInfo;

/// Path parameters: name, description and example.
const PARTS: &[(&str, &str, &str)] = &[
    ("org", "The organization's slug or id.", "acme"),
    ("team", "The team's slug or id.", "platform"),
    ("username", "The person's username.", "olive"),
    ("id", "An id, as the list gives it.", "sa_01k9zv6c3r8m2f4h7j5n0p1q2s"),
    ("tok", "The token's id.", "tok_01k9zv6c3r8m2f4h7j5n0p1q2s"),
    ("project", "The project's slug or id.", "payments"),
    (
        "principal",
        "Who is named: `person:olive`, `team:platform`, a service account's UID, a service token's id.",
        "person:olive",
    ),
    ("set", "The permission set's slug or id.", "job_runner"),
    ("svc", "The service's id.", "svc_01k9zv6c3r8m2f4h7j5n0p1q2s"),
    ("idp", "The identity provider's id or name.", "GitHub"),
];

/// The parameters of a path: name, description and example.
pub(super) fn parts(path: &str) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        PARTS.iter().find(|(known, ..)| *known == name).copied()
    })
}

/// Whether organization tokens can use the operation.
pub(super) fn takes_organization_tokens(operation: &OperationInfo) -> bool {
    operation.only.is_empty() || operation.only.contains(&TokenKind::Organization.word())
}

/// A sentence for operations that organization tokens cannot use. `None` for all others.
pub(super) fn kinds(operation: &OperationInfo) -> Option<String> {
    if takes_organization_tokens(operation) {
        return None;
    }
    let kinds: Vec<String> = TokenKind::ALL
        .iter()
        .filter(|kind| operation.only.contains(&kind.word()))
        .map(|kind| format!("a {}", kind.title().to_lowercase()))
        .collect();
    Some(format!("This operation cannot be used with organization tokens. Use {}.", kinds.join(" or ")))
}
