//! The typed and checked settings of a process. All errors are reported at once,
//! each with the flag, variable or key that contains it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::database_url::DatabaseUrl;
use super::ip_range::parse_ip_range;
use super::listen::Listen;
use super::settings::SETTINGS;
use super::sources::Sources;

/// Who can create organizations: the setting `organization_creation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationCreation {
    /// The person who set up the installation.
    Administrators,
    /// Every person who can sign in.
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

/// The settings `limits.*`, by name without this prefix.
#[derive(Clone, Debug, Default)]
pub struct Limits(BTreeMap<&'static str, u32>);

impl Limits {
    /// The limit with this name (without `limits.`), at least 1. A name that is
    /// not a setting has no limit.
    #[must_use]
    pub fn get(&self, name: &str) -> u32 {
        self.0.get(name).copied().unwrap_or(u32::MAX)
    }

    fn read(sources: &Sources, errors: &mut Vec<String>) -> Self {
        let mut limits = BTreeMap::new();
        for setting in SETTINGS {
            let Some(name) = setting.name.strip_prefix("limits.") else { continue };
            let (value, from) = sources.find(setting);
            match value.parse::<u32>() {
                Ok(limit) if limit > 0 => drop(limits.insert(name, limit)),
                _ => {
                    errors.push(format!("{from}: Enter a whole number of at least 1 instead of “{value}”."));
                }
            }
        }
        Self(limits)
    }
}

/// The console shows the calls of this many days.
const FEWEST_USAGE_DAYS: u32 = 30;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text, with colours on a terminal.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// The checked settings of a process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens.
    pub listen: Listen,
    /// The folder of the SQLite database and the key, unless these are set.
    pub data_dir: PathBuf,
    /// The database: from `database_url`, or `tessera.db` in `data_dir`.
    pub database: DatabaseUrl,
    /// The file of the installation's key: by default `key` in `data_dir`.
    pub key_file: PathBuf,
    /// The URL that people use: scheme, authority and an optional path, without
    /// a slash at the end.
    pub public_url: String,
    /// Whether this is the demo, which is no setting but an argument of `serve`.
    pub is_demo: bool,
    /// Whether `public_url` was set. Otherwise it is derived from `listen`.
    pub public_url_is_set: bool,
    /// Proxies whose `X-Forwarded-For` or `Forwarded` header is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether identity providers may have private IP addresses or plain http.
    pub allow_private_issuers: bool,
    /// Requests per second that one token may make to the JSON API; `None` for no
    /// limit.
    pub api_rate_limit: Option<NonZeroU32>,
    /// Who can create organizations.
    pub organization_creation: OrganizationCreation,
    /// For how many days the counts of verifications are kept, today included.
    pub usage_days: u32,
    /// The limits of numbers and rates.
    pub limits: Limits,
    /// The log filter, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// The format of log lines.
    pub log_format: LogFormat,
}

impl Config {
    /// Checks and converts the values of all settings.
    ///
    /// # Errors
    /// One line for each error: where the value was set, and what is allowed.
    pub fn from_sources(sources: &Sources) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
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
            errors.push(format!(
                "{from_listen}: Enter an address and port like 127.0.0.1:8080, a host name and port like \
                 localhost:8080, or unix:PATH instead of “{listen}”."
            ));
            Listen::Address(SocketAddr::from(([127, 0, 0, 1], 8080)))
        });
        let data_dir = PathBuf::from(data_dir);
        let database = parse_database_url(&database_url, &data_dir).unwrap_or_else(|message| {
            // The value may hold a password, so it is not repeated.
            errors.push(format!("{from_database}: {message}"));
            DatabaseUrl::Sqlite(data_dir.join("tessera.db"))
        });
        let key_file = if key_file.is_empty() { data_dir.join("key") } else { PathBuf::from(key_file) };
        let public_url_is_set = !public_url.is_empty();
        let public_url = if public_url_is_set {
            parse_public_url(&public_url).unwrap_or_else(|| {
                errors.push(format!(
                    "{from_public}: Enter scheme and host, and a path if the installation is below one, like \
                     https://id.example.com or https://example.com/tessera, instead of “{public_url}”."
                ));
                String::new()
            })
        } else {
            match &listen {
                // A Unix socket has no URL; a proxy in front of it usually has one.
                Listen::Unix(_) => "http://localhost".to_owned(),
                listen => format!("http://{listen}"),
            }
        };
        let trusted_proxies = parse_trusted_proxies(&proxies, &from_proxies, &mut errors);
        let allow_private_issuers = match private_issuers.as_str() {
            "true" => true,
            "false" => false,
            other => {
                errors.push(format!("{from_private}: Enter true or false instead of “{other}”."));
                false
            }
        };
        let api_rate_limit = rate.parse::<u32>().unwrap_or_else(|_| {
            errors.push(format!(
                "{from_rate}: Enter a whole number of requests per second, or 0 for no limit, instead of “{rate}”."
            ));
            0
        });
        let organization_creation = OrganizationCreation::parse(&creation).unwrap_or_else(|| {
            errors.push(format!("{from_creation}: Enter administrators or anyone instead of “{creation}”."));
            OrganizationCreation::Administrators
        });
        let usage_days = parse_usage_days(setting("usage_days"), &mut errors);
        let limits = Limits::read(sources, &mut errors);
        if log.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
            errors.push(format!(
                "{from_log}: Enter error, warn, info, debug, trace or a filter instead of “{log}”."
            ));
        }
        let log_format = parse_log_format(&log_format, &from_format, &mut errors);
        if errors.is_empty() {
            Ok(Self {
                listen,
                data_dir,
                database,
                key_file,
                public_url,
                is_demo: false,
                public_url_is_set,
                trusted_proxies,
                allow_private_issuers,
                api_rate_limit: NonZeroU32::new(api_rate_limit),
                organization_creation,
                usage_days,
                limits,
                log,
                log_format,
            })
        } else {
            Err(errors)
        }
    }

    /// Whether `public_url` is an https URL, so that cookies can be Secure.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

