//! No statement writes without a proof that it may. The compiler asks for the
//! proof (`WriteProof`); these tests see to it that only `access` makes proofs,
//! that writes without a caller are the ones listed here, and that there is no
//! other way to write.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::house::{literal, sources};

/// The files that may write without a caller, and why.
const SYSTEM: [(&str, &str); 16] = [
    ("audit/store.rs", "AuditLog"),
    ("audit/idempotency.rs", "AuditLog"),
    ("authn/known_network.rs", "SignIn"),
    ("authn/refused_sign_ins.rs", "SignIn"),
    ("authn/session.rs", "SignIn"),
    ("authn/session_store.rs", "SignIn"),
    ("authn/throttle.rs", "SignIn"),
    ("cleanup.rs", "Expiry"),
    ("cli/demo_usage.rs", "Demo"),
    ("cli/serve.rs", "SearchIndex"),
    ("organizations/actions.rs", "NewOrganization"),
    ("organizations/bootstrap.rs", "FirstRun"),
    ("people/invitations.rs", "Invitation"),
    ("tokens/one_time_secret.rs", "OneTimeSecret"),
    ("verification/usage/write.rs", "Usage"),
    ("tokens/access_token.rs", "TokenExchange"),
];

/// Those that pass the proof on to others.
const SYSTEM_BESIDE: [(&str, &str); 3] = [
    ("protocols/oauth_token.rs", "TokenExchange"),
    ("tokens/lifecycle.rs", "PresentedToken"),
    ("tokens/model.rs", "PresentedToken"),
];

fn inside(path: &Path) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    path.strip_prefix(root).expect("a source").to_string_lossy().into_owned()
}

fn all() -> impl Iterator<Item = (String, String)> {
    sources().into_iter().map(|path| (inside(&path), std::fs::read_to_string(&path).expect("a source")))
}

#[test]
fn only_access_makes_proofs_of_writes() {
    let mut makers = BTreeSet::new();
    for (file, text) in all() {
        makers.extend(text.match_indices("WriteProof for").map(|_| file.clone()));
    }
    // The probe of the readiness check counts its own writes and nothing else.
    assert_eq!(makers.into_iter().collect::<Vec<_>>(), ["access/permit.rs", "platform/db/write_probe.rs"]);
}

#[test]
fn what_is_written_without_a_caller_is_listed_with_its_reason() {
    let mut found = BTreeSet::new();
    for (file, text) in all() {
        for rest in text.split("System::new(SystemReason::").skip(1) {
            let reason: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            found.insert((file.clone(), reason));
        }
        assert_eq!(
            text.matches("System::new(").count(),
            text.matches("System::new(SystemReason::").count(),
            "{file}: name the reason where the proof is made"
        );
    }
    let listed: BTreeSet<(String, String)> = SYSTEM
        .iter()
        .chain(&SYSTEM_BESIDE)
        .map(|(file, reason)| ((*file).to_owned(), (*reason).to_owned()))
        .collect();
    assert_eq!(found, listed);
}

/// How a statement ends: the method that runs it.
const WAYS: [&str; 8] = [
    ".execute(",
    ".execute_batch(",
    ".execute_returning(",
    ".lock(",
    ".all(",
    ".optional(",
    ".one(",
    ".fetch_batch(",
];

/// Statements that write and are run by a method that takes no proof.
fn writers_without_a_proof(text: &str) -> (usize, Vec<String>) {
    let (mut writers, mut wrong) = (0, Vec::new());
    for part in text.split("sql(").skip(1) {
        let Some(statement) = literal(part.trim_start()) else { continue };
        let writes = ["INSERT ", "UPDATE ", "DELETE "].iter().any(|word| statement.contains(word));
        if !writes {
            continue;
        }
        writers += 1;
        let way = WAYS.iter().filter_map(|way| Some((part.find(way)?, *way))).min();
        let is_lock = statement.starts_with("UPDATE ") && statement.contains(" SET version = version WHERE");
        let is_right = match way {
            // `Change::write` runs it, and takes a proof.
            None => true,
            Some((_, ".lock(")) => is_lock,
            Some((place, _)) if part[..place].contains("change") && part[..place].contains("write") => true,
            Some((_, way)) => way.starts_with(".execute"),
        };
        if !is_right {
            wrong.push(statement);
        }
    }
    (writers, wrong)
}

#[test]
fn every_statement_that_writes_is_run_with_a_proof() {
    let mut writers = 0;
    for (file, text) in all() {
        let (found, wrong) = writers_without_a_proof(&text);
        writers += found;
        assert!(
            wrong.is_empty(),
            "{file}: these write, and are run by a method that takes no proof: {wrong:#?}"
        );
        // Nothing goes around `Statement`.
        let is_database = file.starts_with("platform/db/");
        for way in ["sqlx::query(", "sqlx::query_as(", "query_scalar", "raw_sql(", "fetch_one(", "fetch_all("]
        {
            assert!(is_database || !text.contains(way), "{file}: {way}");
        }
    }
    assert!(writers > 90, "{writers} writers were found");
}

#[test]
fn a_writer_that_is_run_without_a_proof_is_found() {
    let with = r#"sql("DELETE FROM teams WHERE id = $1").bind(id).execute(tx, permit).await?;"#;
    assert_eq!(writers_without_a_proof(with), (1, vec![]));
    for without in [
        r#"sql("DELETE FROM teams WHERE id = $1 RETURNING id").bind(id).optional(tx).await?;"#,
        r#"sql("UPDATE teams SET role = $1").bind(role).lock(tx).await?;"#,
    ] {
        assert_eq!(writers_without_a_proof(without).1.len(), 1, "{without}");
    }
}
