//! Sign-ins at once, and the lists of a large organization beside those of a
//! small one.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::build::{PASSWORD, Set};
use crate::load::{connect, exchange, request, status};
use crate::server::Server;
use crate::{Options, Others, median, p99, whoami};

/// A hundred sign-ins at once, and what others notice of it.
pub fn sign_ins(server: &Server, set: &Set) {
    let over = AtomicBool::new(false);
    let token = set.tokens.last().expect("a token");
    let mut health = Vec::new();
    let mut verified = Vec::new();
    let mut peak = 0.0_f64;
    std::thread::scope(|scope| {
        let people: Vec<_> = (0..100)
            .map(|number| {
                scope.spawn(move || {
                    let form = sign_in(&format!("p{number}"));
                    let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
                    status(&mut stream, &form, &mut buffer)
                })
            })
            .collect();
        let watch = scope.spawn(|| {
            let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
            let (mut health, mut verified, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
            while !over.load(Ordering::SeqCst) {
                for (request, times) in
                    [(request("GET", "/healthz", &[], ""), &mut health), (whoami(token), &mut verified)]
                {
                    let asked = Instant::now();
                    exchange(&mut stream, &request, &mut buffer).expect("answered");
                    times.push(asked.elapsed().as_secs_f64() * 1000.0);
                }
                peak = peak.max(server.memory());
                std::thread::sleep(Duration::from_millis(2));
            }
            (health, verified, peak)
        });
        let signed_in =
            people.into_iter().map(|person| person.join().expect("finished")).filter(|it| *it == 303).count();
        over.store(true, Ordering::SeqCst);
        (health, verified, peak) = watch.join().expect("finished");
        println!("sign-ins at once: {signed_in} of 100 succeeded");
    });
    println!(
        "  meanwhile p99: /healthz {:.1} ms, whoami {:.1} ms (goal 100); memory at most {peak:.0} MB",
        p99(health),
        p99(verified)
    );
}

/// What a browser sends back of the cookies that an answer sets.
pub fn cookies(head: &str) -> String {
    let set = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let pairs: Vec<&str> = set.filter_map(|line| line.split(';').next()).collect();
    assert!(pairs.iter().any(|pair| pair.starts_with("tessera=")), "no session: {head}");
    pairs.join("; ")
}

/// The form that signs somebody in.
pub fn sign_in(username: &str) -> Vec<u8> {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let password = PASSWORD.replace(' ', "+");
    request("POST", "/sign-in", &headers, &format!("email={username}%40acme.test&password={password}"))
}

/// Every list: as a page, as the API gives it, as a page that has more rows in a
/// large set, or as one that reads rows, as many as it may, for what no index
/// finds and is not there.
const LISTS: [(&str, &str); 65] = [
    ("page", ""),
    ("page", "/settings/teams"),
    ("page", "/settings/teams?token=none"),
    ("page", "/settings/teams?visibility=secret"),
    ("page", "/settings/teams/t0/members"),
    ("page", "/settings/teams/t0/service-accounts"),
    ("page", "/settings/teams/t0/projects"),
    ("page", "/settings/people"),
    ("page", "/settings/people?q=name+of"),
    ("page", "/settings/people?q=p777%40"),
    ("page", "/settings/people?q=nobody"),
    ("page", "/settings/people?role=account_admin"),
    ("page", "/settings/people?sort=-name"),
    ("page", "/settings/people?sort=-joined"),
    ("page", "/settings/people?role=member&sort=-joined"),
    ("page", "/settings/people?q=p777%40&sort=-joined"),
    ("page", "/settings/service-accounts"),
    ("page", "/settings/service-accounts?q=account"),
    ("more", "/settings/service-accounts?q=77"),
    ("page", "/settings/service-accounts?q=nothing"),
    ("page", "/settings/service-accounts?status=active"),
    ("page", "/settings/service-accounts?status=expired"),
    ("page", "/settings/service-accounts?status=expiring"),
    ("page", "/settings/service-accounts?status=unused"),
    ("page", "/settings/service-accounts?sort=-name"),
    ("page", "/settings/service-accounts?sort=-created"),
    ("page", "/settings/service-accounts?sort=-last_used"),
    ("page", "/settings/teams/t0/service-accounts?sort=-last_used"),
    ("page", "/settings/service-accounts/{account}/tokens"),
    ("page", "/settings/service-accounts/{account}/access"),
    ("page", "/settings/service-accounts/{account}/access?show=all&project=p0"),
    ("page", "/settings/service-accounts/{account}/activity"),
    ("page", "/settings/service-tokens"),
    ("page", "/settings/service-tokens?sort=name"),
    ("page", "/settings/service-tokens?sort=-last_used"),
    ("page", "/settings/service-tokens?sort=-expires"),
    ("page", "/search?q=account"),
    ("page", "/search?q=name+of"),
    ("page", "/settings/tokens"),
    ("page", "/settings/tokens?kind=team"),
    ("page", "/settings/tokens?state=expiring"),
    ("page", "/settings/tokens?state=unused"),
    ("page", "/settings/projects"),
    ("page", "/settings/projects/p0/access"),
    ("page", "/settings/permission-sets"),
    ("page", "/settings/services"),
    ("page", "/settings/general"),
    ("page", "/settings/audit-log"),
    ("page", "/settings/audit-log?q=bench"),
    ("page", "/settings/audit-log?action=token.created"),
    ("page", "/settings/audit-log?action=token"),
    ("page", "/settings/audit-log?actor=bench"),
    ("page", "/settings/audit-log?until=2020-01-01"),
    ("api", "/teams"),
    ("api", "/people"),
    ("api", "/people?q=name+of"),
    ("api", "/service-accounts"),
    ("api", "/service-accounts?sort=-last_used"),
    ("api", "/service-accounts/{account}/tokens"),
    ("api", "/projects"),
    ("api", "/audit-events"),
    ("look", "/settings/audit-log?actor=nobody"),
    ("look", "/settings/audit-log?q=nobody"),
    ("look", "/settings/tokens?q=nothing"),
    ("look", "/settings/people?q=zq"),
];

/// What browsers take.
const BROWSERS: &str = "gzip, deflate, br, zstd";

/// A connection on which lists are asked for, by somebody who signed in and by
/// their token.
struct Reader<'a> {
    set: &'a Set,
    stream: TcpStream,
    buffer: Vec<u8>,
    cookie: String,
}

