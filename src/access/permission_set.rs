//! Permission sets: named bundles of permissions.

use super::built_in::SETS;
use super::permission::{Level, Permissions};

/// A named bundle of permissions; the *role* where one is given to an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PermissionSet {
    /// Names it in forms, JSON and the database; never changes.
    pub slug: &'static str,
    /// For people.
    pub name: &'static str,
    /// One sentence: what it lets one do.
    pub description: &'static str,
    /// A set of the organization's level holds for all projects only.
    pub level: Level,
    /// What it holds.
    pub permissions: Permissions,
}

/// All built-in sets, in the order in which lists show them.
#[must_use]
pub fn built_in_sets() -> &'static [PermissionSet] {
    SETS
}

/// The built-in set of this slug.
#[must_use]
pub fn built_in(slug: &str) -> Option<&'static PermissionSet> {
    SETS.iter().find(|set| set.slug == slug)
}
