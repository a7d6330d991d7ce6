//! The servers under load.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::build::Set;
use crate::load;

/// Counted as by default, and never refused: one program makes all the load.
const LIMITS: [(&str, &str); 3] = [
    ("TESSERA_API_RATE_LIMIT", "10000000"),
    ("TESSERA_LIMITS_REQUESTS_PER_PERSON", "10000000"),
    ("TESSERA_LIMITS_REQUESTS_PER_NETWORK", "10000000"),
];

/// A server under load, ended with the run.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

impl Server {
    fn start(mut command: Command, port: u16, path: &str) -> (Self, Duration) {
        let started = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        let server = Self { child, port };
        while load::once(port, path).is_none() {
            assert!(started.elapsed() < Duration::from_secs(30), "it does not start");
            std::thread::sleep(Duration::from_millis(1));
        }
        (server, started.elapsed())
    }

    /// `tessera serve` on a data set, and how long it took to answer.
    pub fn tessera(set: &Set) -> (Self, Duration) {
        Self::node(set, set.database.as_deref())
    }

    /// The same, reaching its database at this address.
    pub fn node(set: &Set, database: Option<&str>) -> (Self, Duration) {
        Self::serve(set, database, &LIMITS)
    }

    /// `tessera serve` as it is without settings.
    pub fn with_usual_limits(set: &Set) -> (Self, Duration) {
        Self::serve(set, set.database.as_deref(), &[])
    }

    /// Another build of Tessera, on a set that it built, with the same settings.
    pub fn other(binary: &Path, set: &Set) -> Self {
        Self::run(Command::new(binary), set, None, &LIMITS).0
    }

    fn serve(set: &Set, database: Option<&str>, settings: &[(&str, &str)]) -> (Self, Duration) {
        Self::run(Command::new(env!("CARGO_BIN_EXE_tessera")), set, database, settings)
    }

    fn run(
        mut command: Command,
        set: &Set,
        database: Option<&str>,
        settings: &[(&str, &str)],
    ) -> (Self, Duration) {
        let port = free_port();
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"]).arg(&set.folder);
        command.envs(database.map(|url| ("TESSERA_DATABASE_URL", url)));
        command.envs(settings.iter().copied());
        Self::start(command, port, "/readyz")
    }

    /// The handler to compare with: axum, its usual server, and these bytes.
    pub fn bare(body: &str) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env("BENCH_BARE", body).env("BENCH_PORT", port.to_string());
        Self::start(command, port, "/").0
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0);
        kilobytes / 1024.0
    }

    /// Waits until it has nothing left to do: until it took no time of a core for
    /// three seconds, or for three minutes at most.
    pub fn rest(&self) {
        let taken = || {
            let told = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
            let fields: Vec<u64> =
                told.split_whitespace().skip(13).take(2).filter_map(|text| text.parse().ok()).collect();
            fields.iter().sum::<u64>()
        };
        let (mut before, mut quiet) = (taken(), 0);
        for _ in 0..180 {
            std::thread::sleep(Duration::from_secs(1));
            let now = taken();
            quiet = if now <= before + 2 { quiet + 1 } else { 0 };
            before = now;
            if quiet == 3 {
                return;
            }
        }
    }
}

/// The bare handler's process.
pub fn serve_bare(body: String) {
    let port: u16 = std::env::var("BENCH_PORT").expect("a port").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let answer = move || {
            let body = body.clone();
            async move { ([(axum::http::header::CONTENT_TYPE, "application/json")], body) }
        };
        let router = axum::Router::new().fallback(answer);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("bound");
        axum::serve(listener, router).await.expect("served");
    });
}
