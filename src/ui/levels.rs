//! The levels of access as rows: for each resource, whether it can be read and
//! written. Forms offer them as choices, and pages show them as tiles.

use crate::access::{Level, Permissions, Resource};

/// A resource, and whether a set of permissions can read and write it.
#[derive(Clone, Copy, Debug)]
pub struct LevelRow {
    /// The resource.
    pub resource: Resource,
    /// Whether the permissions include reading.
    pub reads: bool,
    /// Whether the permissions include writing.
    pub writes: bool,
}

/// The rows of all resources that belong to projects, or to the organization.
#[must_use]
pub fn level_rows(permissions: Permissions, level: Level) -> Vec<LevelRow> {
    let of_level = Resource::grantable().filter(|resource| resource.level() == level);
    of_level
        .map(|resource| LevelRow {
            resource,
            reads: permissions.has(resource.read()),
            writes: permissions.has(resource.write()),
        })
        .collect()
}
