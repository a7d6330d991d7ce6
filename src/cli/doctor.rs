//! `tessera doctor`: says what is well and what is not, changing nothing.

use super::{Outcome, limits};
use crate::config::DatabaseUrl;
use crate::config::{Config, Listen};
use crate::platform::db::pending;
use crate::platform::key::Key;
use crate::platform::web::client::is_local_host;
use crate::platform::{Db, Random, private_file};

pub(super) async fn run(config: Config) -> Outcome {
    let mut healthy = true;
    let mut tell = |name: &str, verdict: Result<String, String>| {
        healthy &= verdict.is_ok();
        let (mark, text) = match verdict {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        println!("{mark}  {name}: {text}");
    };
    tell(
        "data_dir",
        if config.data_dir.is_dir() {
            Ok(config.data_dir.display().to_string())
        } else {
            Err(format!("{} does not exist. Run “tessera serve” to create it.", config.data_dir.display()))
        },
    );
    // What lies in it is private all the same.
    if let Some(exposed) = private_file::exposed_folder(&config.data_dir) {
        println!("warn  data_dir: {exposed}");
    }
    tell("key_file", key(&config));
    tell("database", database(&config).await);
    tell("public_url", public_url(&config));
    let open_files = limits::raise_open_files();
    tell("limits", Ok(limits::describe(&limits::connections(&config, open_files), open_files)));
    if healthy { Ok(()) } else { Err("Some checks failed. Correct the lines with FAIL.".to_owned()) }
}

fn key(config: &Config) -> Result<String, String> {
    let path = &config.key_file;
    if !path.exists() {
        return Err(format!("{} does not exist. Run “tessera serve” to create it.", path.display()));
    }
    let random = Random::system().map_err(|error| error.to_string())?;
    Key::load(path, &random)
        .map(|_| path.display().to_string())
        .map_err(|error| format!("{}: {error}", path.display()))
}

async fn database(config: &Config) -> Result<String, String> {
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
    let behind = pending(&db).await.map_err(|error| format!("{place}: {error}"))?;
    db.close().await;
    match behind {
        0 => Ok(format!("{place}, schema up to date")),
        _ => Err(format!(
            "{place}: The schema is not up to date. Run “tessera serve” to apply {behind} migrations."
        )),
    }
}

fn public_url(config: &Config) -> Result<String, String> {
    // Who listens on a Unix socket is behind a proxy, or for this machine alone.
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
