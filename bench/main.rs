//! The performance of verification, as ratios to a bare handler in one run.
//!
//! Builds data sets with the product's own code, starts a bare axum handler
//! that answers the same bytes and Tessera, drives them in turn, and prints
//! medians. docs/performance.md tells how to read what it prints.

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
mod hostile;
mod load;
mod nodes;
mod pages;
mod server;

use std::path::PathBuf;

use build::Set;
use load::{Load, Measured, drive};
use server::Server;

/// How much there is of what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    tokens: usize,
    accounts: usize,
    people: usize,
    events: usize,
}

const SMALL: Size = Size { tokens: 1_000, accounts: 100, people: 1_000, events: 10_000 };
const LARGE: Size = Size { tokens: 1_000_000, accounts: 10_000, people: 100_000, events: 10_000_000 };

const OPTIONS: &str = "small, reuse, lists, postgres, hostile, --tokens, --accounts, --people, --events, --seconds, --rounds, \
     --connections, --before";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Everything,
    Lists,
    ListsOnPostgres,
    Hostile,
}

/// What is asked for on the command line.
#[derive(Clone, Debug)]
pub struct Options {
    size: Size,
    /// Whether data sets of an earlier run will do.
    reuse: bool,
    part: Part,
    seconds: f64,
    rounds: usize,
    connections: usize,
    /// The target folder of another checkout, whose benchmark ran with this size.
    before: Option<PathBuf>,
}

impl Options {
    fn read() -> Self {
        let (seconds, rounds, connections) = (3.0, 5, 16);
        let mut options = Self {
            size: LARGE,
            reuse: false,
            part: Part::Everything,
            seconds,
            rounds,
            connections,
            before: None,
        };
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "small" => options.size = SMALL,
                "reuse" => options.reuse = true,
                "lists" => options.part = Part::Lists,
                "postgres" => options.part = Part::ListsOnPostgres,
                "hostile" => options.part = Part::Hostile,
                _ => {
                    let value = args.next().unwrap_or_else(|| panic!("{arg}: there are {OPTIONS}"));
                    if arg == "--before" {
                        options.before = Some(PathBuf::from(value));
                        continue;
                    }
                    let number: f64 =
                        value.parse().unwrap_or_else(|_| panic!("{arg} takes a number, not {value}"));
                    match arg.as_str() {
                        "--tokens" => options.size.tokens = number as usize,
                        "--accounts" => options.size.accounts = number as usize,
                        "--people" => options.size.people = number as usize,
                        "--events" => options.size.events = number as usize,
                        "--seconds" => options.seconds = number,
                        "--rounds" => options.rounds = number as usize,
                        "--connections" => options.connections = number as usize,
                        other => panic!("{other}: there are {OPTIONS}"),
                    }
                }
            }
        }
        options
    }
}

/// The median.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The value that 99 of 100 do not pass.
pub fn p99(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[(all.len() - 1) * 99 / 100]
}

/// A server beside the one in question, with a set of its own.
struct Other {
    server: Server,
    set: Set,
}

/// Whom it is compared with: Tessera with the small set where the one in question
/// is another, and Tessera as another checkout built it.
struct Others {
    small: Option<Other>,
    before: Option<Other>,
}

impl Others {
    /// What each of them is asked.
    fn asked(&self, requests: impl Fn(&Set) -> Vec<Vec<u8>>) -> Beside<'_> {
        let [small, before] = [&self.small, &self.before]
            .map(|other| Some((&other.as_ref()?.server, requests(&other.as_ref()?.set))));
        Beside { small, before }
    }
}

/// The same, each with what it is asked.
struct Beside<'a> {
    small: Option<(&'a Server, Vec<Vec<u8>>)>,
    before: Option<(&'a Server, Vec<Vec<u8>>)>,
}

/// Who is driven in turn: a bare handler, others, and Tessera.
struct Driven<'a> {
    bare: &'a Server,
    beside: Beside<'a>,
    server: &'a Server,
    requests: Vec<Vec<u8>>,
}

