//! The program itself: its commands, run as a person runs them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use tessera::platform::db::Address;

struct Place {
    folder: PathBuf,
    database: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    async fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tessera-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let database = match crate::harness::new_database(&folder.join("data")).await {
            Address::Sqlite(path) => format!("sqlite:{}", path.display()),
            Address::Postgres(url) => url,
        };
        std::fs::write(folder.join("password"), "seven quiet mosaics\n").expect("written");
        Self { folder, database }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args(args)
            .current_dir(&self.folder)
            .env_clear()
            .env("TESSERA_DATABASE_URL", &self.database)
            .env("TESSERA_LISTN", "a typo")
            .output()
            .expect("it ran")
    }

    fn set_up(&self, more: &[&str]) -> Output {
        let args =
            ["setup", "--organization", "acme", "--organization-name", "Acme Inc.", "--email", "o@acme.test"];
        let rest = ["--username", "olive", "--name", "Olive Owner", "--password-file", "password"];
        self.run(&[&args[..], &rest[..], more].concat())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn set_up_makes_the_first_owner_once_and_writes_the_token_for_them_alone() {
    let place = Place::new("setup").await;
    let done = place.set_up(&["--personal-token-file", "token"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("TESSERA_LISTN is not a setting"));
    let token = place.folder.join("token");
    let mode = |path: &PathBuf| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&token), mode(&place.folder.join("data/key"))), (0o600, 0o600));
    let value = std::fs::read_to_string(&token).expect("read");
    assert!(value.starts_with("tsrp_") && value.trim().len() == 41);
    let again = place.set_up(&["--personal-token-file", "other"]);
    assert!(!again.status.success() && text(&again.stderr).contains("has its first owner already"));
    assert!(!place.folder.join("other").exists(), "no empty file is left behind");
    // A file that is there is not overwritten.
    assert!(!place.set_up(&["--personal-token-file", "token"]).status.success());
    assert_eq!(std::fs::read_to_string(&token).expect("read"), value);
    assert!(place.run(&["doctor"]).status.success());
}

#[tokio::test]
async fn set_up_tells_all_mistakes_and_makes_nothing() {
    let place = Place::new("mistakes").await;
    std::fs::write(place.folder.join("password"), "short").expect("written");
    let refused = place.run(&[
        "setup",
        "--organization",
        "Acme!",
        "--organization-name",
        "Acme",
        "--email",
        "nowhere",
        "--username",
        "new",
        "--name",
        "O",
        "--password-file",
        "password",
    ]);
    let told = text(&refused.stderr);
    for field in ["organization ", "email ", "username ", "password "] {
        assert!(told.contains(field), "{field}: {told}");
    }
    assert!(!refused.status.success());
}

#[tokio::test]
async fn wrong_settings_are_told_at_once_and_the_doctor_says_what_is_missing() {
    let place = Place::new("settings").await;
    let refused = place.run(&["serve", "--listen", "nowhere", "--log-format", "xml"]);
    let told = text(&refused.stderr);
    assert!(
        !refused.status.success() && told.contains("--listen:") && told.contains("--log-format:"),
        "{told}"
    );
    let sick = place.run(&["doctor"]);
    assert!(!sick.status.success() && text(&sick.stdout).contains("FAIL"));
    assert!(text(&place.run(&["version"]).stdout).starts_with("tessera 0."));
}
