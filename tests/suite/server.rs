//! The server itself, on real sockets: limits of connections and heads, the
//! `Host` header, what it listens on, and requests as proxies send them.

#![allow(clippy::disallowed_methods, reason = "how long it takes is what is asked here")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use tessera::config::DatabaseUrl;
use tessera::config::Listen;
use tessera::platform::server::ConnectionLimits;
use tessera::platform::server::Listener;
use tessera::platform::server::serve;
use tokio::sync::oneshot;

use crate::harness::{TestApp, new_database};
use crate::protocols::{forward, service, world};

/// A house on a port.
struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

async fn serve_house(house: &TestApp) -> Served {
    let listen = Listen::Address(([127, 0, 0, 1], 0).into());
    let listener = Listener::open(&listen).await.expect("a port");
    let address = listener.address().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let limits = ConnectionLimits { total: 1000, per_network: 1000, exempt: Vec::new() };
    let app_service = house.router.clone();
    tokio::spawn(async move {
        serve(listener, app_service, limits, async move { drop(stopped.await) }).await.expect("served");
    });
    Served { address, stop: Some(stop) }
}

/// Sends these bytes and reads until the server closes, or for so long; tells
/// whether it closed.
async fn exchange(address: SocketAddr, bytes: Vec<u8>, at_most: Duration) -> (String, bool) {
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(at_most)).expect("set");
        // It may answer, and close, before everything was sent.
        let _ = stream.write_all(&bytes);
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        let closed = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(length) => all.extend_from_slice(&buffer[..length]),
                Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        };
        (String::from_utf8_lossy(&all).into_owned(), closed)
    })
    .await
    .expect("exchanged")
}

