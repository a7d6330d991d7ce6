//! `tessera doctor`: checks settings, key, database and limits, and prints one
//! line for each. It creates no data folder and no SQLite database, and it runs
//! no migrations.

use super::{Outcome, limits};
use crate::config::{Config, DatabaseUrl, Listen};
use crate::platform::db::{count_pending, missing_build_flags};
use crate::platform::key::Key;
use crate::platform::web::client::is_local_host;
use crate::platform::{Db, Random, private_file};

pub(super) async fn run(config: Config) -> Outcome {
    let mut healthy = true;
    let mut report = |name: &str, verdict: Result<String, String>| {
        healthy &= verdict.is_ok();
        let (mark, text) = match verdict {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        println!("{mark}  {name}: {text}");
    };
    report(
        "data_dir",
        if config.data_dir.is_dir() {
            Ok(config.data_dir.display().to_string())
        } else {
            Err(format!("{} does not exist. Run “tessera serve” to create it.", config.data_dir.display()))
        },
    );
    // Only a warning, because the files in the folder are private themselves.
    if let Some(exposed) = private_file::exposed_folder(&config.data_dir) {
        println!("warn  data_dir: {exposed}");
    }
    report("key_file", check_key(&config));
    report("database", check_database(&config).await);
    if let Some(missing) = check_build(&config).await {
        println!("warn  build: {missing}");
    }
    report("public_url", check_public_url(&config));
    let open_files = limits::raise_open_files();
    report("limits", Ok(limits::describe(&limits::connections(&config, open_files), open_files)));
    if healthy { Ok(()) } else { Err("Some checks failed. Correct the lines with FAIL.".to_owned()) }
}

fn check_key(config: &Config) -> Result<String, String> {
    let path = &config.key_file;
    if !path.exists() {
        return Err(format!("{} does not exist. Run “tessera serve” to create it.", path.display()));
    }
    let random = Random::system().map_err(|error| error.to_string())?;
    Key::load(path, &random)
        .map(|_| path.display().to_string())
        .map_err(|error| format!("{}: {error}", path.display()))
}

async fn check_database(config: &Config) -> Result<String, String> {
    let place = config.database.describe();
    if let DatabaseUrl::Sqlite(path) = &config.database
        && !path.exists()
    {
        return Err(format!("{place} does not exist. Run “tessera serve” to create it."));
    }
    if let DatabaseUrl::Sqlite(path) = &config.database
        && let Some(exposed) = private_file::exposed_database(path)
    {
        return Err(exposed);
    }
    let db = Db::open(&config.database).await.map_err(|error| format!("{place}: {error}"))?;
    let behind = count_pending(&db).await.map_err(|error| format!("{place}: {error}"))?;
    db.close().await;
    match behind {
        0 => Ok(format!("{place}, schema up to date")),
        _ => Err(format!(
            "{place}: The schema is not up to date. Run “tessera serve” to apply {behind} migrations."
        )),
    }
}

/// How the embedded SQLite was compiled; only a warning, because it works.
async fn check_build(config: &Config) -> Option<String> {
    match &config.database {
        DatabaseUrl::Sqlite(path) if path.exists() => {
            let db = Db::open(&config.database).await.ok()?;
            let missing = missing_build_flags(&db).await.ok()?;
            db.close().await;
            missing
        }
        _ => None,
    }
}

fn check_public_url(config: &Config) -> Result<String, String> {
    // A Unix socket is reached through a proxy or from this machine only.
    let is_local = match &config.listen {
        Listen::Address(address) => address.ip().is_loopback(),
        Listen::Name(name, _) => is_local_host(name),
        Listen::Unix(_) => true,
    };
    if config.https() || is_local {
        Ok(config.public_url.clone())
    } else {
        Err(format!(
            "{}: People can sign in over HTTPS only. Put a proxy with HTTPS in front and set public_url.",
            config.public_url
        ))
    }
}
