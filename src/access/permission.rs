//! Permissions: `resource:read` and `resource:write`, and sets of them as bits.

use std::sync::LazyLock;

use crate::platform::text::string_enum;

string_enum! {
    /// What a permission is about. The names of the first 27 are those of the
    /// role matrix that the built-in sets follow: `groups` are teams,
    /// `members` people, `auth_provider` sign-on.
    Resource {
        /// The organization's name and policies.
        Settings = "settings",
        /// The audit log.
        AuditLogs = "audit_logs",
        /// Sign-on.
        AuthProvider = "auth_provider",
        /// Billing.
        Billing = "billing",
        /// Connections.
        Connections = "connections",
        /// Teams.
        Groups = "groups",
        /// Invitations.
        Invitations = "invitations",
        /// Address limits.
        IpRestrictions = "ip_restrictions",
        /// Licenses.
        Licenses = "licenses",
        /// Marketplace apps.
        MarketplaceApp = "marketplace_app",
        /// People.
        Members = "members",
        /// Making projects.
        ProjectCreate = "project_create",
        /// Public models.
        PublicModels = "public_models",
        /// Service tokens.
        ServiceTokens = "service_tokens",
        /// Webhooks.
        Webhooks = "webhooks",
        /// Service accounts.
        ServiceAccounts = "service_accounts",
        /// Permission sets.
        PermissionSets = "permission_sets",
        /// Registered services.
        Services = "services",
        /// Identity providers.
        IdentityProviders = "identity_providers",
        /// A person's own credentials: their personal tokens. It is no part of
        /// any permission set; a narrowed token has it only if it was selected.
        Credentials = "credentials",
        /// Credentials of environments.
        EnvCredentials = "env_credentials",
        /// Custom environment variables.
        CustomEnvVars = "custom_env_vars",
        /// Data platform configuration.
        DataPlatformConfig = "data_platform_config",
        /// Development.
        Develop = "develop",
        /// Environments.
        Environments = "environments",
        /// Jobs.
        Jobs = "jobs",
        /// Metadata queries.
        MetadataGraphql = "metadata_graphql",
        /// Who may do what in a project.
        ProjectPermissions = "permissions",
        /// The project's own record.
        Projects = "projects",
        /// Repositories.
        Repositories = "repositories",
        /// Runs.
        Runs = "runs",
        /// Semantic layer configuration and queries.
        SemanticLayerConfig = "semantic_layer_config",
        /// Configuration versions.
        ConfigurationVersions = "configuration_versions",
    }
}

string_enum! {
    /// Reading, or writing, which includes reading.
    Verb {
        /// See it.
        Read = "read",
        /// Change it.
        Write = "write",
    }
}

string_enum! {
    /// Where a permission holds.
    Level {
        /// Of the organization as a whole.
        Organization = "organization",
        /// Of one project.
        Project = "project",
    }
}

impl Resource {
    /// Whether it is the organization's or lies in a project.
    #[must_use]
    pub const fn level(self) -> Level {
        if (self as u8) < (Self::EnvCredentials as u8) { Level::Organization } else { Level::Project }
    }

    /// The resources that permission sets are made of.
    pub fn grantable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|resource| *resource != Self::Credentials)
    }

    /// The permission to see it.
    #[must_use]
    pub const fn read(self) -> Permission {
        Permission { resource: self, verb: Verb::Read }
    }

    /// The permission to change it.
    #[must_use]
    pub const fn write(self) -> Permission {
        Permission { resource: self, verb: Verb::Write }
    }
}

/// `resource:read` or `resource:write`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Permission {
    /// About what.
    pub resource: Resource,
    /// To do what.
    pub verb: Verb,
}

impl Permission {
    /// Every permission there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Resource::ALL.iter().flat_map(|resource| [resource.read(), resource.write()])
    }
}

/// The words of all permissions, by resource: reading, writing.
static WORDS: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let word = |resource: &Resource, verb: Verb| format!("{resource}:{verb}");
    Resource::ALL.iter().map(|it| [word(it, Verb::Read), word(it, Verb::Write)]).collect()
});

