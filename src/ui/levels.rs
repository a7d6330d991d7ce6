//! The levels of access as rows: for each resource, whether it can be read and
//! written. Forms offer them as choices, and pages show them as tiles.

use crate::access::{
    AllowedBy, GrantSource, Level, Permission, Permissions, Projects, Resource, Subject, Target, allowed,
};

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

impl LevelRow {
    fn of(permissions: Permissions, resource: Resource) -> Self {
        Self { resource, reads: permissions.has(resource.read()), writes: permissions.has(resource.write()) }
    }

    /// The level in one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match (self.reads, self.writes) {
            (_, true) => "Write",
            (true, false) => "Read",
            (false, false) => "None",
        }
    }

    /// The class of the tile.
    #[must_use]
    pub const fn tile(&self) -> &'static str {
        match (self.reads, self.writes) {
            (_, true) => "w",
            (true, false) => "r",
            (false, false) => "n",
        }
    }
}

/// The rows of all resources that belong to projects, or to the organization.
#[must_use]
pub fn level_rows(permissions: Permissions, level: Level) -> Vec<LevelRow> {
    let of_level = Resource::grantable().filter(|resource| resource.level() == level);
    of_level.map(|resource| LevelRow::of(permissions, resource)).collect()
}

/// The resources of a project, in the groups in which pages show them.
const PROJECT_GROUPS: [(&str, &[Resource]); 5] = [
    ("Code", &[Resource::Repositories, Resource::Develop, Resource::ConfigurationVersions]),
    ("Jobs", &[Resource::Jobs, Resource::Runs, Resource::Environments]),
    ("Secrets", &[Resource::EnvCredentials, Resource::CustomEnvVars]),
    ("Data", &[Resource::SemanticLayerConfig, Resource::MetadataGraphql, Resource::DataPlatformConfig]),
    ("Administration", &[Resource::Projects, Resource::ProjectPermissions]),
];

/// Resources of one kind, with their levels.
#[derive(Clone, Debug)]
pub struct LevelGroup {
    /// What the resources have in common.
    pub label: &'static str,
    /// The resources.
    pub rows: Vec<LevelRow>,
}

impl LevelGroup {
    /// The level of all rows in one word; *Mixed* if they differ.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let word = self.rows.first().map_or("None", LevelRow::word);
        if self.rows.iter().all(|row| row.word() == word) { word } else { "Mixed" }
    }
}

/// How many resources the rows can write, and only read, in words: `5 write, 8 read`.
#[must_use]
pub fn level_counts(rows: &[LevelRow]) -> String {
    let count = |word: &str| rows.iter().filter(|row| row.word() == word).count();
    match (count("Write"), count("Read")) {
        (0, 0) => "None".to_owned(),
        (0, reads) => format!("{reads} read"),
        (writes, 0) => format!("{writes} write"),
        (writes, reads) => format!("{writes} write, {reads} read"),
    }
}

/// The names of the groups of a project's resources.
pub fn group_labels() -> impl Iterator<Item = &'static str> {
    PROJECT_GROUPS.iter().map(|(label, _)| *label)
}

/// What a principal can do on one target, as `decide` says.
#[derive(Clone, Debug)]
pub struct Reach {
    permissions: Permissions,
    /// Why: the rules and grants that allow it, each once.
    pub sources: Vec<String>,
}

impl Reach {
    /// What this principal can do on this target.
    #[must_use]
    pub fn of(subject: &Subject, target: &Target) -> Self {
        let allowed = allowed(subject, target);
        let mut sources = Vec::new();
        for (_, by) in &allowed {
            let source = source_text(by);
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        Self { permissions: allowed.into_iter().map(|(permission, _)| permission).collect(), sources }
    }

    /// The strongest level on any resource, in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let has = |permission: Permission| self.permissions.has(permission);
        if Resource::ALL.iter().any(|resource| has(resource.write())) {
            "Write"
        } else if self.permissions.is_empty() {
            "None"
        } else {
            "Read"
        }
    }

    /// The levels on the resources of a project, in groups.
    #[must_use]
    pub fn groups(&self) -> Vec<LevelGroup> {
        let row = |resource: &Resource| LevelRow::of(self.permissions, *resource);
        let group = |(label, all): (&'static str, &[Resource])| LevelGroup {
            label,
            rows: all.iter().map(row).collect(),
        };
        PROJECT_GROUPS.into_iter().map(group).collect()
    }

    /// The levels on the resources of the organization that the principal can use.
    #[must_use]
    pub fn organization_rows(&self) -> Vec<LevelRow> {
        let mut rows = level_rows(self.permissions, Level::Organization);
        rows.retain(|row| row.reads);
        rows
    }
}

/// The rule or the grant that allows something, in a few words.
fn source_text(by: &AllowedBy<'_>) -> String {
    match by {
        AllowedBy::Owner => "Owner".to_owned(),
        AllowedBy::OrganizationToken => "Organization token".to_owned(),
        AllowedBy::TeamAdmin => "Admin of the team".to_owned(),
        AllowedBy::TeamMember => "Member of the team".to_owned(),
        AllowedBy::OrganizationMember => "Member of the organization".to_owned(),
        AllowedBy::OwnObject => "Itself".to_owned(),
        AllowedBy::Grant(grant) => {
            let name = &grant.set.name;
            match (&grant.source, grant.projects) {
                (GrantSource::Role, _) => format!("Role {name}"),
                (GrantSource::Named, Projects::One(_)) => format!("Added as {name}"),
                (GrantSource::Named, Projects::All) => format!("Granted {name}"),
                (GrantSource::Team(team), _) => format!("{name}, from the team {team}"),
                (GrantSource::SecretTeam, _) => format!("{name}, from a secret team"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_contain_every_resource_of_a_project_once() {
        let mut grouped: Vec<Resource> =
            PROJECT_GROUPS.iter().flat_map(|(_, resources)| resources.iter().copied()).collect();
        grouped.sort_by_key(|resource| *resource as u8);
        let all: Vec<Resource> =
            Resource::ALL.iter().copied().filter(|it| it.level() == Level::Project).collect();
        assert_eq!(grouped, all);
    }

    #[test]
    fn a_group_whose_levels_differ_is_mixed() {
        let group = |permissions: &[Permission]| {
            let permissions: Permissions = permissions.iter().copied().collect();
            let rows = [Resource::Jobs, Resource::Runs].map(|it| LevelRow::of(permissions, it)).to_vec();
            LevelGroup { label: "Jobs", rows }.word()
        };
        assert_eq!(group(&[]), "None");
        assert_eq!(group(&[Resource::Jobs.read()]), "Mixed");
        assert_eq!(group(&[Resource::Jobs.read(), Resource::Runs.read()]), "Read");
        assert_eq!(group(&[Resource::Jobs.write(), Resource::Runs.read()]), "Mixed");
        assert_eq!(group(&[Resource::Jobs.write(), Resource::Runs.write()]), "Write");
    }
}
