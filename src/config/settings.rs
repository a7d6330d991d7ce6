//! The table of all settings: name, default and help text. Command line,
//! environment, settings file and documentation use this table.

/// One setting: its name (flag `--data-dir`, variable `TESSERA_DATA_DIR`, key
/// `data_dir`), its default, and a line for the help. A dot in the name is a
/// table of the file: `limits.connections` is `--limits-connections`,
/// `TESSERA_LIMITS_CONNECTIONS`, and `connections` below `[limits]`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// In snake case, as in the settings file.
    pub name: &'static str,
    /// As a user would write it; empty if there is none or if it is derived from
    /// other settings.
    pub default: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
}

/// All settings, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        default: "127.0.0.1:8080",
        help: "Address or host name with a port, or unix:PATH, to listen on",
    },
    Setting { name: "data_dir", default: "./data", help: "Folder of the SQLite database and the key" },
    Setting {
        name: "database_url",
        default: "",
        help: "postgres://… to use PostgreSQL, or sqlite:PATH; default: tessera.db in data_dir",
    },
    Setting {
        name: "key_file",
        default: "",
        help: "The installation's key, shared by all nodes; default: key in data_dir, made if missing",
    },
    Setting {
        name: "public_url",
        default: "",
        help: "The address people use, like https://id.example.com or https://example.com/tessera; default: http:// and listen",
    },
    Setting {
        name: "trusted_proxies",
        default: "",
        help: "Proxies whose X-Forwarded-For or Forwarded is believed: addresses or ranges, with commas",
    },
    Setting {
        name: "allow_private_issuers",
        default: "false",
        help: "true to trust identity providers on private addresses or plain http",
    },
    Setting {
        name: "api_rate_limit",
        default: "500",
        help: "Requests a second that one token may make of the JSON API; 0: not limited",
    },
    Setting {
        name: "organization_creation",
        default: "administrators",
        help: "Who can create organizations: administrators (whoever set up the installation) or anyone",
    },
    Setting {
        name: "usage_days",
        default: "90",
        help: "For how many days the counts of verifications are kept; at least 30",
    },
    Setting {
        name: "limits.memberships_per_person",
        default: "200",
        help: "Organizations that one person can belong to",
    },
    Setting {
        name: "limits.organizations_per_person",
        default: "20",
        help: "Organizations that one person can own",
    },
    Setting { name: "limits.personal_tokens", default: "200", help: "Active personal tokens of one person" },
    Setting { name: "limits.people", default: "250000", help: "People of one organization" },
    Setting { name: "limits.teams", default: "2000", help: "Teams of one organization" },
    Setting { name: "limits.projects", default: "20000", help: "Projects of one organization" },
    Setting { name: "limits.grants_per_project", default: "2000", help: "Grants that name one project" },
    Setting {
        name: "limits.service_accounts",
        default: "20000",
        help: "Service accounts of one organization",
    },
    Setting {
        name: "limits.keys_per_account",
        default: "200",
        help: "Active API keys of one service account",
    },
    Setting {
        name: "limits.service_tokens",
        default: "10000",
        help: "Active service tokens of one organization",
    },
    Setting {
        name: "limits.access_tokens",
        default: "1000",
        help: "Active access tokens that were exchanged for one token, or for one external identity",
    },
    Setting {
        name: "limits.permission_sets",
        default: "500",
        help: "Permission sets that one organization creates",
    },
    Setting { name: "limits.services", default: "500", help: "Registered services of one organization" },
    Setting {
        name: "limits.identity_providers",
        default: "100",
        help: "Identity providers of one organization",
    },
    Setting { name: "limits.invitations", default: "1000", help: "Open invitations of one organization" },
    Setting {
        name: "limits.requests_per_person",
        default: "100",
        help: "Requests a second of one person, through pages and with all their tokens together",
    },
    Setting {
        name: "limits.requests_per_network",
        default: "1000",
        help: "Requests a second from one IPv4 address or IPv6 /64 for pages and management; trusted_proxies have no such limit",
    },
    Setting {
        name: "limits.connections",
        default: "8192",
        help: "Connections at once, in all; the limit of open files may lower it",
    },
    Setting {
        name: "limits.connections_per_network",
        default: "1024",
        help: "Connections at once from one IPv4 address or IPv6 /64; trusted_proxies have no such limit",
    },
    Setting {
        name: "log",
        default: "info",
        help: "What to log: error, warn, info, debug, trace, or a filter",
    },
    Setting { name: "log_format", default: "pretty", help: "pretty or json" },
];

/// The flag of a setting, without the two dashes.
pub(crate) fn flag(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

/// The environment variable of a setting.
pub(crate) fn variable(name: &str) -> String {
    format!("TESSERA_{}", name.to_uppercase().replace('.', "_"))
}
