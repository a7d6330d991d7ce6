//! The command line: the commands `serve`, `setup`, `doctor` and `version`. This
//! file parses the arguments, loads the settings, starts logging and opens the
//! application state; each command has a file of its own.

mod demo;
mod demo_usage;
mod doctor;
mod limits;
mod log_lines;
mod serve;
mod setup;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogFormat, SETTINGS, Sources, flag, variable};
use crate::platform::key::Key;
use crate::platform::{Clock, Context, Db, Random, db, log, private_file};
use crate::state::AppState;

/// The result of a command: an error is the message for standard error.
type Outcome = Result<(), String>;

/// The definition of the command line, with a flag for each setting.
#[must_use]
pub fn command() -> Command {
    let text = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).required(true).value_name("TEXT")
    };
    let settings = SETTINGS.iter().map(|setting| {
        let default = if setting.default.is_empty() {
            String::new()
        } else {
            format!(" [default: {}]", setting.default)
        };
        Arg::new(setting.name)
            .long(flag(setting.name))
            .help(format!("{}{default}", setting.help))
            .value_name("VALUE")
            .global(true)
    });
    Command::new("tessera")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A self-hosted console for machine accounts")
        .after_help(
            "Every setting is also a variable (TESSERA_DATA_DIR) and a key of tessera.toml (data_dir; those of limits in \
             the table [limits]).",
        )
        .args(settings)
        .arg(
            Arg::new("config")
                .long("config")
                .help("The settings file [default: ./tessera.toml if it is there]")
                .value_name("FILE")
                .global(true),
        )
        .arg(Arg::new("demo").long("demo").action(ArgAction::SetTrue).hide(true))
        .subcommand(
            Command::new("serve").about("Start the console (the default)").arg(
                Arg::new("demo")
                    .long("demo")
                    .action(ArgAction::SetTrue)
                    .help("On a throw-away data directory, with an example organization"),
            ),
        )
        .subcommand(
            Command::new("setup")
                .about("Make the organization and its first owner, without a browser")
                .arg(text("organization", "The organization's slug, like acme"))
                .arg(text("organization-name", "The organization's name"))
                .arg(text("email", "The owner's email address"))
                .arg(text("username", "The owner's username"))
                .arg(text("name", "The owner's name"))
                .arg(text("password-file", "A file that holds the owner's password").value_name("FILE"))
                .arg(
                    Arg::new("personal-token-file")
                        .long("personal-token-file")
                        .value_name("FILE")
                        .help("Write a personal token of the owner into this new file (mode 0600)"),
                ),
        )
        .subcommand(Command::new("doctor").about("Check settings, key, database and schema"))
        .subcommand(Command::new("version").about("Print the version"))
}

/// Parses the arguments (the first one is the program) and runs the command.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            let code = error.exit_code();
            drop(error.print());
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tessera: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Outcome {
    let (name, sub) = matches.subcommand().unwrap_or(("serve", matches));
    if name == "version" {
        println!("tessera {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let demo = name == "serve" && sub.get_flag("demo");
    let mut flags = flags(sub);
    let throw_away = if demo { Some(demo::folder(&mut flags)?) } else { None };
    let config = config(flags, demo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(limits::lower_priority)
        .build();
    let runtime = runtime.map_err(|error| format!("The runtime cannot be started: {error}."))?;
    let outcome = runtime.block_on(async {
        match name {
            "setup" => setup::run(config, sub).await,
            "doctor" => doctor::run(config).await,
            _ => serve::run(config, demo).await,
        }
    });
    drop(throw_away);
    outcome
}

fn flags(matches: &ArgMatches) -> BTreeMap<String, String> {
    let names = SETTINGS.iter().map(|setting| setting.name).chain(["config"]);
    names.filter_map(|name| Some((name.to_owned(), matches.get_one::<String>(name)?.clone()))).collect()
}

fn config(flags: BTreeMap<String, String>, demo: bool) -> Result<Config, String> {
    let all = |errors: Vec<String>| {
        format!(
            "Correct {}:\n  {}",
            if errors.len() == 1 { "this setting" } else { "these settings" },
            errors.join("\n  ")
        )
    };
    let mut sources = Sources::gather(flags).map_err(all)?;
    if demo {
        // The demo must not touch a real installation that the settings name.
        for name in ["data_dir", "database_url", "key_file"] {
            sources.environment.remove(&variable(name));
            sources.file.remove(name);
        }
    }
    let config = Config::from_sources(&sources).map_err(all)?;
    log_to_stderr(&config);
    for name in sources.unknown_variables() {
        tracing::warn!("{name} is not a setting of Tessera and is ignored");
    }
    Ok(config)
}

fn log_to_stderr(config: &Config) {
    let colours =
        config.log_format == LogFormat::Pretty && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let writer = log_lines::OneLine { writer: std::io::stderr, colours };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match config.log_format {
        LogFormat::Pretty => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // A second subscriber in one process (tests) is not an error.
    drop(tracing_subscriber::registry().with(lines.with_filter(log::filter(&config.log))).try_init());
}

/// Opens the application state: creates the data folder, loads the key, opens the
/// database and runs its migrations.
async fn open(config: Config) -> Result<AppState, String> {
    let random = Random::system().map_err(|error| format!("The system gives no random numbers: {error}."))?;
    make_folder(&config.data_dir)?;
    let key = Key::load(&config.key_file, &random)
        .map_err(|error| format!("key_file {}: {error}", config.key_file.display()))?;
    let place = config.database.describe();
    let db = Db::open(&config.database).await.map_err(|error| format!("{place}: {error}"))?;
    db::migrate(&db).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::VersionMissing(version) => format!(
            "{place}: The schema (migration {version}) was created by a newer release of Tessera. Run that release."
        ),
        error => format!("{place}: The schema cannot be updated: {error}."),
    })?;
    let context = Context { db, clock: Clock::System, random, config: Arc::new(config), key };
    AppState::new(context).map_err(|error| error.to_string())
}

fn make_folder(folder: &PathBuf) -> Outcome {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| format!("data_dir {}: {error}", folder.display()))?;
    if let Some(exposed) = private_file::exposed_folder(folder) {
        tracing::warn!("data_dir: {exposed}");
    }
    Ok(())
}
