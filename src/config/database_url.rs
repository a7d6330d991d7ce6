//! The type of the database's location: the setting `database_url`, or a file in
//! `data_dir`. `platform::db` opens it.

use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

/// The location of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of an SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL. It can contain a password, so it must not be logged.
    Postgres(String),
}

impl DatabaseUrl {
    /// The file, or the server without user and password, for logs and messages.
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