impl<'a> Reader<'a> {
    fn new((server, set): (&Server, &'a Set)) -> Self {
        let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
        assert_eq!(status(&mut stream, &sign_in("olive"), &mut buffer), 303);
        let cookie = cookies(&String::from_utf8_lossy(&buffer));
        Self { set, stream, buffer, cookie }
    }

    /// Milliseconds.
    fn time(&mut self, (kind, path): (&str, &str)) -> f64 {
        let path = path.replace("{account}", &self.set.account);
        let bearer = format!("Bearer {}", self.set.owner);
        let ask = if kind == "api" {
            request("GET", &format!("/api/v1/organizations/acme{path}"), &[("authorization", &bearer)], "")
        } else {
            let headers = [("cookie", self.cookie.as_str()), ("accept-encoding", BROWSERS)];
            request("GET", &format!("/orgs/acme{path}"), &headers, "")
        };
        let asked = Instant::now();
        assert_eq!(status(&mut self.stream, &ask, &mut self.buffer), 200, "{path}");
        asked.elapsed().as_secs_f64() * 1000.0
    }
}

/// The time of each list of fifty rows, in turn with those of others.
pub fn lists(options: &Options, own: (&Server, &Set), others: &Others) {
    let mut own = Reader::new(own);
    let mut small = others.small.as_ref().map(|it| Reader::new((&it.server, &it.set)));
    let mut before = others.before.as_ref().map(|it| Reader::new((&it.server, &it.set)));
    for list in LISTS {
        let (mut times, mut small_times, mut before_times) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds * 9 {
            small_times.extend(small.as_mut().map(|small| small.time(list)));
            before_times.extend(before.as_mut().map(|before| before.time(list)));
            times.push(own.time(list));
        }
        let own = median(times);
        print!("{:<5}{:<58} p50 {own:>5.2} ms", list.0, list.1);
        match list.0 {
            "look" => print!(" (finds nothing, by reading)"),
            "more" => print!(" (goal 2)   (finds one in the small set, fifty here)"),
            _ => {
                print!(" (goal 2)");
                if !small_times.is_empty() {
                    print!("   {:.2} times that of the small set (goal 1.3)", own / median(small_times));
                }
            }
        }
        if !before_times.is_empty() {
            print!("   {:.2} of before (goal 0.97)", median(before_times) / own);
        }
        println!();
    }
}