/// What one round measured.
struct Round {
    bare: Measured,
    small: Option<Measured>,
    before: Option<Measured>,
    own: Measured,
}

impl Driven<'_> {
    /// Prints the medians of their ratios.
    fn compare(&self, options: &Options, name: &str, goal: &str) {
        let run = |server: &Server, requests: &[Vec<u8>]| {
            let (port, seconds, connections) = (server.port, options.seconds, options.connections);
            drive(&Load { port, requests, seconds, connections })
        };
        let beside = |other: &Option<(&Server, Vec<Vec<u8>>)>| {
            other.as_ref().map(|(server, requests)| run(server, requests))
        };
        let all: Vec<Round> = (0..options.rounds)
            .map(|_| Round {
                bare: run(self.bare, &self.requests),
                small: beside(&self.beside.small),
                before: beside(&self.beside.before),
                own: run(self.server, &self.requests),
            })
            .collect();
        let ratio =
            |of: fn(&Measured) -> f64| median(all.iter().map(|it| of(&it.own) / of(&it.bare)).collect());
        let own = |of: fn(&Measured) -> f64| median(all.iter().map(|it| of(&it.own)).collect());
        print!(
            "{name:<34} {:>5.2} of bare ({:>6.0}/s)   p50 {:>4.2}x   p99 {:>5.2}x ({:.2} ms)   goal {goal}",
            ratio(|it| it.rate),
            own(|it| it.rate),
            ratio(|it| it.p50),
            ratio(|it| it.p99),
            own(|it| it.p99) * 1000.0,
        );
        let small: Vec<f64> =
            all.iter().filter_map(|it| Some(it.small.as_ref()?.rate / it.own.rate)).collect();
        if !small.is_empty() {
            print!("   {:.2} times the cost with a thousand tokens (goal 1.2)", median(small));
        }
        let before: Vec<f64> =
            all.iter().filter_map(|it| Some(it.own.rate / it.before.as_ref()?.rate)).collect();
        if !before.is_empty() {
            print!("   {:.2} of before (goal 0.97)", median(before));
        }
        println!();
    }
}

fn whoami(token: &str) -> Vec<u8> {
    load::request("GET", "/api/v1/whoami", &[("authorization", &format!("Bearer {token}"))], "")
}

/// What is asked for every call of a service, in its several ways, with one
/// token of a set.
fn questions(set: &Set) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let one = &set.tokens[0];
    let secret = format!("Bearer {}", set.secret);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let forward = load::request(
        "GET",
        "/forward-auth?permission=runs:write&project=p0",
        &[("authorization", &format!("Bearer {one}")), ("tessera-service-authorization", &secret)],
        "",
    );
    let asked = [("authorization", secret.as_str()), form];
    let introspect = load::request("POST", "/oauth2/introspect", &asked, &format!("token={one}"));
    let question = format!(
        r#"{{"subject":{{"type":"token","id":"{one}"}},"action":{{"name":"runs:write"}},"resource":{{"type":"project","id":"p0"}}}}"#
    );
    let asked = [("authorization", secret.as_str()), ("content-type", "application/json")];
    let evaluate = load::request("POST", "/access/v1/evaluation", &asked, &question);
    let wrong = whoami(&format!("{}0", &one[..one.len() - 1]));
    vec![
        ("whoami, one live token", whoami(one), "0.85"),
        ("forward auth, one live token", forward, "0.85"),
        ("introspection", introspect, "0.60"),
        ("access evaluation", evaluate, "0.60"),
        ("a wrong checksum", wrong, "0.90"),
    ]
}

