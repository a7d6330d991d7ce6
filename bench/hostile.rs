//! A member who does everything that members can do, as fast as the server
//! answers, and what verification notices of it.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::build::Set;
use crate::load::{Choice, Load, connect, drive_lightly, exchange, request};
use crate::pages::{cookies, sign_in};
use crate::server::Server;
use crate::{Options, median, questions};

/// So many connections the member uses at once.
const CONNECTIONS: usize = 16;
/// Who it is; a member without a team.
const MEMBER: &str = "p7";

const PAGES: [&str; 20] = [
    "/orgs/acme",
    "/orgs/acme/settings/teams",
    "/orgs/acme/settings/teams/t0/members",
    "/orgs/acme/settings/people",
    "/orgs/acme/settings/people?q=name+of",
    "/orgs/acme/settings/people?q=zq",
    "/orgs/acme/settings/people?role=account_admin",
    "/orgs/acme/settings/service-accounts",
    "/orgs/acme/settings/tokens?q=nothing",
    "/orgs/acme/settings/projects",
    "/orgs/acme/settings/projects/p0/access",
    "/orgs/acme/settings/permission-sets",
    "/orgs/acme/settings/access-explorer?who=&what=",
    "/orgs/acme/settings/audit-log",
    "/orgs/acme/settings/service-tokens",
    "/account/profile",
    "/account/sessions",
    "/account/tokens",
    "/account/tokens/new",
    "/orgs/new",
];

const FORMS: [(&str, &str); 5] = [
    ("/theme", "theme=dark&back=/"),
    ("/account/profile", "name=Name+of+p7&username=p7&email=p7%40acme.test"),
    ("/account/password", "current_password=wrong&password=another+good+one"),
    ("/account/tokens", "name=one+more&lifetime=90"),
    ("/orgs/acme/settings/teams", "slug=mine&name=Mine"),
];

/// Without a session, which a sign-in would replace.
const SIGN_INS: [&str; 2] =
    ["email=p7%40acme.test&password=seven+quiet+mosaics", "email=p7%40acme.test&password=wrong"];

