//! The program itself: its commands, run as a person runs them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tessera::config::DatabaseUrl;

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
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => url,
        };
        write_private(&folder.join("password"), "seven quiet mosaics\n");
        Self { folder, database }
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args(args)
            .current_dir(&self.folder)
            .env_clear()
            .env("TESSERA_DATABASE_URL", &self.database)
            .env("TESSERA_LISTN", "a typo")
            .output()
            .expect("it ran");
        assert!(!text(&output.stderr).contains("panicked at"), "{}", text(&output.stderr));
        output
    }

    fn set_up(&self, more: &[&str]) -> Output {
        let args =
            ["setup", "--organization", "acme", "--organization-name", "Acme Inc.", "--email", "o@acme.test"];
        let rest = ["--username", "olive", "--name", "Olive Owner", "--password-file", "password"];
        self.run(&[&args[..], &rest[..], more].concat())
    }
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
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
    assert_eq!((mode(&token), mode(&place.folder.join("data/key"))), (0o600, 0o600));
    let value = std::fs::read_to_string(&token).expect("read");
    assert!(value.starts_with("tsrp_") && value.trim().len() == 41);
    let again = place.set_up(&["--personal-token-file", "other"]);
    assert!(!again.status.success() && text(&again.stderr).contains("already has its first owner"));
    assert!(!place.folder.join("other").exists(), "no empty file is left behind");
    // A file that is there is not overwritten.
    assert!(!place.set_up(&["--personal-token-file", "token"]).status.success());
    assert_eq!(std::fs::read_to_string(&token).expect("read"), value);
    let well = place.run(&["doctor"]);
    assert!(well.status.success());
    assert!(!text(&well.stdout).contains("build:"), "SQLite lacks flags: {}", text(&well.stdout));
}

#[tokio::test]
async fn set_up_tells_all_mistakes_and_makes_nothing() {
    let place = Place::new("mistakes").await;
    write_private(&place.folder.join("password"), "short");
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
    for field in ["--organization: ", "--email: ", "--username: ", "--password-file: "] {
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

#[tokio::test]
async fn the_database_is_private_in_a_folder_that_others_may_enter_and_the_doctor_says_so() {
    let place = Place::new("modes").await;
    let data = place.folder.join("data");
    std::fs::create_dir(&data).expect("a folder");
    set_mode(&data, 0o755);
    let done = place.set_up(&[]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let warning = "Other users can open ./data (mode 755). Run: chmod 700 ./data";
    assert!(text(&done.stdout).contains(warning) || text(&done.stderr).contains(warning), "{done:?}");
    assert!(text(&place.run(&["doctor"]).stdout).contains("warn  data_dir: Other users can open"));
    set_mode(&data, 0o700);
    let well = place.run(&["doctor"]);
    assert!(well.status.success() && !text(&well.stdout).contains("Other users can"), "{well:?}");
    let files = || -> Vec<PathBuf> {
        let all = std::fs::read_dir(&data).expect("a folder").map(|entry| entry.expect("an entry").path());
        all.collect()
    };
    assert!(!files().is_empty() && files().iter().all(|file| mode(file) == 0o600), "{:?}", files());
    // What an older release made is told of, and corrected by the next start.
    if let Some(path) = place.database.strip_prefix("sqlite:") {
        set_mode(Path::new(path), 0o644);
        let sick = place.run(&["doctor"]);
        assert!(!sick.status.success() && text(&sick.stdout).contains("chmod 600"), "{sick:?}");
        place.set_up(&[]);
        assert_eq!(mode(Path::new(path)), 0o600);
    }
}

#[tokio::test]
async fn a_key_or_password_that_others_may_read_is_refused() {
    let place = Place::new("exposed").await;
    set_mode(&place.folder.join("password"), 0o640);
    let refused = place.set_up(&[]);
    assert!(!refused.status.success());
    let told = text(&refused.stderr);
    assert!(
        told.contains("--password-file password: Other users can read this file (mode 640). Run: chmod 600"),
        "{told}"
    );
    set_mode(&place.folder.join("password"), 0o600);
    assert!(place.set_up(&[]).status.success());
    set_mode(&place.folder.join("data/key"), 0o604);
    let refused = place.set_up(&[]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("Run: chmod 600 ./data/key"),
        "{refused:?}"
    );
    let sick = place.run(&["doctor"]);
    assert!(!sick.status.success() && text(&sick.stdout).contains("FAIL  key_file"), "{sick:?}");
}
