//! Settings: each is a flag, an environment variable `TESSERA_*` and a key of
//! `tessera.toml`, in that order of precedence. One table names them all;
//! every mistake is reported at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::platform::db::Address;
use crate::platform::ip_range::parse_ip_range;

/// One setting: its name (flag `--data-dir`, variable `TESSERA_DATA_DIR`, key
/// `data_dir`), its default, and a line for the help. A dot in the name is a
/// table of the file: `limits.connections` is `--limits-connections`,
/// `TESSERA_LIMITS_CONNECTIONS`, and `connections` below `[limits]`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Snake case.
    pub name: &'static str,
    /// As it would be written; empty if derived from others.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
}

/// Every setting.
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

/// Who can create organizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationCreation {
    /// Whoever set up the installation.
    Administrators,
    /// Everybody who can sign in.
    Anyone,
}

impl OrganizationCreation {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "administrators" => Some(Self::Administrators),
            "anyone" => Some(Self::Anyone),
            _ => None,
        }
    }
}

/// How much there can be at once: the settings `limits.*`, by name.
#[derive(Clone, Debug, Default)]
pub struct Limits(BTreeMap<&'static str, u32>);

impl Limits {
    /// The limit of this name, without `limits.`.
    #[must_use]
    pub fn get(&self, name: &str) -> u32 {
        self.0.get(name).copied().unwrap_or(u32::MAX)
    }

    fn read(sources: &Sources, mistakes: &mut Vec<String>) -> Self {
        let mut limits = BTreeMap::new();
        for setting in SETTINGS {
            let Some(name) = setting.name.strip_prefix("limits.") else { continue };
            let (value, from) = sources.find(setting);
            match value.parse::<u32>() {
                Ok(limit) if limit > 0 => drop(limits.insert(name, limit)),
                _ => mistakes.push(format!("{from}: must be a whole number of at least 1, not “{value}”")),
            }
        }
        Self(limits)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port.
    Address(SocketAddr),
    /// A host name and a port; the name is looked up at the start.
    Name(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// `None` for what is none of these.
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let (name, port) = text.rsplit_once(':')?;
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
            // What looks like an address and is none is a slip of the pen.
            && name.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_name.then_some(())?;
        Some(Self::Name(name.to_owned(), port.parse().ok()?))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// Where data lives.
    pub data_dir: PathBuf,
    /// Which database.
    pub database: Address,
    /// The key's file.
    pub key_file: PathBuf,
    /// Scheme and authority that people use, without a slash at the end.
    pub public_url: String,
    /// Whether `public_url` was set, and is not only derived from `listen`.
    pub public_url_is_set: bool,
    /// Proxies whose word about a request's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether identity providers may be on private addresses or plain http.
    pub allow_private_issuers: bool,
    /// Requests a second that one token may make of the JSON API.
    pub api_rate_limit: Option<NonZeroU32>,
    /// Who can create organizations.
    pub organization_creation: OrganizationCreation,
    /// How many things of a kind there can be.
    pub limits: Limits,
    /// The log filter.
    pub log: String,
    /// The log format.
    pub log_format: LogFormat,
}

/// Where values come from, in order of precedence.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    /// From the command line, by setting name.
    pub flags: BTreeMap<String, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// From the file, by key.
    pub file: BTreeMap<String, String>,
}

impl Sources {
    /// Flags as given, this process's environment, and the file that flag or
    /// environment name, or `./tessera.toml` if there is one.
    ///
    /// # Errors
    /// When the file cannot be read or is not a table of simple values.
    pub fn gather(flags: BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        let environment: BTreeMap<_, _> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = flags.get("config").or_else(|| environment.get("TESSERA_CONFIG")).map(PathBuf::from);
        let path = named.clone().unwrap_or_else(|| PathBuf::from("tessera.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => read_file(&path, &text)?,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(vec![format!("config: {}: {error}", path.display())]),
        };
        Ok(Self { flags, environment, file })
    }

    /// Names of `TESSERA_*` variables that are no setting: to be warned about.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<String> {
        self.environment
            .keys()
            .filter(|name| name.starts_with("TESSERA_") && *name != "TESSERA_CONFIG")
            .filter(|name| SETTINGS.iter().all(|setting| variable(setting.name) != **name))
            .cloned()
            .collect()
    }

    /// The value of a setting and, for messages, where it came from.
    fn find(&self, setting: &Setting) -> (String, String) {
        let name = setting.name;
        if let Some(value) = self.flags.get(name) {
            return (value.clone(), format!("--{}", flag(name)));
        }
        if let Some(value) = self.environment.get(&variable(name)) {
            return (value.clone(), variable(name));
        }
        if let Some(value) = self.file.get(name) {
            return (value.clone(), name.to_owned());
        }
        (setting.default.to_owned(), name.to_owned())
    }
}

/// Without the two dashes.
pub(crate) fn flag(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

pub(crate) fn variable(name: &str) -> String {
    format!("TESSERA_{}", name.to_uppercase().replace('.', "_"))
}

fn read_file(path: &Path, text: &str) -> Result<BTreeMap<String, String>, Vec<String>> {
    let at = path.display();
    let table: toml::Table = text.parse().map_err(|error| vec![format!("{at}: not valid TOML: {error}")])?;
    let mut values = BTreeMap::new();
    let mut mistakes = Vec::new();
    let entries = table.into_iter().flat_map(|(key, value)| match value {
        // Settings with a dot in their names stand in a table.
        toml::Value::Table(inner) if SETTINGS.iter().any(|it| it.name.split('.').next() == Some(&key)) => {
            inner.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect::<Vec<_>>()
        }
        value => vec![(key, value)],
    });
    for (key, value) in entries {
        match value {
            _ if SETTINGS.iter().all(|setting| setting.name != key) => {
                mistakes.push(format!("{at}: {key}: no such setting"));
            }
            toml::Value::String(text) => drop(values.insert(key, text)),
            toml::Value::Integer(number) => drop(values.insert(key, number.to_string())),
            toml::Value::Boolean(flag) => drop(values.insert(key, flag.to_string())),
            other => mistakes.push(format!("{at}: {key}: takes a text, not {}", other.type_str())),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}

impl Config {
    /// Checks everything.
    ///
    /// # Errors
    /// Every mistake, a line each: where it was written, and what is allowed.
    pub fn from_sources(sources: &Sources) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let setting = |name: &str| -> (String, String) {
            SETTINGS
                .iter()
                .find(|setting| setting.name == name)
                .map_or_else(Default::default, |setting| sources.find(setting))
        };
        let (listen, from_listen) = setting("listen");
        let (data_dir, _) = setting("data_dir");
        let (database_url, from_database) = setting("database_url");
        let (key_file, _) = setting("key_file");
        let (public_url, from_public) = setting("public_url");
        let (proxies, from_proxies) = setting("trusted_proxies");
        let (private_issuers, from_private) = setting("allow_private_issuers");
        let (rate, from_rate) = setting("api_rate_limit");
        let (creation, from_creation) = setting("organization_creation");
        let (log, from_log) = setting("log");
        let (log_format, from_format) = setting("log_format");

        let listen = Listen::parse(&listen).unwrap_or_else(|| {
            mistakes.push(format!(
                "{from_listen}: must be an address and port like 127.0.0.1:8080, a host name and port like \
                 localhost:8080, or unix:PATH, not “{listen}”"
            ));
            Listen::Address(SocketAddr::from(([127, 0, 0, 1], 8080)))
        });
        let data_dir = PathBuf::from(data_dir);
        let database = database(&database_url, &data_dir).unwrap_or_else(|message| {
            // The value may hold a password, so it is not repeated.
            mistakes.push(format!("{from_database}: {message}"));
            Address::Sqlite(data_dir.join("tessera.db"))
        });
        let key_file = if key_file.is_empty() { data_dir.join("key") } else { PathBuf::from(key_file) };
        let public_url_is_set = !public_url.is_empty();
        let public_url = if public_url_is_set {
            public_address(&public_url).unwrap_or_else(|| {
                mistakes.push(format!(
                    "{from_public}: must be scheme and host, and a path if the installation is below one, like \
                     https://id.example.com or https://example.com/tessera, not “{public_url}”"
                ));
                String::new()
            })
        } else {
            match &listen {
                // Nobody reaches it by an address of its own.
                Listen::Unix(_) => "http://localhost".to_owned(),
                listen => format!("http://{listen}"),
            }
        };
        let trusted_proxies = trusted_proxies(&proxies, &from_proxies, &mut mistakes);
        let allow_private_issuers = match private_issuers.as_str() {
            "true" => true,
            "false" => false,
            other => {
                mistakes.push(format!("{from_private}: must be true or false, not “{other}”"));
                false
            }
        };
        let api_rate_limit = rate.parse::<u32>().unwrap_or_else(|_| {
            mistakes.push(format!(
                "{from_rate}: must be a whole number of requests a second, 0 for no limit, not “{rate}”"
            ));
            0
        });
        let organization_creation = OrganizationCreation::parse(&creation).unwrap_or_else(|| {
            mistakes.push(format!("{from_creation}: must be administrators or anyone, not “{creation}”"));
            OrganizationCreation::Administrators
        });
        let limits = Limits::read(sources, &mut mistakes);
        if log.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
            mistakes.push(format!(
                "{from_log}: must be error, warn, info, debug, trace or a filter, not “{log}”"
            ));
        }
        let log_format = match log_format.as_str() {
            "pretty" => LogFormat::Pretty,
            "json" => LogFormat::Json,
            other => {
                mistakes.push(format!("{from_format}: must be pretty or json, not “{other}”"));
                LogFormat::Pretty
            }
        };
        if mistakes.is_empty() {
            Ok(Self {
                listen,
                data_dir,
                database,
                key_file,
                public_url,
                public_url_is_set,
                trusted_proxies,
                allow_private_issuers,
                api_rate_limit: NonZeroU32::new(api_rate_limit),
                organization_creation,
                limits,
                log,
                log_format,
            })
        } else {
            Err(mistakes)
        }
    }

    /// Whether people reach this over https.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

fn trusted_proxies(text: &str, from: &str, mistakes: &mut Vec<String>) -> Vec<IpNet> {
    let mut found = Vec::new();
    for part in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty()) {
        match parse_ip_range(part) {
            Some(range) => found.push(range),
            None => {
                mistakes.push(format!("{from}: must be addresses or ranges like 10.0.0.0/8, not “{part}”"));
            }
        }
    }
    found
}

fn database(url: &str, data_dir: &Path) -> Result<Address, &'static str> {
    if url.is_empty() {
        return Ok(Address::Sqlite(data_dir.join("tessera.db")));
    }
    if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        return if path.is_empty() {
            Err("names no file after sqlite:")
        } else {
            Ok(Address::Sqlite(path.into()))
        };
    }
    let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if postgres && url.parse::<sqlx::postgres::PgConnectOptions>().is_ok() {
        return Ok(Address::Postgres(url.to_owned()));
    }
    Err("must be postgres://user@host/database or sqlite:PATH")
}

/// Scheme, host, port and path of an address that has nothing else, without a
/// slash at the end.
fn public_address(url: &str) -> Option<String> {
    let url = url.strip_suffix('/').unwrap_or(url);
    let uri: axum::http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = uri.authority()?.as_str();
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    let plain = |segment: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(known)
    };
    let is_path = path.is_empty() || path[1..].split('/').all(plain);
    let bare = is_path && uri.query().is_none() && !authority.contains('@');
    let address = format!("{scheme}://{}{path}", authority.to_lowercase());
    (bare && url.eq_ignore_ascii_case(&address)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &[(&str, &str)]) -> Sources {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Sources { flags: map(flags), environment: map(environment), file: map(file) }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let all = sources(
            &[("data_dir", "/a")],
            &[("TESSERA_DATA_DIR", "/b"), ("TESSERA_LOG", "warn")],
            &[("log", "debug"), ("listen", "127.0.0.1:1")],
        );
        let config = Config::from_sources(&all).expect("valid");
        assert_eq!(config.data_dir, PathBuf::from("/a"));
        assert_eq!(config.log, "warn");
        assert_eq!(config.listen.to_string(), "127.0.0.1:1");
        assert_eq!(config.database, Address::Sqlite("/a/tessera.db".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once_by_name_and_without_the_password() {
        let all = sources(
            &[("listen", "nowhere")],
            &[
                ("TESSERA_DATABASE_URL", "mysql://user:hunter2@h/d"),
                ("TESSERA_PUBLIC_URL", "https://id.test/?a=b"),
            ],
            &[("log_format", "xml"), ("log", "a=b=c")],
        );
        let mistakes = Config::from_sources(&all).expect_err("refused");
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
        for (mistake, name) in mistakes.iter().zip([
            "--listen",
            "TESSERA_DATABASE_URL",
            "TESSERA_PUBLIC_URL",
            "log",
            "log_format",
        ]) {
            assert!(mistake.starts_with(name), "{mistake}");
            assert!(!mistake.contains("hunter2"));
        }
    }

    #[test]
    fn an_unknown_key_of_the_file_is_refused_and_an_unknown_variable_only_reported() {
        let refused = read_file(Path::new("tessera.toml"), "listn = \"x\"\nlog = [1]").expect_err("refused");
        assert!(refused[0].contains("listn") && refused[1].contains("log"), "{refused:?}");
        let all =
            sources(&[], &[("TESSERA_LISTN", "x"), ("TESSERA_LISTEN", "127.0.0.1:2"), ("HOME", "/")], &[]);
        assert_eq!(all.unknown_variables(), ["TESSERA_LISTN"]);
        assert!(Config::from_sources(&all).is_ok());
    }

    #[test]
    fn proxies_are_ranges_of_the_addresses_that_requests_come_from() {
        let all = sources(&[("trusted_proxies", "::ffff:10.0.0.0/104, 192.0.2.7 2001:db8::/32")], &[], &[]);
        let proxies = Config::from_sources(&all).expect("valid").trusted_proxies;
        let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
        let wrong = sources(&[("trusted_proxies", "10.0.0.0/8, proxy.example")], &[], &[]);
        assert!(Config::from_sources(&wrong).is_err_and(|all| all[0].contains("proxy.example")));
    }

    #[test]
    fn what_to_listen_on_is_an_address_a_name_or_a_path() {
        for (text, listen) in [
            ("127.0.0.1:80", Some(Listen::Address(([127, 0, 0, 1], 80).into()))),
            ("[::1]:80", Some(Listen::Address("[::1]:80".parse().expect("an address")))),
            ("localhost:8080", Some(Listen::Name("localhost".to_owned(), 8080))),
            ("id.example.com:0", Some(Listen::Name("id.example.com".to_owned(), 0))),
            ("unix:/run/tessera.sock", Some(Listen::Unix("/run/tessera.sock".into()))),
            ("unix:", None),
            ("localhost", None),
            (":8080", None),
            ("localhost:x", None),
            ("localhost:99999", None),
            ("127.0.0.300:80", None),
            ("::1:80", None),
            ("a b:80", None),
        ] {
            assert_eq!(Listen::parse(text), listen, "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_flag_a_variable_and_a_key_of_its_table() {
        let file = "[limits]\nconnections = 100\nconnections_per_network = 7";
        let file = read_file(Path::new("tessera.toml"), file).expect("valid");
        let all = Sources {
            flags: [("limits.connections".to_owned(), "300".to_owned())].into(),
            environment: [("TESSERA_LIMITS_CONNECTIONS_PER_NETWORK".to_owned(), "9".to_owned())].into(),
            file,
        };
        assert!(all.unknown_variables().is_empty());
        let limits = Config::from_sources(&all).expect("valid").limits;
        assert_eq!((limits.get("connections"), limits.get("connections_per_network")), (300, 9));
        let only_file = Sources { file: all.file.clone(), ..Sources::default() };
        let limits = Config::from_sources(&only_file).expect("valid").limits;
        assert_eq!((limits.get("connections"), limits.get("connections_per_network")), (100, 7));
        let refused =
            read_file(Path::new("t"), "[limits]\nconnection = 1\n[other]\nx = 1").expect_err("refused");
        assert!(refused[0].contains("limits.connection") && refused[1].contains("other"), "{refused:?}");
        let zero = sources(&[("limits.connections", "0")], &[], &[]);
        let mistakes = Config::from_sources(&zero).expect_err("refused");
        assert!(mistakes[0].starts_with("--limits-connections: must be a whole number"), "{mistakes:?}");
    }

    #[test]
    fn the_public_address_is_scheme_host_and_perhaps_a_path() {
        for good in ["https://id.acme.test", "https://id.acme.test/", "http://localhost:8080"] {
            assert!(public_address(good).is_some(), "{good}");
        }
        for good in ["https://acme.test/tessera", "https://acme.test/tessera/", "https://ACME.test/tessera"] {
            assert_eq!(public_address(good).as_deref(), Some("https://acme.test/tessera"), "{good}");
        }
        for bad in [
            "id.acme.test",
            "ftp://x",
            "https://x/y//z",
            "https://x/../y",
            "https://x/<y>",
            "https://u@x",
            "https://x?y",
            "https://x#y",
        ] {
            assert!(public_address(bad).is_none(), "{bad}");
        }
    }
}
