//! Permissions: `resource:read` and `resource:write`, and collections of them
//! as bit sets. Write includes read. Each resource belongs to the organization
//! level or to the project level.

use std::sync::LazyLock;

use crate::platform::text::string_enum;

string_enum! {
    /// The resources that permissions refer to. The names follow the role
    /// matrix of the built-in sets: `groups` are teams, `members` are people,
    /// `auth_provider` is sign-on. All resources before [`Self::EnvCredentials`]
    /// are at organization level, so the order matters.
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
        /// The IP addresses from which tokens can be used.
        IpRestrictions = "ip_restrictions",
        /// Licenses.
        Licenses = "licenses",
        /// Marketplace apps.
        MarketplaceApp = "marketplace_app",
        /// People.
        Members = "members",
        /// Creating projects.
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
        /// A person's own credentials: their personal tokens. No permission set
        /// contains it; a narrowed token carries it only if it was selected.
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
        /// The grants that name a project, and its visibility.
        ProjectPermissions = "permissions",
        /// The project itself: its name and description.
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
    /// What a permission allows with its resource.
    Verb {
        /// See the resource.
        Read = "read",
        /// Create, change and delete the resource. Includes reading.
        Write = "write",
    }
}

string_enum! {
    /// Whether a permission applies to the organization or to projects.
    Level {
        /// Applies to the organization as a whole.
        Organization = "organization",
        /// Applies to what is inside a project.
        Project = "project",
    }
}

impl Resource {
    /// The level at which this resource exists.
    #[must_use]
    pub const fn level(self) -> Level {
        if (self as u8) < (Self::EnvCredentials as u8) { Level::Organization } else { Level::Project }
    }

    /// The resources that a permission set can contain: all but
    /// [`Self::Credentials`].
    pub fn grantable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|resource| *resource != Self::Credentials)
    }

    /// The name of the resource on pages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Settings => "Settings and policies",
            Self::AuditLogs => "Audit log",
            Self::AuthProvider => "Sign-on",
            Self::Billing => "Billing",
            Self::Connections => "Connections",
            Self::Groups => "Teams",
            Self::Invitations => "Invitations",
            Self::IpRestrictions => "IP address rules",
            Self::Licenses => "Licenses",
            Self::MarketplaceApp => "Marketplace apps",
            Self::Members => "People",
            Self::ProjectCreate => "New projects",
            Self::PublicModels => "Public models",
            Self::ServiceTokens => "Service tokens",
            Self::Webhooks => "Webhooks",
            Self::ServiceAccounts => "Service accounts",
            Self::PermissionSets => "Permission sets",
            Self::Services => "Services",
            Self::IdentityProviders => "Identity providers",
            Self::Credentials => "Personal tokens",
            Self::EnvCredentials => "Credentials",
            Self::CustomEnvVars => "Environment variables",
            Self::DataPlatformConfig => "Data platforms",
            Self::Develop => "Development",
            Self::Environments => "Environments",
            Self::Jobs => "Jobs",
            Self::MetadataGraphql => "Metadata",
            Self::ProjectPermissions => "Who has access",
            Self::Projects => "Project settings",
            Self::Repositories => "Repositories",
            Self::Runs => "Runs",
            Self::SemanticLayerConfig => "Semantic layer",
            Self::ConfigurationVersions => "Configuration versions",
        }
    }

    /// The name of the resource within a sentence.
    #[must_use]
    pub fn noun(self) -> String {
        let title = self.title();
        match title.as_bytes() {
            [first, second, ..] if !second.is_ascii_uppercase() => {
                format!("{}{}", first.to_ascii_lowercase() as char, &title[1..])
            }
            _ => title.to_owned(),
        }
    }

    /// The permission to see this resource.
    #[must_use]
    pub const fn read(self) -> Permission {
        Permission { resource: self, verb: Verb::Read }
    }

    /// The permission to change this resource.
    #[must_use]
    pub const fn write(self) -> Permission {
        Permission { resource: self, verb: Verb::Write }
    }
}

