//! A load over kept connections: requests as bytes, answers read as far as
//! their length.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What to send, where, for how long.
pub struct Load<'a> {
    pub port: u16,
    pub requests: &'a [Vec<u8>],
    pub seconds: f64,
    pub connections: usize,
}

/// What came of it; times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
}

/// A request as bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("content-length: {}\r\n", body.len());
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// Where the header ends, and how long the whole answer is. What servers built
/// on hyper write: names in small letters.
fn extent(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = memmem::find(buffer, b"\r\n\r\n")? + 4;
    let head = &buffer[..end];
    if memmem::find(head, b"transfer-encoding: chunked").is_some() {
        return Some((end, chunked(buffer, end)?));
    }
    let length = memmem::find(head, b"content-length: ").map_or(0, |at| {
        let digits = head[at + 16..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
    });
    Some((end, end + length))
}

/// Where the last chunk ends of an answer that tells no length (RFC 9112, 7.1);
/// nothing while it is not there.
fn chunked(buffer: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = memmem::find(buffer.get(at..)?, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&buffer[at..at + line]).ok()?, 16).ok()?;
        at += line + 2 + size + 2;
        if size == 0 {
            return Some(at);
        }
    }
}

/// Sends and reads one answer on a connection.
pub fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    stream.write_all(request)?;
    buffer.clear();
    let mut part = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&part[..read]);
        if let Some((end, length)) = extent(buffer)
            && buffer.len() >= length
        {
            return Ok(end);
        }
    }
}

pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// The body of one answer.
pub fn answer(port: u16, request: &[u8]) -> String {
    let (mut stream, mut buffer) = (connect(port).expect("connected"), Vec::new());
    let end = exchange(&mut stream, request, &mut buffer).expect("answered");
    String::from_utf8_lossy(&buffer[end..]).into_owned()
}

/// The status of one answer.
pub fn status(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> u16 {
    exchange(stream, request, buffer).expect("answered");
    std::str::from_utf8(&buffer[9..12]).expect("a status").parse().expect("a number")
}

/// Whether it answers 200.
pub fn once(port: u16, path: &str) -> Option<()> {
    let mut stream = connect(port).ok()?;
    let mut buffer = Vec::new();
    exchange(&mut stream, &request("GET", path, &[], ""), &mut buffer).ok()?;
    buffer.starts_with(b"HTTP/1.1 200").then_some(())
}

/// Asks each of these once, over several connections.
pub fn each_once(port: u16, requests: &[Vec<u8>], connections: usize) {
    std::thread::scope(|scope| {
        for part in requests.chunks(requests.len().div_ceil(connections)) {
            scope.spawn(move || {
                let (mut stream, mut buffer) = (connect(port).expect("connected"), Vec::new());
                for request in part {
                    exchange(&mut stream, request, &mut buffer).expect("answered");
                }
            });
        }
    });
}

/// A generator that is good enough to choose requests uniformly.
pub struct Choice(u64);

impl Choice {
    /// Each connection has its own order.
    pub fn of_connection(number: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1))
    }

    pub fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Drives a server from one thread, which takes less from it than a thread for
/// each connection does: as if the client were on another machine.
pub fn drive_lightly(load: &Load<'_>) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(load.seconds);
    let one = async |number: usize| {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", load.port)).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        let mut choice = Choice::of_connection(number);
        let (mut times, mut buffer) = (Vec::with_capacity(100_000), Vec::with_capacity(16 * 1024));
        while Instant::now() < end {
            let asked = Instant::now();
            stream.write_all(&load.requests[choice.next(load.requests.len())]).await.expect("asked");
            buffer.clear();
            while extent(&buffer).is_none_or(|(_, length)| buffer.len() < length) {
                assert_ne!(stream.read_buf(&mut buffer).await.expect("answered"), 0, "the server closed it");
            }
            times.push(asked.elapsed().as_secs_f64());
        }
        times
    };
    let all = runtime.block_on(futures_util::future::join_all((0..load.connections).map(one)));
    measured(all.concat(), started.elapsed())
}

/// Drives a server: a thread for each connection, each waiting for its answer.
pub fn drive(load: &Load<'_>) -> Measured {
    let end = Instant::now() + Duration::from_secs_f64(load.seconds);
    let started = Instant::now();
    let all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..load.connections)
            .map(|number| {
                scope.spawn(move || {
                    let (mut stream, mut buffer) = (connect(load.port).expect("connected"), Vec::new());
                    let mut choice = Choice::of_connection(number);
                    let mut times = Vec::with_capacity(100_000);
                    while Instant::now() < end {
                        let asked = Instant::now();
                        let request = &load.requests[choice.next(load.requests.len())];
                        exchange(&mut stream, request, &mut buffer).expect("answered");
                        times.push(asked.elapsed().as_secs_f64());
                    }
                    times
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("finished")).collect()
    });
    measured(all, started.elapsed())
}

fn measured(mut all: Vec<f64>, took: Duration) -> Measured {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    Measured { rate: all.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}
