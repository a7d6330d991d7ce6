//! Permission sets: named bundles of permissions.

use std::borrow::Cow;

use super::permission::{Level, Permissions};

/// A named bundle of permissions; the *role* where one is given to an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PermissionSet {
    /// Names it in forms, JSON and the database; never changes.
    pub slug: Cow<'static, str>,
    /// For people.
    pub name: Cow<'static, str>,
    /// One sentence: what it lets one do.
    pub description: Cow<'static, str>,
    /// A set of the organization's level holds for all projects only.
    pub level: Level,
    /// What it holds.
    pub permissions: Permissions,
}
