//! `tessera setup`: creates the first organization with its owner without a
//! browser, for automated installations. It can write a personal token of the
//! owner to a new file.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use clap::ArgMatches;

use super::{Outcome, open};
use crate::audit::{Actor, ActorKind, Channel};
use crate::config::Config;
use crate::directory::model::NewPerson;
use crate::organizations::bootstrap;
use crate::organizations::model::FirstRun;
use crate::platform::error::FieldError;
use crate::platform::secret::Secret;
use crate::platform::{Error, private_file};

pub(super) async fn run(config: Config, matches: &ArgMatches) -> Outcome {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let password_file = text("password-file");
    let password = private_file::ensure_private(Path::new(&password_file))
        .and_then(|()| std::fs::read_to_string(&password_file))
        .map_err(|error| format!("--password-file {password_file}: {error}"))?;
    let password = Secret::new(password.trim_end_matches(['\r', '\n']).to_owned());
    // Create the file first, so that no token is created that cannot be saved.
    let token_file = matches.get_one::<String>("personal-token-file");
    let mut file = token_file
        .map(|path| {
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| format!("--personal-token-file {path}: {error}"))
        })
        .transpose()?;
    let created = async {
        let app = open(config).await?;
        let input = FirstRun {
            organization: text("organization"),
            organization_name: text("organization-name"),
            person: NewPerson {
                username: text("username"),
                email: text("email"),
                name: text("name"),
                password,
            },
        };
        bootstrap::bootstrap(&app, &operator(), &input, token_file.is_some()).await.map_err(|error| {
            match error {
                Error::Invalid(errors) | Error::Conflict(errors) => {
                    let lines: Vec<String> = errors.all().iter().map(as_line).collect();
                    lines.join("\n  ")
                }
                other => other.to_string(),
            }
        })
    }
    .await;
    let created = match created {
        Ok(created) => created,
        Err(message) => {
            drop(token_file.map(std::fs::remove_file));
            return Err(message);
        }
    };
    if let (Some(file), Some(token)) = (&mut file, &created.token) {
        writeln!(file, "{}", token.expose())
            .and_then(|()| file.sync_all())
            .map_err(|error| format!("--personal-token-file: {error}"))?;
    }
    println!("The organization {} has its first owner.", created.slug);
    Ok(())
}

/// The error of a field as a line with the flag that sets it.
fn as_line(error: &FieldError) -> String {
    let flag = match error.field.as_str() {
        "" => return error.message.clone(),
        "password" => "password-file".to_owned(),
        field => field.replace('_', "-"),
    };
    format!("--{flag}: {}", error.message)
}

/// The actor of changes on the command line.
pub(super) fn operator() -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: String::new(),
        name: "operator".to_owned(),
        token: None,
        through: Channel::CommandLine,
        address: None,
        request_id: String::new(),
        on_behalf_of: None,
        for_team: None,
        idempotency_key: None,
    }
}
