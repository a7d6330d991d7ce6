//! Mutation tests: switches every condition off that refuses something, one at
//! a time, and sees whether a test fails. `scripts/mutants` runs it; see
//! CONTRIBUTING.md.
//!
//! All mutants are compiled at once. Each test then runs alone and writes down
//! which conditions it met where they refuse; a mutant is given to those tests,
//! the quickest first, until one fails.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a tool for those who work on the product: it stops at what it does not expect"
)]

mod find;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use find::Mutant;

/// The sources whose conditions are switched off.
const LOOKED_AT: [&str; 16] = [
    "src/access/",
    "src/account/tokens.rs",
    "src/audit/change.rs",
    "src/audit/privileges.rs",
    "src/authn/",
    "src/verification/",
    "src/callers/",
    "src/directory/own_account.rs",
    "src/organizations/bootstrap.rs",
    "src/people/invitations.rs",
    "src/principals/",
    "src/projects/grants.rs",
    "src/protocols/",
    "src/quotas.rs",
    "src/service_accounts/keys.rs",
    "src/tokens/",
];

/// Survivors that cannot matter, with the reason.
#[derive(Debug, serde::Deserialize)]
struct Explained {
    survivor: Vec<Survivor>,
}

#[derive(Debug, serde::Deserialize)]
struct Survivor {
    file: String,
    function: String,
    condition: String,
    change: String,
    reason: String,
}

impl Survivor {
    fn is(&self, mutant: &Mutant) -> bool {
        self.file == mutant.file
            && self.function == mutant.function
            && self.condition == mutant.condition
            && self.change == mutant.change.word()
    }
}

fn is_looked_at(file: &str) -> bool {
    // What they narrow is shown, not allowed.
    if matches!(file, "src/audit_log/store.rs" | "src/overview/store.rs") {
        return false;
    }
    let part = LOOKED_AT.iter().any(|part| file.starts_with(part));
    Path::new(file).extension().is_some_and(|kind| kind == "rs")
        && (part
            || (file.starts_with("src/") && (file.ends_with("/actions.rs") || file.ends_with("/store.rs"))))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only_list = arguments.iter().any(|it| it == "--list");
    let wanted: Vec<&String> = arguments.iter().filter(|it| !it.starts_with("--")).collect();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("mutants/survivors.toml")).expect("survivors.toml");
    let explained: Explained = toml::from_str(&text).expect("survivors.toml is understood");
    assert!(explained.survivor.iter().all(|it| !it.reason.trim().is_empty()), "each survivor has a reason");

    if only_list {
        let (mutants, _) = run::instrumented(&root, is_looked_at, &[]);
        for (number, mutant) in mutants.iter().enumerate() {
            println!("{number} {}", shown(mutant));
        }
        return ExitCode::SUCCESS;
    }
    let build = run::build(&root, is_looked_at);
    let chosen: Vec<usize> = (0..build.mutants.len())
        .filter(|number| !build.left_out.contains(number))
        .filter(|number| {
            let text = shown(&build.mutants[*number]);
            wanted.is_empty() || wanted.iter().any(|part| text.contains(part.as_str()))
        })
        .collect();
    for number in &build.left_out {
        println!("does not compile: {}", shown(&build.mutants[*number]));
    }
    let met = run::meet(&build);
    let survived = run::try_all(&build, &met, &chosen);
    let mut unexplained = 0;
    let mut known = 0;
    for number in &survived {
        let mutant = &build.mutants[*number];
        if explained.survivor.iter().any(|it| it.is(mutant)) {
            known += 1;
        } else {
            unexplained += 1;
            let how = if met.tests(*number).is_empty() { "no test refuses by it" } else { "no test fails" };
            println!("survived, {how}: {}", shown(mutant));
        }
    }
    if wanted.is_empty() {
        for it in &explained.survivor {
            if !survived.iter().any(|number| it.is(&build.mutants[*number])) {
                println!("explained, yet no survivor: {} {} {}", it.file, it.function, it.condition);
                unexplained += 1;
            }
        }
    }
    println!(
        "{} mutants: {} noticed, {known} explained, {unexplained} to look at",
        chosen.len(),
        chosen.len() - survived.len(),
    );
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn shown(mutant: &Mutant) -> String {
    let Mutant { file, function, line, condition, change } = mutant;
    format!("{file}:{line} {function}: {} — {condition}", change.word())
}
