//! Where the values of settings come from: flags, environment variables and
//! the file, in this order of precedence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::settings::{SETTINGS, Setting, flag, variable};

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
            Err(error) => {
                return Err(vec![format!("config: {}: The file cannot be read: {error}.", path.display())]);
            }
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
    pub(super) fn find(&self, setting: &Setting) -> (String, String) {
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

pub(super) fn read_file(path: &Path, text: &str) -> Result<BTreeMap<String, String>, Vec<String>> {
    let at = path.display();
    let table: toml::Table =
        text.parse().map_err(|error| vec![format!("{at}: The file is not valid TOML: {error}.")])?;
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
                mistakes.push(format!("{at}: {key}: Remove this setting. It does not exist."));
            }
            toml::Value::String(text) => drop(values.insert(key, text)),
            toml::Value::Integer(number) => drop(values.insert(key, number.to_string())),
            toml::Value::Boolean(flag) => drop(values.insert(key, flag.to_string())),
            other => {
                mistakes.push(format!("{at}: {key}: Enter a text instead of the type {}.", other.type_str()));
            }
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}
