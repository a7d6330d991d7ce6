//! Compiles the instrumented sources, and runs tests with one mutant at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::find::{Mutant, instrument};

/// Tests that read the sources, or look for a fault of the tests themselves.
const NOT_RUN: [&str; 3] = ["house::", "panics::", "plans::"];
/// Tests that take longer are left out: a rule is held by a test that names it,
/// not by random operations alone.
const SLOW: Duration = Duration::from_secs(15);
/// So many tests run at once.
const WORKERS: usize = 2;

/// What was compiled.
pub struct Build {
    pub mutants: Vec<Mutant>,
    /// Mutants that do not compile.
    pub left_out: Vec<usize>,
    folder: PathBuf,
    executables: Vec<PathBuf>,
}

/// The sources with all mutants in them.
pub fn instrumented(
    root: &Path,
    is_looked_at: impl Fn(&str) -> bool,
    left_out: &[usize],
) -> (Vec<Mutant>, BTreeMap<String, String>) {
    let mut mutants = Vec::new();
    let mut sources = BTreeMap::new();
    for file in tracked(root).iter().filter(|file| is_looked_at(file)) {
        let source = std::fs::read_to_string(root.join(file)).expect("a source");
        let (found, text) = instrument(file, &source, mutants.len(), left_out);
        mutants.extend(found);
        sources.insert(file.clone(), text);
    }
    (mutants, sources)
}

fn tracked(root: &Path) -> Vec<String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().expect("git");
    let text = String::from_utf8(listed.stdout).expect("names in UTF-8");
    text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Writes a file where it differs, so that only what changed is compiled again.
fn write(path: &Path, content: &[u8]) {
    if std::fs::read(path).is_ok_and(|known| known == content) {
        return;
    }
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, content).expect("written");
}

/// Removes the copy of an earlier run but for what was compiled: a file that has
/// moved since would stand in two places.
fn remove_sources(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            std::fs::remove_dir_all(path).expect("removed");
        } else if path.is_file() {
            std::fs::remove_file(path).expect("removed");
        }
    }
}

/// Copies the repository, puts all mutants in, and compiles. Mutants on a line
/// that does not compile are left out.
pub fn build(root: &Path, is_looked_at: impl Fn(&str) -> bool) -> Build {
    let folder = root.join("target/mutants/tree");
    remove_sources(&folder);
    for file in tracked(root) {
        let Ok(content) = std::fs::read(root.join(&file)) else { continue };
        if is_looked_at(&file) || file == "src/lib.rs" {
            continue;
        }
        write(&folder.join(&file), &content);
    }
    write(&folder.join("src/mutants.rs"), include_bytes!("keep.rs"));
    let library = std::fs::read_to_string(root.join("src/lib.rs")).expect("the library");
    write(&folder.join("src/lib.rs"), format!("{library}\n#[doc(hidden)]\npub mod mutants;\n").as_bytes());
    let mut left_out: Vec<usize> = Vec::new();
    for _ in 0..8 {
        let (mutants, sources) = instrumented(root, &is_looked_at, &left_out);
        for (file, text) in &sources {
            write(&folder.join(file), text.as_bytes());
        }
        println!("compiling {} mutants", mutants.len() - left_out.len());
        match compile(&folder) {
            Ok(executables) => return Build { mutants, left_out, folder, executables },
            Err(wrong) => {
                let before = left_out.len();
                for (file, line) in &wrong {
                    left_out.extend(numbers_in(&sources, file, *line));
                }
                left_out.sort_unstable();
                left_out.dedup();
                assert!(left_out.len() > before, "the sources do not compile: {wrong:?}");
            }
        }
    }
    panic!("the instrumented sources do not compile");
}

/// The mutants on one line of an instrumented source.
fn numbers_in(sources: &BTreeMap<String, String>, file: &str, line: usize) -> Vec<usize> {
    let Some(text) = sources.get(file).and_then(|text| text.lines().nth(line.saturating_sub(1))) else {
        return Vec::new();
    };
    let calls = text.split("mutants::keep(").skip(1);
    calls.filter_map(|rest| rest.split(')').next()?.parse().ok()).collect()
}

/// The test executables, or where the compiler found a mistake.
fn compile(folder: &Path) -> Result<Vec<PathBuf>, Vec<(String, usize)>> {
    let output = Command::new("cargo")
        .args([
            "test",
            "--locked",
            "--no-run",
            "--lib",
            "--bins",
            "--test",
            "suite",
            "--message-format",
            "json",
        ])
        .env("CARGO_TARGET_DIR", folder.with_file_name("build"))
        .env("RUSTFLAGS", "--cap-lints allow")
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo");
    let mut executables = Vec::new();
    let mut wrong = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if message["reason"] == "compiler-artifact"
            && message["profile"]["test"] == true
            && let Some(path) = message["executable"].as_str()
        {
            executables.push(PathBuf::from(path));
        }
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            for span in message["message"]["spans"].as_array().into_iter().flatten() {
                if std::env::var_os("TESSERA_MUTANTS_ERRORS").is_some() {
                    eprintln!("{}", message["message"]["rendered"].as_str().unwrap_or_default());
                }
                let line = span["line_start"].as_u64().and_then(|line| usize::try_from(line).ok());
                wrong.push((span["file_name"].as_str().unwrap_or_default().to_owned(), line.unwrap_or(0)));
            }
        }
    }
    if output.status.success() { Ok(executables) } else { Err(wrong) }
}