const SOON: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_its_host_exactly_once() {
    let house = TestApp::empty().await;
    let served = serve_house(&house).await;
    for (head, status, closed) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", "400", true),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", true),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "400", true),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200", false),
        ("GET /healthz HTTP/1.0\r\n\r\n", "200", true),
        ("GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400", true),
    ] {
        let (answer, was_closed) = exchange(served.address, head.into(), Duration::from_millis(500)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}"))
                || answer.starts_with(&format!("HTTP/1.0 {status}")),
            "{head:?}: {answer}"
        );
        assert_eq!(was_closed, closed, "{head:?}");
        assert!(answer.to_lowercase().contains("content-security-policy: default-src 'none'"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_more_than_32_kilobytes_is_refused() {
    let house = TestApp::empty().await;
    let served = serve_house(&house).await;
    let ask = |length: usize| {
        let head = format!(
            "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n",
            "x".repeat(length)
        );
        exchange(served.address, head.into_bytes(), SOON)
    };
    assert!(ask(30 * 1024).await.0.starts_with("HTTP/1.1 200"));
    for length in [33 * 1024, 390 * 1024] {
        let (answer, closed) = ask(length).await;
        // Where more was sent than is read, the connection may be reset before the answer is seen.
        assert!(answer.starts_with("HTTP/1.1 431") || (answer.is_empty() && length > 64 * 1024), "{answer}");
        assert!(closed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_whole_head_is_closed_after_ten_seconds() {
    let house = TestApp::empty().await;
    let served = serve_house(&house).await;
    let started = Instant::now();
    let at_most = Duration::from_secs(20);
    let half = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    // One that was answered before is kept longer.
    let kept = exchange(
        served.address,
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        Duration::from_secs(13),
    );
    let after_one = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n{half}");
    let (silent, half, after_one, kept) = tokio::join!(
        exchange(served.address, Vec::new(), at_most),
        exchange(served.address, half.into(), at_most),
        exchange(served.address, after_one.into(), Duration::from_secs(1)),
        kept
    );
    assert!(silent.1 && half.1 && silent.0.is_empty() && half.0.is_empty());
    assert!(started.elapsed() < Duration::from_secs(16));
    assert!(after_one.0.starts_with("HTTP/1.1 200"));
    assert!(kept.0.starts_with("HTTP/1.1 200") && !kept.1, "{kept:?}");
}

/// A request as a proxy sends it that forwards the headers of another one.
fn forwarded(method: &str, path: &str, secret: &str, token: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: tessera\r\nTessera-Service-Authorization: Bearer {secret}\r\n\
         Authorization: Bearer {token}\r\n{more}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn forward_auth_answers_every_method_and_appended_path_without_waiting_for_a_body() {
    let (house, olive, id, key) = world().await;
    let (_, secret) = service(&house, &olive, "gateway", &[]).await;
    let served = serve_house(&house).await;
    let may = "/forward-auth?permission=runs:write&project=ledger";
    // As Envoy sends them: the caller's method, path and query behind the operator's question.
    let envoy = "/forward-auth/permission=runs:write&project=ledger/runs/7?page=2&project=other";
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        for (path, more) in [
            (may, ""),
            ("/forward-auth/runs/7?permission=runs:write&project=ledger", ""),
            (envoy, "Content-Length: 0\r\n"),
            ("/forward-auth/permission=/runs?a=b", ""),
        ] {
            let asked = Instant::now();
            let request = forwarded(method, path, &secret, &key, more);
            let (answer, closed) = exchange(served.address, request.into(), Duration::from_millis(150)).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
            assert!(answer.contains(&format!("tessera-subject: {id}")), "{answer}");
            assert!(!closed && asked.elapsed() < SOON, "{method} {path}: a proxy keeps its connection");
        }
        for more in
            ["Content-Length: 100000000\r\n", "Content-Length: 70\r\n", "Transfer-Encoding: chunked\r\n"]
        {
            // Behind it stands what could be the next request, or its body.
            let smuggled =
                forwarded("GET", "/forward-auth?permission=runs:write&project=ledger", &secret, &key, "");
            let request = format!("{}{smuggled}{smuggled}", forwarded(method, may, &secret, &key, more));
            let (answer, closed) = exchange(served.address, request.into(), SOON).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{method} {more}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{method} {more}: {answer}");
            assert!(
                closed && answer.to_lowercase().contains("connection: close"),
                "{method} {more}: {answer}"
            );
            // The body never comes.
            let asked = Instant::now();
            let request = forwarded(method, may, &secret, &key, more);
            let (answer, closed) = exchange(served.address, request.into(), SOON).await;
            assert!(answer.starts_with("HTTP/1.1 200") && closed, "{method} {more}: {answer}");
            assert!(asked.elapsed() < Duration::from_secs(1), "{method} {more}: it waited for the body");
        }
    }
}

#[tokio::test]
async fn a_caller_cannot_replace_the_question_that_the_operator_asks() {
    let (house, olive, _, key) = world().await;
    let (_, secret) = service(&house, &olive, "gateway", &[]).await;
    let status = async |path: &str| forward(&house, &secret, &key, path, &[]).await.status;
    let may_not = "/permission=projects:write&project=ledger";
    assert_eq!(status(may_not).await, StatusCode::FORBIDDEN);
    for (tail, expected) in [
        // In Envoy's appended path and query.
        ("/permission=runs:read&project=ledger", StatusCode::FORBIDDEN),
        ("/../permission=runs:read&project=ledger", StatusCode::FORBIDDEN),
        ("/x?project=other", StatusCode::FORBIDDEN),
        ("?permission=runs:read", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(status(&format!("{may_not}{tail}")).await, expected, "{tail}");
    }
    // In a path that is appended to an address with the question in its query.
    let query = "?permission=projects:write&project=ledger";
    for path in ["/permission=runs:read&project=ledger", "/permission=", "/permission="] {
        assert_eq!(status(&format!("{path}{query}")).await, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(status(&format!("/runs/7{query}")).await, StatusCode::FORBIDDEN);
    // A slip of the pen is no question for less.
    for path in
        ["/permision=runs:read", "/permission=runs:fly/x", "/project=ledger/x", "/permission=&project=ledger"]
    {
        assert_eq!(status(path).await, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    let elsewhere = house.page("", "/forward-authority").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    assert_eq!(house.api(&key, Method::GET, "/forward-auth", None).await.status, StatusCode::NOT_FOUND);
}

/// The program, started as an operator starts it.
struct Program {
    child: Child,
    folder: PathBuf,
    line: String,
    /// Open until the end: the program writes to it.
    _stdout: BufReader<ChildStdout>,
}

impl Program {
    /// `wrap` is a shell's text that ends by starting `"$@"`.
    async fn start(name: &str, wrap: &str, args: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("tessera-server-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let database = match new_database(&folder).await {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => url,
        };
        let mut child = Command::new("bash")
            .args(["-c", wrap, "tessera", env!("CARGO_BIN_EXE_tessera"), "serve"])
            .args(args)
            .current_dir(&folder)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("TESSERA_DATABASE_URL", database)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("log")).expect("a file"))
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("a pipe");
        let (line, stdout) = tokio::task::spawn_blocking(move || {
            let (mut line, mut stdout) = (String::new(), BufReader::new(stdout));
            stdout.read_line(&mut line).expect("read");
            (line.trim().to_owned(), stdout)
        })
        .await
        .expect("read");
        let program = Self { child, folder, line, _stdout: stdout };
        assert!(program.line.starts_with("Tessera listens on "), "{}{}", program.line, program.log());
        program
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn address(&self) -> SocketAddr {
        let text = self.line.rsplit_once("http://").expect("an address").1;
        std::net::ToSocketAddrs::to_socket_addrs(text).expect("found").next().expect("one")
    }

    fn stop(&mut self) -> bool {
        let stopped = Command::new("kill").arg(self.child.id().to_string()).status().expect("sent");
        stopped.success() && self.child.wait().expect("ended").success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ask_health(mut stream: impl std::io::Read + std::io::Write) -> String {
    let mut answer = String::new();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("sent");
    stream.read_to_string(&mut answer).expect("read");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_silent_connections_do_not_hold_up_the_service() {
    if rlimit::increase_nofile_limit(u64::MAX).is_ok_and(|limit| limit < 5000) {
        eprintln!("not tested: this process may not open enough files itself");
        return;
    }
    // The soft limit alone is raised at the start; with the hard one there is room for fewer.
    for (name, wrap) in [("soft", "ulimit -S -n 1024; exec \"$@\""), ("hard", "ulimit -n 1024; exec \"$@\"")]
    {
        let program = Program::start(name, wrap, &["--listen", "127.0.0.1:0"]).await;
        let address = program.address();
        let (times, held) = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let connect = |number: usize| {
                // Not more at once than the system lets wait.
                if number.is_multiple_of(50) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                TcpStream::connect(address).ok()
            };
            let held: Vec<_> = (0..2000).filter_map(connect).collect();
            let times = (0..20).map(|_| {
                let asked = Instant::now();
                let answer = ask_health(TcpStream::connect(address).expect("connected"));
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                asked.elapsed()
            });
            eprintln!("{} connections after {:?}", held.len(), started.elapsed());
            (times.collect::<Vec<_>>(), held)
        })
        .await
        .expect("asked");
        let slowest = times.iter().max().expect("some");
        eprintln!(
            "{name} limit of 1,024 files, {} silent connections: slowest /healthz {slowest:?}",
            held.len()
        );
        assert_eq!(held.len(), 2000);
        assert!(*slowest < Duration::from_millis(100), "{slowest:?}");
        let log = program.log();
        assert!(log.contains("limits: ") && log.contains("from one network"), "{log}");
        assert!(!log.contains("no connection can be taken"), "{log}");
        drop(held);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_on_a_host_name() {
    let mut program = Program::start("name", "exec \"$@\"", &["--listen", "localhost:0"]).await;
    assert!(program.line.contains("http://localhost:"), "{}", program.line);
    assert!(
        ask_health(TcpStream::connect(program.address()).expect("connected")).starts_with("HTTP/1.1 200")
    );
    assert!(program.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_on_a_unix_socket_for_owner_and_group_and_removes_it() {
    let folder = std::env::temp_dir().join(format!("tessera-socket-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("tessera.sock");
    // One that a process left behind.
    drop(UnixListener::bind(&path).expect("bound"));
    let listen = format!("unix:{}", path.display());
    let mut program = Program::start("unix", "exec \"$@\"", &["--listen", &listen]).await;
    let found = std::fs::metadata(&path).expect("there");
    assert!(found.file_type().is_socket() && found.permissions().mode() & 0o777 == 0o660);
    assert!(ask_health(UnixStream::connect(&path).expect("connected")).starts_with("HTTP/1.1 200"));
    // Another process does not take it away, nor a file that is no socket.
    let taken = Listener::open(&Listen::Unix(path.clone())).await.expect_err("taken");
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    assert!(program.stop() && !path.exists());
    std::fs::write(&path, "mine").expect("written");
    assert!(Listener::open(&Listen::Unix(path.clone())).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "mine");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_the_socket_that_systemd_passes_on() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: python3 is not there");
        return;
    }
    // As systemd does it: the socket is file 3, and two variables say so.
    let wrap = "exec python3 -c '
import os, socket, sys
s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen()
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS=\"1\", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])' \"$@\"";
    let mut program = Program::start("systemd", wrap, &["--listen", "192.0.2.1:1"]).await;
    assert!(
        ask_health(TcpStream::connect(program.address()).expect("connected")).starts_with("HTTP/1.1 200")
    );
    assert!(program.stop());
}