/// One permission, written as `resource:read` or `resource:write`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Permission {
    /// The left part of the written form.
    pub resource: Resource,
    /// The right part of the written form.
    pub verb: Verb,
}

impl Permission {
    /// All permissions that exist, for each resource read before write.
    pub fn all() -> impl Iterator<Item = Self> {
        Resource::ALL.iter().flat_map(|resource| [resource.read(), resource.write()])
    }
}

/// The written form of all permissions, indexed by resource and then by verb.
static WORDS: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let word = |resource: &Resource, verb: Verb| format!("{resource}:{verb}");
    Resource::ALL.iter().map(|it| [word(it, Verb::Read), word(it, Verb::Write)]).collect()
});

impl Permission {
    /// The written form, like `runs:read`.
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

/// A collection of permissions: for each resource one bit for read and one for
/// write. Adding a write permission also adds the read permission.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Permissions {
    read: u64,
    write: u64,
}

impl Permissions {
    /// No permission.
    pub const NONE: Self = Self { read: 0, write: 0 };

    /// All permissions that exist.
    pub const ALL: Self = {
        let bits = (1 << Resource::ALL.len()) - 1;
        Self { read: bits, write: bits }
    };

    /// The permissions at organization level.
    pub const ORGANIZATION: Self = {
        let bits = (1 << Resource::EnvCredentials as u8) - 1;
        Self { read: bits, write: bits }
    };

    /// The permissions at project level.
    pub const PROJECT: Self = Self::ALL.without(Self::ORGANIZATION);

    /// The read permission of every resource.
    pub const READS: Self = Self { read: Self::ALL.read, write: 0 };

    /// A collection with this permission, and for a write also the read.
    #[must_use]
    pub const fn from_permission(permission: Permission) -> Self {
        let bit = 1 << permission.resource as u8;
        Self { read: bit, write: if matches!(permission.verb, Verb::Write) { bit } else { 0 } }
    }

    /// Write (and read) permission for the resources of `writes`, read
    /// permission for those of `reads`.
    #[must_use]
    pub const fn from_lists(writes: &[Resource], reads: &[Resource]) -> Self {
        let mut set = Self::NONE;
        let mut place = 0;
        while place < writes.len() {
            set = set.union(Self::from_permission(writes[place].write()));
            place += 1;
        }
        place = 0;
        while place < reads.len() {
            set = set.union(Self::from_permission(reads[place].read()));
            place += 1;
        }
        set
    }

    /// The permissions that are in either collection.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { read: self.read | other.read, write: self.write | other.write }
    }

    /// The permissions that are in both collections.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self { read: self.read & other.read, write: self.write & other.write }
    }

    /// The permissions that are not in `other`. Reads and writes are removed
    /// independently of each other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { read: self.read & !other.read, write: self.write & !other.write }
    }

    /// This collection without the write permission of `resource`. The read
    /// permission stays.
    #[must_use]
    pub const fn without_write(self, resource: Resource) -> Self {
        Self { read: self.read, write: self.write & !(1 << resource as u8) }
    }

    /// Whether the collection contains this permission.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        let bits = match permission.verb {
            Verb::Read => self.read,
            Verb::Write => self.write,
        };
        bits & (1 << permission.resource as u8) != 0
    }

    /// Whether the collection contains all permissions of `other`.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.read & !self.read == 0 && other.write & !self.write == 0
    }

    /// Whether the collection contains no permission.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.read == 0 && self.write == 0
    }

    /// All permissions of the collection. A write yields its read as well.
    pub fn each(self) -> impl Iterator<Item = Permission> {
        Permission::all().filter(move |permission| self.has(*permission))
    }

    /// The value of OAuth's `scope` (RFC 6749, section 3.3): all permissions,
    /// separated by spaces. A write is listed with its read, because clients
    /// compare the words and do not know that write includes read.
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

    /// The strongest permission for each resource: the write, or the read where
    /// the collection has no write.
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
        all.into_iter().fold(Self::NONE, |set, permission| set.union(Self::from_permission(permission)))
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