/// A test, how long it takes, and the mutants that it would meet.
#[derive(serde::Serialize, serde::Deserialize)]
struct Test {
    executable: PathBuf,
    name: String,
    took: Duration,
    met: BTreeSet<usize>,
}

/// Which tests meet which mutants.
pub struct Met(Vec<Test>);

impl Met {
    /// The tests that meet a mutant: those that are about refusals first, then
    /// the quickest.
    pub fn tests(&self, mutant: usize) -> Vec<usize> {
        let mut found: Vec<usize> =
            (0..self.0.len()).filter(|at| self.0[*at].met.contains(&mutant)).collect();
        found.sort_by_key(|at| (!self.0[*at].name.starts_with("refusals::"), self.0[*at].took));
        found
    }
}

/// Which tests noticed what so far: a test that noticed one mutant of a
/// function is likely to notice the next.
#[derive(Default)]
struct Noticed(BTreeMap<(usize, String), usize>);

impl Noticed {
    fn places(mutant: &Mutant) -> [String; 3] {
        [format!("{} {}", mutant.file, mutant.function), mutant.file.clone(), String::new()]
    }

    fn note(&mut self, test: usize, mutant: &Mutant) {
        for place in Self::places(mutant) {
            *self.0.entry((test, place)).or_default() += 1;
        }
    }

    /// How often a test noticed a mutant of this function, of this file, at all.
    fn times(&self, test: usize, mutant: &Mutant) -> [usize; 3] {
        Self::places(mutant).map(|place| self.0.get(&(test, place)).copied().unwrap_or(0))
    }
}

/// Runs each test once, alone, and notes what it meets.
pub fn meet(build: &Build) -> Met {
    // What was noted since the tests were compiled still holds.
    let kept = build.folder.with_file_name("met.json");
    let changed = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    if build.executables.iter().all(|executable| changed(executable) < changed(&kept))
        && let Some(tests) = std::fs::read(&kept).ok().and_then(|text| serde_json::from_slice(&text).ok())
    {
        return Met(tests);
    }
    let mut tests = Vec::new();
    for executable in &build.executables {
        let mut command = Command::new(executable);
        command.args(["--list", "--format", "terse"]).current_dir(&build.folder);
        let output = command.output().expect("a list of tests");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Some(name) = line.strip_suffix(": test") else { continue };
            if !NOT_RUN.iter().any(|part| name.starts_with(part)) {
                tests.push((executable.clone(), name.to_owned()));
            }
        }
    }
    println!("running {} tests alone", tests.len());
    std::fs::create_dir_all(build.folder.with_file_name("met")).expect("a folder");
    let done = Mutex::new(Vec::new());
    each(tests.len(), |at| {
        let (executable, name) = &tests[at];
        let path = build.folder.with_file_name("met").join(at.to_string());
        let _ = std::fs::remove_file(&path);
        let started = Instant::now();
        let passes = run(
            build,
            executable,
            name,
            &[("TESSERA_MUTANTS_MET", path.as_os_str())],
            Duration::from_secs(900),
        );
        assert!(passes, "{name} fails without any mutant");
        let met = std::fs::read_to_string(&path).unwrap_or_default();
        let met = met.lines().filter_map(|line| line.parse().ok()).collect();
        let test = Test { executable: executable.clone(), name: name.clone(), took: started.elapsed(), met };
        done.lock().unwrap_or_else(PoisonError::into_inner).push(test);
    });
    let met = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    std::fs::write(&kept, serde_json::to_vec(&met).expect("JSON")).expect("written");
    Met(met)
}

/// Gives each mutant to the tests that meet it. The mutants that no test notices.
pub fn try_all(build: &Build, met: &Met, chosen: &[usize]) -> Vec<usize> {
    let survived = Mutex::new(Vec::new());
    let learned = Mutex::new(Noticed::default());
    println!("trying {} mutants", chosen.len());
    each(chosen.len(), |at| {
        let mutant = chosen[at];
        let number = mutant.to_string();
        let mut tests = met.tests(mutant);
        tests.retain(|at| met.0[*at].took < SLOW);
        {
            let learned = learned.lock().unwrap_or_else(PoisonError::into_inner);
            tests.sort_by_key(|at| std::cmp::Reverse(learned.times(*at, &build.mutants[mutant])));
        }
        let noticed = tests.into_iter().find(|at| {
            let test = &met.0[*at];
            let limit = test.took * 5 + Duration::from_secs(20);
            !run(build, &test.executable, &test.name, &[("TESSERA_MUTANT", number.as_ref())], limit)
        });
        if let Some(test) = noticed {
            learned.lock().unwrap_or_else(PoisonError::into_inner).note(test, &build.mutants[mutant]);
        }
        let shown = crate::shown(&build.mutants[mutant]);
        let by = noticed.map_or("none", |test| met.0[test].name.as_str());
        println!("noticed by {by}: {shown}");
        if noticed.is_none() {
            survived.lock().unwrap_or_else(PoisonError::into_inner).push(mutant);
        }
    });
    let mut survived = survived.into_inner().unwrap_or_else(PoisonError::into_inner);
    survived.sort_unstable();
    survived
}

fn each(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    work(at);
                }
            });
        }
    });
}

/// Whether a test passes within a time.
fn run(
    build: &Build,
    executable: &Path,
    name: &str,
    variables: &[(&str, &std::ffi::OsStr)],
    limit: Duration,
) -> bool {
    let mut command = Command::new(executable);
    command.args(["--exact", name]).current_dir(&build.folder).env("RUST_BACKTRACE", "0");
    command.envs(variables.iter().copied());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a test");
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the test") {
            return status.success();
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