fn parse_log_format(text: &str, from: &str, errors: &mut Vec<String>) -> LogFormat {
    match text {
        "pretty" => LogFormat::Pretty,
        "json" => LogFormat::Json,
        other => {
            errors.push(format!("{from}: Enter pretty or json instead of “{other}”."));
            LogFormat::Pretty
        }
    }
}

fn parse_usage_days((days, from): (String, String), errors: &mut Vec<String>) -> u32 {
    days.parse().ok().filter(|days| *days >= FEWEST_USAGE_DAYS).unwrap_or_else(|| {
        errors.push(format!(
            "{from}: Enter a whole number of at least {FEWEST_USAGE_DAYS} days instead of “{days}”."
        ));
        FEWEST_USAGE_DAYS
    })
}

fn parse_trusted_proxies(text: &str, from: &str, errors: &mut Vec<String>) -> Vec<IpNet> {
    let mut found = Vec::new();
    for part in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty()) {
        match parse_ip_range(part) {
            Some(range) => found.push(range),
            None => {
                errors
                    .push(format!("{from}: Enter addresses or ranges like 10.0.0.0/8 instead of “{part}”."));
            }
        }
    }
    found
}

fn parse_database_url(url: &str, data_dir: &Path) -> Result<DatabaseUrl, &'static str> {
    if url.is_empty() {
        return Ok(DatabaseUrl::Sqlite(data_dir.join("tessera.db")));
    }
    if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
        return if path.is_empty() {
            Err("Enter the path of a file after sqlite:.")
        } else {
            Ok(DatabaseUrl::Sqlite(path.into()))
        };
    }
    let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if postgres && url.parse::<sqlx::postgres::PgConnectOptions>().is_ok() {
        return Ok(DatabaseUrl::Postgres(url.to_owned()));
    }
    Err("Enter postgres://user@host/database or sqlite:PATH.")
}

/// Checks that a URL consists only of scheme, host, port and path, and removes
/// the slash at its end.
fn parse_public_url(url: &str) -> Option<String> {
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

    use super::super::sources::read_file;
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
        assert_eq!(config.database, DatabaseUrl::Sqlite("/a/tessera.db".into()));
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
        let errors = Config::from_sources(&all).expect_err("refused");
        assert_eq!(errors.len(), 5, "{errors:?}");
        for (error, name) in
            errors.iter().zip(["--listen", "TESSERA_DATABASE_URL", "TESSERA_PUBLIC_URL", "log", "log_format"])
        {
            assert!(error.starts_with(name), "{error}");
            assert!(!error.contains("hunter2"));
        }
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
        let errors = Config::from_sources(&zero).expect_err("refused");
        assert!(errors[0].starts_with("--limits-connections: Enter a whole number"), "{errors:?}");
    }

    #[test]
    fn the_public_address_is_scheme_host_and_perhaps_a_path() {
        for good in ["https://id.acme.test", "https://id.acme.test/", "http://localhost:8080"] {
            assert!(parse_public_url(good).is_some(), "{good}");
        }
        for good in ["https://acme.test/tessera", "https://acme.test/tessera/", "https://ACME.test/tessera"] {
            assert_eq!(parse_public_url(good).as_deref(), Some("https://acme.test/tessera"), "{good}");
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
            assert!(parse_public_url(bad).is_none(), "{bad}");
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
}