const ASKED: [(&str, &str, &str); 14] = [
    ("GET", "/api/v1/whoami", ""),
    ("GET", "/api/v1/organizations", ""),
    ("GET", "/api/openapi.json", ""),
    ("GET", "/api/v1/organizations/acme/teams", ""),
    ("GET", "/api/v1/organizations/acme/people?q=name+of", ""),
    ("GET", "/api/v1/organizations/acme/people?limit=100", ""),
    ("GET", "/api/v1/organizations/acme/projects", ""),
    ("GET", "/api/v1/organizations/acme/service-accounts", ""),
    ("GET", "/api/v1/organizations/acme/audit-events", ""),
    ("POST", "/api/v1/account/tokens", r#"{"name":"one more"}"#),
    ("POST", "/api/v1/organizations/acme/teams", r#"{"slug":"mine","name":"Mine"}"#),
    ("POST", "/api/v1/organizations/acme/projects", r#"{"slug":"mine","name":"Mine","team":"t0"}"#),
    ("POST", "/api/v1/organizations", r#"{"slug":"mine","name":"Mine"}"#),
    ("PATCH", "/api/v1/organizations/acme/projects/p0", r#"{"name":"Mine"}"#),
];

/// A connection that is opened again where the server closed it.
struct Line {
    port: u16,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Line {
    const fn new(port: u16) -> Self {
        Self { port, stream: None, buffer: Vec::new() }
    }

    /// The head of the answer; nothing where there was none.
    fn ask(&mut self, bytes: &[u8]) -> Option<String> {
        let mut stream = self.stream.take().or_else(|| connect(self.port).ok())?;
        let end = exchange(&mut stream, bytes, &mut self.buffer).ok()?;
        self.stream = Some(stream);
        Some(String::from_utf8_lossy(&self.buffer[..end]).into_owned())
    }
}

/// Everything that the member asks, ready to be sent.
fn operations(port: u16) -> Vec<Vec<u8>> {
    let mut line = Line::new(port);
    let head = line.ask(&sign_in(MEMBER)).expect("answered");
    let cookie = cookies(&head);
    let from_here = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let form = [from_here[0], from_here[1], ("content-type", "application/x-www-form-urlencoded")];
    let made = line.ask(&request("POST", "/account/tokens", &form, "name=attack&lifetime=90")).expect("made");
    let at = made
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .expect("room for one more token: build the set anew");
    line.ask(&request("GET", at, &from_here, "")).expect("shown");
    let page = String::from_utf8_lossy(&line.buffer).into_owned();
    let value = page.split("data-value").next().and_then(|before| before.rsplit("value=\"").next());
    let token = value.and_then(|rest| rest.split('"').next()).expect("a value").to_owned();
    assert!(token.starts_with("tsrp_"), "it is not signed in: {token}");
    let bearer = format!("Bearer {token}");
    let asked = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let exchanged = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}&\
         subject_token_type=urn:ietf:params:oauth:token-type:access_token"
    );
    let pages = PAGES.iter().map(|path| request("GET", path, &from_here, ""));
    let forms = FORMS.iter().map(|(path, body)| request("POST", path, &form, body));
    let sign_ins = SIGN_INS.iter().map(|body| request("POST", "/sign-in", &form[1..], body));
    let api = ASKED.iter().map(|(method, path, body)| request(method, path, &asked, body));
    let oauth = request("POST", "/oauth2/token", &form[2..], &exchanged);
    pages.chain(forms).chain(sign_ins).chain(api).chain([oauth]).collect()
}

/// Verification with such a member beside it, in turn with verification alone.
pub fn hostile(options: &Options, server: &Server, set: &Set) {
    let all = operations(server.port);
    let names = ["forward auth", "introspection", "access evaluation"];
    for (name, request, _) in
        questions(set).into_iter().filter(|(name, ..)| names.iter().any(|it| name.starts_with(it)))
    {
        let requests = [request];
        let load = Load {
            port: server.port,
            requests: &requests,
            seconds: options.seconds,
            connections: options.connections,
        };
        let mut alone = Vec::new();
        let mut beside = Vec::new();
        let mut asked = Vec::new();
        let mut refused = 0;
        for _ in 0..options.rounds {
            alone.push(drive_lightly(&load));
            let (over, count, busy) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for number in 0..CONNECTIONS {
                    let (all, over, count, busy) = (&all, &over, &count, &busy);
                    scope.spawn(move || {
                        // The member's own machine is another one: what it computes
                        // takes nothing from this one.
                        let _ = rustix::process::nice(19);
                        let mut line = Line::new(server.port);
                        let mut choice = Choice::of_connection(number);
                        while !over.load(Ordering::Relaxed) {
                            let head = line.ask(&all[choice.next(all.len())]).unwrap_or_default();
                            count.fetch_add(1, Ordering::Relaxed);
                            let is_busy = ["429", "503"].contains(&head.get(9..12).unwrap_or_default());
                            busy.fetch_add(usize::from(is_busy), Ordering::Relaxed);
                        }
                    });
                }
                beside.push(drive_lightly(&load));
                over.store(true, Ordering::Relaxed);
            });
            asked.push(count.into_inner() as f64 / options.seconds);
            refused += busy.into_inner();
        }
        let ratio =
            median(alone.iter().zip(&beside).map(|(alone, beside)| beside.rate / alone.rate).collect());
        println!(
            "{name:<34} {ratio:>5.2} of its throughput (goal 0.9)   p99 {:.1} ms (goal 50), alone {:.1} ms   \
             beside {:.0} requests a second of one member, {refused} of them refused as too many",
            median(beside.iter().map(|it| it.p99 * 1000.0).collect()),
            median(alone.iter().map(|it| it.p99 * 1000.0).collect()),
            median(asked),
        );
    }
}
