//! The performance of verification, as ratios to a bare handler in one run.
//!
//! Builds a data set with the product's own code, starts a bare axum handler
//! that answers the same bytes and Tessera, drives both in turn, and prints
//! medians. `scripts/bench --help` tells the options; docs/performance.md how
//! to read what it prints.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a benchmark: it measures time, and ends where something is wrong"
)]

mod build;
mod load;
mod pages;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Load, Measured, drive};

/// What is asked for on the command line.
#[derive(Clone, Debug)]
pub struct Options {
    tokens: usize,
    accounts: usize,
    people: usize,
    events: usize,
    seconds: f64,
    rounds: usize,
    connections: usize,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            tokens: 1_000_000,
            accounts: 10_000,
            people: 100_000,
            events: 10_000_000,
            seconds: 3.0,
            rounds: 5,
            connections: 16,
        };
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            if arg == "small" {
                (options.tokens, options.accounts, options.people, options.events) =
                    (1_000, 100, 1_000, 10_000);
                continue;
            }
            let value = args.next().unwrap_or_else(|| panic!("{arg} takes a number"));
            let number: f64 = value.parse().unwrap_or_else(|_| panic!("{arg} takes a number, not {value}"));
            match arg.as_str() {
                "--tokens" => options.tokens = number as usize,
                "--accounts" => options.accounts = number as usize,
                "--people" => options.people = number as usize,
                "--events" => options.events = number as usize,
                "--seconds" => options.seconds = number,
                "--rounds" => options.rounds = number as usize,
                "--connections" => options.connections = number as usize,
                other => panic!(
                    "{other}: there are small, --tokens, --accounts, --people, --events, --seconds, --rounds, --connections"
                ),
            }
        }
        options
    }
}

/// A server under load, ended with the run.
struct Server {
    child: Child,
    port: u16,
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

    fn tessera(data: &Path) -> (Self, Duration) {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log", "warn", "--data-dir"])
            .arg(data);
        Self::start(command, port, "/readyz")
    }

    /// The handler to compare with: axum, its usual server, and these bytes.
    fn bare(body: &str) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env("BENCH_BARE", body).env("BENCH_PORT", port.to_string());
        Self::start(command, port, "/").0
    }

    /// Resident memory in MB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0);
        kilobytes / 1024.0
    }
}

/// The bare handler's process.
fn serve_bare(body: String) {
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

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Drives both in turn, and tells the medians of their ratios.
fn compare(options: &Options, name: &str, bare: &Server, server: &Server, requests: &[Vec<u8>], goal: &str) {
    let run = |server: &Server| {
        drive(&Load {
            port: server.port,
            requests,
            seconds: options.seconds,
            connections: options.connections,
        })
    };
    let all: Vec<(Measured, Measured)> = (0..options.rounds).map(|_| (run(bare), run(server))).collect();
    let ratio = |of: fn(&Measured) -> f64| median(all.iter().map(|(bare, own)| of(own) / of(bare)).collect());
    let own = |of: fn(&Measured) -> f64| median(all.iter().map(|(_, own)| of(own)).collect());
    println!(
        "{name:<44} {:>5.2} of bare ({:>6.0}/s)   p50 {:>4.2}x   p99 {:>5.2}x ({:.2} ms)   goal {goal}",
        ratio(|it| it.rate),
        own(|it| it.rate),
        ratio(|it| it.p50),
        ratio(|it| it.p99),
        own(|it| it.p99) * 1000.0,
    );
}

fn main() {
    if let Ok(body) = std::env::var("BENCH_BARE") {
        return serve_bare(body);
    }
    let options = Options::read();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let set = build::build(&options, &folder);
    println!("{options:?}");
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_tessera")).expect("a binary").len();
    println!("binary: {:.1} MB", size as f64 / 1_048_576.0);
    let starts: Vec<f64> =
        (0..options.rounds).map(|_| Server::tessera(&set.folder).1.as_secs_f64() * 1000.0).collect();
    println!("start to the first 200: {:.0} ms", median(starts));
    let (server, _) = Server::tessera(&set.folder);
    println!("memory idle: {:.0} MB", server.memory());
    let whoami = |token: &str| {
        load::request("GET", "/api/v1/whoami", &[("authorization", &format!("Bearer {token}"))], "")
    };
    let one = &set.tokens[0];
    let secret = format!("Bearer {}", set.secret);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let forward = load::request(
        "GET",
        "/forward-auth?permission=runs:write&project=p0",
        &[("authorization", &format!("Bearer {one}")), ("tessera-service-authorization", &secret)],
        "",
    );
    let introspect = load::request(
        "POST",
        "/oauth2/introspect",
        &[("authorization", &secret), form],
        &format!("token={one}"),
    );
    let question = format!(
        r#"{{"subject":{{"type":"token","id":"{one}"}},"action":{{"name":"runs:write"}},"resource":{{"type":"project","id":"p0"}}}}"#
    );
    let evaluate = load::request(
        "POST",
        "/access/v1/evaluation",
        &[("authorization", &secret), ("content-type", "application/json")],
        &question,
    );
    let wrong = whoami(&format!("{}0", &one[..one.len() - 1]));
    for (name, request, goal) in [
        ("whoami, one live token", whoami(one), "0.85"),
        ("forward auth, one live token", forward, "0.85"),
        ("introspection", introspect, "0.60"),
        ("access evaluation", evaluate, "0.60"),
        ("a wrong checksum", wrong, "0.90"),
    ] {
        let body = load::answer(server.port, &request);
        let bare = Server::bare(&body);
        compare(&options, name, &bare, &server, &[request], goal);
    }
    let body = load::answer(server.port, &whoami(one));
    let bare = Server::bare(&body);
    let thousand: Vec<Vec<u8>> = set.tokens.iter().take(1000).map(|token| whoami(token)).collect();
    compare(&options, "whoami, a thousand tokens", &bare, &server, &thousand, "");
    let every: Vec<Vec<u8>> = set.tokens.iter().map(|token| whoami(token)).collect();
    compare(&options, &format!("whoami, {} tokens uniformly", every.len()), &bare, &server, &every, "0.25");
    println!("memory after all of it: {:.0} MB (goal 150)", server.memory());
    pages::revocation(&server, &set);
    pages::sign_ins(&server, &set);
    pages::lists(&options, &server, &set);
}