impl Permission {
    /// As it is written: `runs:read`.
    #[must_use]
    pub fn word(self) -> &'static str {
        &WORDS[self.resource as usize][self.verb as usize]
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Permission {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = |(resource, verb): (&str, &str)| -> Result<Self, String> {
            Ok(Self { resource: resource.parse()?, verb: verb.parse()? })
        };
        text.split_once(':').and_then(|parts| read(parts).ok()).ok_or_else(|| {
            format!("“{text}” is not a permission. Use a resource with read or write, like runs:read.")
        })
    }
}

/// A set of permissions: one bit a resource for reading, one for writing.
/// Who has the bit for writing has the one for reading.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Permissions {
    read: u64,
    write: u64,
}

impl Permissions {
    /// None.
    pub const NONE: Self = Self { read: 0, write: 0 };

    /// All that are.
    pub const ALL: Self = {
        let bits = (1 << Resource::ALL.len()) - 1;
        Self { read: bits, write: bits }
    };

    /// Those of the organization's level.
    pub const ORGANIZATION: Self = {
        let bits = (1 << Resource::EnvCredentials as u8) - 1;
        Self { read: bits, write: bits }
    };

    /// Those of the project level.
    pub const PROJECT: Self = Self::ALL.without(Self::ORGANIZATION);

    /// Reading alone, of everything.
    pub const READS: Self = Self { read: Self::ALL.read, write: 0 };

    /// Just this one (and reading, where it is to write).
    #[must_use]
    pub const fn of(permission: Permission) -> Self {
        let bit = 1 << permission.resource as u8;
        Self { read: bit, write: if matches!(permission.verb, Verb::Write) { bit } else { 0 } }
    }

    /// Writes of the first, reads of the second.
    #[must_use]
    pub const fn from_lists(writes: &[Resource], reads: &[Resource]) -> Self {
        let mut set = Self::NONE;
        let mut place = 0;
        while place < writes.len() {
            set = set.and(Self::of(writes[place].write()));
            place += 1;
        }
        place = 0;
        while place < reads.len() {
            set = set.and(Self::of(reads[place].read()));
            place += 1;
        }
        set
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { read: self.read | other.read, write: self.write | other.write }
    }

    /// Only what is in both.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self { read: self.read & other.read, write: self.write & other.write }
    }

    /// Without those of `other`, bit by bit: taking away a write that was not
    /// named as a read leaves the read.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { read: self.read & !other.read, write: self.write & !other.write }
    }

    /// These, but no writing of `resource`; reading stays.
    #[must_use]
    pub const fn without_write(self, resource: Resource) -> Self {
        Self { read: self.read, write: self.write & !(1 << resource as u8) }
    }

    /// Whether `permission` is one of them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        let bits = match permission.verb {
            Verb::Read => self.read,
            Verb::Write => self.write,
        };
        bits & (1 << permission.resource as u8) != 0
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub const fn include(self, other: Self) -> bool {
        other.read & !self.read == 0 && other.write & !self.write == 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.read == 0 && self.write == 0
    }

    /// Each of them, a read and its write apart.
    pub fn each(self) -> impl Iterator<Item = Permission> {
        Permission::all().filter(move |permission| self.has(*permission))
    }

    /// As OAuth's `scope` says it: each word, a write and its read, because who
    /// reads it compares words.
    #[must_use]
    pub fn scope(self) -> String {
        let mut scope = String::with_capacity(1024);
        for permission in self.each() {
            if !scope.is_empty() {
                scope.push(' ');
            }
            scope.push_str(permission.word());
        }
        scope
    }

    /// The strongest of each resource: `runs:write` stands for its read too.
    pub fn strongest(self) -> impl Iterator<Item = Permission> {
        Resource::ALL.iter().filter_map(move |resource| {
            [resource.write(), resource.read()].into_iter().find(|permission| self.has(*permission))
        })
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.strongest().map(Permission::word)).finish()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Self {
        all.into_iter().fold(Self::NONE, |set, permission| set.and(Self::of(permission)))
    }
}

impl schemars::JsonSchema for Permission {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Permission".into()
    }
    fn inline_schema() -> bool {
        false
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let all: Vec<String> = Self::all().map(|permission| permission.to_string()).collect();
        schemars::json_schema!({ "type": "string", "enum": all })
    }
}

impl schemars::JsonSchema for Permissions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Permissions".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Vec<Permission>>()
    }
}

impl serde::Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.strongest().map(Permission::word))
    }
}
