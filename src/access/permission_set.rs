//! The type of a permission set: a named bundle of permissions, built in or
//! created by owners. `catalog` lists the sets of an organization.

use std::borrow::Cow;

use super::permission::{Level, Permissions};

/// A named bundle of permissions. The set that a membership, a team or a
/// service account has for all projects is called its *role*.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PermissionSet {
    /// Identifies the set in forms, JSON and the database. It never changes.
    pub slug: Cow<'static, str>,
    /// The display name, 1 to 255 characters.
    pub name: Cow<'static, str>,
    /// What the set allows, in one sentence.
    pub description: Cow<'static, str>,
    /// A set at organization level can be granted for all projects only.
    pub level: Level,
    /// The permissions of the set.
    pub permissions: Permissions,
}
