//! Where the data is: the setting `database_url`, or a file in `data_dir`.

use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

/// Where the data is: the setting `database_url`, or the file in `data_dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of an SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` address, which may hold a password: not to be logged.
    Postgres(String),
}

impl DatabaseUrl {
    /// For logs: the file, or the server without its password.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("SQLite {}", path.display()),
            Self::Postgres(url) => PgConnectOptions::from_str(url).map_or_else(
                |_| "PostgreSQL".to_owned(),
                |options| format!("PostgreSQL {}:{}", options.get_host(), options.get_port()),
            ),
        }
    }
}
