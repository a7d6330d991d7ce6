//! What must hold under load: revocations, sign-ins, and pages of a large
//! organization.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::build::{PASSWORD, Set};
use crate::load::{connect, exchange, request, status};
use crate::{Options, Server, median};

fn whoami(token: &str) -> Vec<u8> {
    request("GET", "/api/v1/whoami", &[("authorization", &format!("Bearer {token}"))], "")
}

/// After a revocation is acknowledged not one request is let in, while others
/// keep asking with the same token.
pub fn revocation(server: &Server, set: &Set) {
    let (asked, late) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for (uid, key, value) in &set.doomed {
        let (over, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
                    let ask = whoami(value);
                    while !ended.load(Ordering::SeqCst) {
                        let after = over.load(Ordering::SeqCst);
                        let let_in = status(&mut stream, &ask, &mut buffer) == 200;
                        if after {
                            asked.fetch_add(1, Ordering::SeqCst);
                            late.fetch_add(usize::from(let_in), Ordering::SeqCst);
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(20));
            let path = format!("/api/v1/organizations/acme/service-accounts/{uid}/tokens/{key}");
            let revoke = request("DELETE", &path, &[("authorization", &format!("Bearer {}", set.owner))], "");
            let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
            assert_eq!(status(&mut stream, &revoke, &mut buffer), 204);
            over.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(30));
            ended.store(true, Ordering::SeqCst);
        });
    }
    println!(
        "revocations: {} keys; of {} requests after the acknowledgement {} were let in (goal 0)",
        set.doomed.len(),
        asked.into_inner(),
        late.into_inner()
    );
}

/// A hundred sign-ins at once, and what others notice of it.
pub fn sign_ins(server: &Server, set: &Set) {
    let over = AtomicBool::new(false);
    let ask =
        |path: &str, token: &str| request("GET", path, &[("authorization", &format!("Bearer {token}"))], "");
    let token = set.tokens.last().expect("a token");
    let mut health = Vec::new();
    let mut verified = Vec::new();
    let mut peak = 0.0_f64;
    std::thread::scope(|scope| {
        let people: Vec<_> = (0..100)
            .map(|number| {
                scope.spawn(move || {
                    let body = format!("email=p{number}%40acme.test&password={}", PASSWORD.replace(' ', "+"));
                    let form = request(
                        "POST",
                        "/sign-in",
                        &[
                            ("content-type", "application/x-www-form-urlencoded"),
                            ("sec-fetch-site", "same-origin"),
                        ],
                        &body,
                    );
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
                    [(ask("/healthz", ""), &mut health), (ask("/api/v1/whoami", token), &mut verified)]
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
        println!("sign-ins at once: {signed_in} of 100 succeeded (after twenty failures an address waits)");
    });
    let p99 = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[(times.len() - 1) * 99 / 100]
    };
    println!(
        "  meanwhile p99: /healthz {:.1} ms, whoami {:.1} ms (goal 100); memory at most {peak:.0} MB",
        p99(health),
        p99(verified)
    );
}

/// The time of each list, as the API gives fifty rows.
pub fn lists(options: &Options, server: &Server, set: &Set) {
    let bearer = format!("Bearer {}", set.owner);
    for path in [
        "teams",
        "people",
        "people?q=p77",
        "service-accounts",
        "service-accounts?q=account+77",
        "service-accounts?status=active",
        "service-tokens",
        "projects",
        "services",
        "audit-events",
        "audit-events?action=token.created",
        "audit-events?actor=olive",
    ] {
        let ask =
            request("GET", &format!("/api/v1/organizations/acme/{path}"), &[("authorization", &bearer)], "");
        let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
        let times: Vec<f64> = (0..options.rounds * 9)
            .map(|_| {
                let asked = Instant::now();
                assert_eq!(status(&mut stream, &ask, &mut buffer), 200, "{path}");
                asked.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        println!("list {path:<40} p50 {:.2} ms", median(times));
    }
}