/// The lists of a set that is built anew on PostgreSQL.
fn lists_on_postgres(options: &Options, folder: &std::path::Path) {
    let socket = std::env::var("BENCH_POSTGRES").expect("the folder of the socket in BENCH_POSTGRES");
    let database = format!("postgres://tessera@localhost/postgres?host={socket}");
    let set = build::build(&options.size, folder, Some(&database), false);
    let (server, _) = Server::tessera(&set);
    server.rest();
    pages::lists(options, (&server, &set), &Others { small: None, before: None });
}

fn main() {
    if let Ok(body) = std::env::var("BENCH_BARE") {
        return server::serve_bare(body);
    }
    let options = Options::read();
    println!("{options:?}");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    if options.part == Part::ListsOnPostgres {
        return lists_on_postgres(&options, &folder.join("postgres"));
    }
    let set = build::build(&options.size, &folder, None, options.reuse);
    let small = (options.size != SMALL).then(|| build::build(&SMALL, &folder, None, options.reuse));
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_tessera")).expect("a binary").len();
    println!("binary: {:.1} MB (goal 30)", size as f64 / 1_048_576.0);
    if options.part == Part::Hostile {
        let (server, _) = Server::with_usual_limits(&set);
        server.rest();
        return hostile::hostile(&options, &server, &set);
    }
    let starts: Vec<f64> =
        (0..options.rounds).map(|_| Server::tessera(&set).1.as_secs_f64() * 1000.0).collect();
    println!("start to the first 200: {:.0} ms (goal 150)", median(starts));
    let (server, _) = Server::tessera(&set);
    println!("memory idle: {:.0} MB (goal 30)", server.memory());
    let small = small.map(|set| Other { server: Server::tessera(&set).0, set });
    let before = options.before.as_ref().map(|target| {
        let set = build::built(&options.size, &target.join("tmp")).expect("a set that its benchmark built");
        Other { server: Server::other(&target.join("release/tessera"), &set), set }
    });
    let others = Others { small, before };

    if options.part == Part::Lists {
        // What a start looks after in the background is done by then.
        for other in [&others.small, &others.before].into_iter().flatten() {
            other.server.rest();
        }
        server.rest();
        return pages::lists(&options, (&server, &set), &others);
    }
    for (number, (name, request, goal)) in questions(&set).into_iter().enumerate() {
        let bare = Server::bare(&load::answer(server.port, &request));
        let beside = others.asked(|set| vec![questions(set).swap_remove(number).1]);
        let driven = Driven { bare: &bare, beside, server: &server, requests: vec![request] };
        driven.compare(&options, name, goal);
    }
    let bare = Server::bare(&load::answer(server.port, &whoami(&set.tokens[0])));
    let thousand = |set: &Set| set.tokens.iter().take(1000).map(|token| whoami(token)).collect();
    let beside = others.asked(thousand);
    let driven = Driven { bare: &bare, beside, server: &server, requests: thousand(&set) };
    driven.compare(&options, "whoami, a thousand tokens", "-");
    let all = |set: &Set| set.tokens.iter().map(|token| whoami(token)).collect::<Vec<_>>();
    let every = all(&set);
    let name = format!("whoami, {} tokens uniformly", every.len());
    // The small set has not as many.
    let beside = Beside { small: None, ..others.asked(all) };
    let driven = Driven { bare: &bare, beside, server: &server, requests: every };
    driven.compare(&options, &name, "0.25");
    load::each_once(server.port, &driven.requests, options.connections);
    println!("memory after each token was asked for: {:.0} MB (goal 150)", server.memory());
    drop(driven);

    // Lists are timed when the uses of all these tokens are written.
    server.rest();
    pages::lists(&options, (&server, &set), &others);
    pages::sign_ins(&server, &set);
    nodes::revocation(&server, &set);
    drop(server);
    let (server, _) = Server::with_usual_limits(&set);
    hostile::hostile(&options, &server, &set);
    match std::env::var("BENCH_POSTGRES") {
        Ok(socket) => nodes::several(&options, &folder, &socket),
        Err(_) => println!("several nodes: not measured, BENCH_POSTGRES tells of no server"),
    }
}
