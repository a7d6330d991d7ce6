//! What must hold after a revocation: on the node that took it, on another
//! one, and on one that no longer hears of it.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::build::{Set, build};
use crate::load::{answer, connect, exchange, request, status};
use crate::server::Server;
use crate::{Options, SMALL, Size, median, p99, whoami};

/// A key of the account whose keys come and go.
struct Key {
    path: String,
    owner: String,
    value: String,
}

impl Key {
    fn make(server: &Server, set: &Set) -> Self {
        let path = format!("/api/v1/organizations/acme/service-accounts/{}/tokens", set.account);
        let owner = format!("Bearer {}", set.owner);
        let asked = [("authorization", owner.as_str()), ("content-type", "application/json")];
        let made = answer(server.port, &request("POST", &path, &asked, r#"{"name":"for a moment"}"#));
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        Self { path: format!("{path}/{}", text("id")), value: text("token"), owner }
    }

    /// When it was acknowledged.
    fn revoke(&self, server: &Server) -> Instant {
        let revoke = request("DELETE", &self.path, &[("authorization", &self.owner)], "");
        let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
        assert_eq!(status(&mut stream, &revoke, &mut buffer), 204);
        Instant::now()
    }
}

/// After a revocation is acknowledged not one request is let in, while others
/// keep asking with the same token.
pub fn revocation(server: &Server, set: &Set) {
    let (asked, late) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut keys = 0;
    while asked.load(Ordering::SeqCst) < 100_000 {
        keys += 1;
        let key = Key::make(server, set);
        let (over, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (mut stream, mut buffer) = (connect(server.port).expect("connected"), Vec::new());
                    let ask = whoami(&key.value);
                    while !ended.load(Ordering::SeqCst) {
                        let after = over.load(Ordering::SeqCst);
                        let allows = status(&mut stream, &ask, &mut buffer) == 200;
                        if after {
                            asked.fetch_add(1, Ordering::SeqCst);
                            late.fetch_add(usize::from(allows), Ordering::SeqCst);
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(20));
            key.revoke(server);
            over.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(40));
            ended.store(true, Ordering::SeqCst);
        });
    }
    println!(
        "revocations: {keys} keys; of {} requests after the acknowledgement {} were let in (goal 0)",
        asked.into_inner(),
        late.into_inner()
    );
}

/// A way to the database that can be cut without either end being told.
struct Direction {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Direction {
    fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cut = Arc::new(AtomicBool::new(false));
        let way = Self { port, cut: cut.clone() };
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = UnixStream::connect(&socket).expect("the database");
                let _ = client.set_nodelay(true);
                let (client_too, server_too) =
                    (client.try_clone().expect("one"), server.try_clone().expect("one"));
                let (cut_too, cut) = (cut.clone(), cut.clone());
                std::thread::spawn(move || {
                    pass(client, &server, &cut);
                    let _ = server.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || {
                    pass(server_too, &client_too, &cut_too);
                    let _ = client_too.shutdown(Shutdown::Both);
                });
            }
        });
        way
    }
}

/// Hands on what comes; while the way is cut, nothing.
fn pass(mut from: impl std::io::Read, mut to: impl std::io::Write, cut: &AtomicBool) {
    let mut part = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut part) {
        while cut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if to.write_all(&part[..read]).is_err() {
            return;
        }
    }
}

/// Asks with a key until `ended`, and tells when the last request was sent that
/// was let in.
fn last_allows(server: &Server, key: &Key, ended: &AtomicBool) -> Option<Instant> {
    let (ask, mut buffer, mut last) = (whoami(&key.value), Vec::new(), None);
    let mut stream = connect(server.port).expect("connected");
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
    while !ended.load(Ordering::SeqCst) {
        let sent = Instant::now();
        match exchange(&mut stream, &ask, &mut buffer) {
            Ok(_) if buffer.starts_with(b"HTTP/1.1 200") => last = Some(sent),
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                stream = connect(server.port).expect("connected");
                stream.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
            }
        }
    }
    last
}

/// How long after the acknowledgement at `one` a revoked key is let in at
/// `other`, in milliseconds; watched for so long.
fn delay(one: &Server, other: &Server, set: &Set, watched: Duration, before: impl FnOnce()) -> f64 {
    let key = Key::make(one, set);
    let ended = AtomicBool::new(false);
    let (acknowledged, last) = std::thread::scope(|scope| {
        let watch = || last_allows(other, &key, &ended);
        let watches: Vec<_> = (0..4).map(|_| scope.spawn(watch)).collect();
        std::thread::sleep(Duration::from_millis(50));
        before();
        let acknowledged = key.revoke(one);
        std::thread::sleep(watched);
        ended.store(true, Ordering::SeqCst);
        let last = watches.into_iter().filter_map(|watch| watch.join().expect("finished")).max();
        (acknowledged, last.expect("it was let in before"))
    });
    last.saturating_duration_since(acknowledged).as_secs_f64() * 1000.0
}

/// Two nodes on one PostgreSQL, whose socket is in this folder.
pub fn several(options: &Options, folder: &Path, socket: &str) {
    let size = Size { people: 100, ..SMALL };
    let direct = format!("postgres://tessera@localhost/postgres?host={socket}");
    let set = build(&size, folder, Some(&direct), false);
    let way = Direction::to(Path::new(socket).join(".s.PGSQL.5432"));
    let (one, _) = Server::tessera(&set);
    let through = format!("postgres://tessera@127.0.0.1:{}/postgres?sslmode=disable", way.port);
    let (other, _) = Server::node(&set, Some(&through));
    // Until they hear each other.
    std::thread::sleep(Duration::from_secs(2));
    let delays: Vec<f64> = (0..options.rounds * 40)
        .map(|_| delay(&one, &other, &set, Duration::from_millis(100), || {}))
        .collect();
    println!(
        "a second node: {} keys; let in after the acknowledgement for p50 {:.1} ms, p99 {:.1} ms (goal 50)",
        delays.len(),
        median(delays.clone()),
        p99(delays)
    );
    let cuts: Vec<f64> = (0..options.rounds)
        .map(|_| {
            let cut = || way.cut.store(true, Ordering::SeqCst);
            let longest = delay(&one, &other, &set, Duration::from_secs(3), cut);
            way.cut.store(false, Ordering::SeqCst);
            std::thread::sleep(Duration::from_secs(3));
            longest
        })
        .collect();
    println!(
        "a node that is cut off: {} keys; let in after the acknowledgement for {:.0} ms at most (goal 1000)",
        cuts.len(),
        cuts.iter().copied().fold(0.0, f64::max)
    );
}
