//! Faults of the database: while one lasts, writes fail and nothing else; once
//! it is over, the next write succeeds.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "how long it takes is what is asked here; an administrator's statements name a database"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use serde_json::json;
use tessera::config::DatabaseUrl;
use tessera::platform::db::listen;
use tessera::platform::{Db, Tx, sql};

use crate::harness::{AccountScope, ByTest, TestApp};

/// A write that takes some room.
async fn write(house: &TestApp, owner: &str, number: usize) -> StatusCode {
    let slug = format!("team-{number}");
    let body = json!({ "slug": slug, "name": slug, "description": "x".repeat(500) });
    house.post(owner, "/organizations/acme/teams", body).await.status
}

/// Writes until it fails.
async fn write_until_refused(house: &TestApp, owner: &str, at_most: usize) {
    for number in 0..at_most {
        let status = write(house, owner, number).await;
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            return;
        }
        assert_eq!(status, StatusCode::CREATED);
    }
    panic!("{at_most} writes found room");
}

async fn ready(house: &TestApp) -> (StatusCode, String) {
    let answer = house.page("", "/readyz").await;
    (answer.status, answer.text)
}

/// Until `/readyz` says so, for at most five seconds.
async fn until_ready(house: &TestApp) {
    let started = Instant::now();
    loop {
        let (status, text) = ready(house).await;
        if status == StatusCode::OK {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A file system of a few megabytes that is unmounted in the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Nothing where this user may not mount.
    fn mount() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("tessera-small-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(&folder);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }

    /// Leaves no room at all.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = std::fs::File::create(&filler).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn after_a_full_disk_a_leaked_key_can_be_revoked() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not tested: only root can mount a file system");
        return;
    };
    let address = DatabaseUrl::Sqlite(disk.0.join("tessera.db"));
    let (house, owner) = TestApp::on(address, disk.0.join("data"), &[]).await.bootstrap().await;
    house.team(&owner, "payments").await;
    let (_, _, key) = house.account(&owner, "deploy", AccountScope::Team("payments"), "member").await;
    assert_eq!(ready(&house).await.0, StatusCode::OK);
    let filler = disk.fill();
    write_until_refused(&house, &owner, 2000).await;
    // It stays so, and says so, as long as the disk is full.
    for number in 0..3 {
        assert_eq!(write(&house, &owner, 3000 + number).await, StatusCode::INTERNAL_SERVER_ERROR);
        let (status, text) = ready(&house).await;
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "writes fail: the disk of the database is full\n")
        );
    }
    // Reading goes on.
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::OK);
    std::fs::remove_file(filler).expect("removed");
    let revoked = house.api(&key, Method::DELETE, "/token", None).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT, "{}", revoked.text);
    assert_eq!(house.get(&key, "/whoami").await.status, StatusCode::UNAUTHORIZED);
    until_ready(&house).await;
}

#[tokio::test]
async fn a_connection_on_which_a_write_met_a_full_disk_is_not_used_again() {
    let (house, owner) = TestApp::set_up().await;
    let Db::Sqlite { write: pool, .. } = &house.app.context.db else { return };
    // The limit is the connection's own: whoever still sees it has kept the connection.
    sqlx::raw_sql("PRAGMA max_page_count = 1").execute(pool).await.expect("limited");
    write_until_refused(&house, &owner, 2000).await;
    assert_eq!(ready(&house).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(write(&house, &owner, 3000).await, StatusCode::CREATED);
    until_ready(&house).await;
}

/// As SQLite does where a write fails for good; the driver still counts it as begun.
async fn end(tx: &mut Tx) {
    let ended = match tx {
        Tx::Sqlite(tx) => sqlx::raw_sql("ROLLBACK").execute(&mut **tx).await.map(drop),
        Tx::Postgres(tx) => sqlx::raw_sql("ROLLBACK").execute(&mut **tx).await.map(drop),
    };
    ended.expect("ended");
}

#[tokio::test]
async fn a_transaction_that_the_database_ended_by_itself_spoils_no_later_one() {
    let house = TestApp::empty().await;
    for round in 0..3 {
        let mut tx = house.app.context.db.begin().await.expect("begun");
        end(&mut tx).await;
        drop(tx);
        let mut tx = house.app.context.db.begin().await.unwrap_or_else(|error| panic!("{round}: {error}"));
        end(&mut tx).await;
        // SQLite refuses to commit it; PostgreSQL only warns.
        let _ = tx.commit().await;
    }
    let mut tx = house.app.context.db.begin().await.expect("begun");
    sql("UPDATE write_probe SET writes = writes + 1").execute(&mut tx, &ByTest).await.expect("written");
    tx.commit().await.expect("committed");
}

/// What the administrator does to the database of a house on PostgreSQL.
struct Administrator(sqlx::PgConnection, String);

impl Administrator {
    async fn of(house: &TestApp) -> Option<Self> {
        let DatabaseUrl::Postgres(url) = &house.address else { return None };
        let (server, rest) =
            url.rsplit_once('/').map(|(server, rest)| (server.to_owned(), rest.to_owned()))?;
        // The socket's folder has slashes, too.
        let (server, name, query) = match url.split_once("?host=") {
            Some((address, socket)) => {
                let (server, name) = address.rsplit_once('/')?;
                (server.to_owned(), name.to_owned(), format!("?host={socket}"))
            }
            None => (server, rest, String::new()),
        };
        let admin = format!("{server}/postgres{query}").parse().expect("an address");
        let connection =
            <sqlx::PgConnection as sqlx::Connection>::connect_with(&admin).await.expect("connected");
        Some(Self(connection, name))
    }

    async fn run(&mut self, statement: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut self.0).await.expect("done");
    }

    /// Ends all sessions of the database, and waits until each has ended.
    async fn end_sessions(&mut self) {
        let name = self.1.clone();
        let end = "pg_terminate_backend(pid, 5000)";
        self.run(format!("SELECT {end} FROM pg_stat_activity WHERE datname = '{name}'")).await;
    }
}

#[tokio::test]
async fn after_a_read_only_server_the_next_write_goes_to_the_one_that_takes_it() {
    let (house, owner) = TestApp::set_up().await;
    let Some(mut administrator) = Administrator::of(&house).await else { return };
    let hearing = tokio::spawn(listen(house.app.context.db.clone(), house.app.context.clock.clone()));
    let name = administrator.1.clone();
    administrator.run(format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    administrator.end_sessions().await;
    // Several at once: more than one session learns that it is read-only.
    let started = Instant::now();
    loop {
        let statuses =
            futures_util::future::join_all((0..8).map(|number| write(&house, &owner, number))).await;
        assert!(statuses.iter().all(|status| *status == StatusCode::INTERNAL_SERVER_ERROR), "{statuses:?}");
        // A read may have met an ended session before.
        if ready(&house).await
            == (StatusCode::SERVICE_UNAVAILABLE, "writes fail: the database is read-only\n".to_owned())
        {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "it is not told");
    }
    // Sessions that are open stay read-only; whoever is to write needs a new one.
    administrator.run(format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
    // The first write that meets such a session fails, and all of them are closed.
    let mut failed = 0;
    for number in 100..130 {
        failed += usize::from(write(&house, &owner, number).await != StatusCode::CREATED);
    }
    assert!(failed <= 1, "{failed} of 30 writes failed");
    until_ready(&house).await;
    hearing.abort();
}

#[tokio::test]
async fn a_node_that_listens_to_a_read_only_server_does_not_believe_its_memory() {
    let (house, _) = TestApp::set_up().await;
    let Some(mut administrator) = Administrator::of(&house).await else { return };
    let name = administrator.1.clone();
    let hearing = tokio::spawn(listen(house.app.context.db.clone(), house.app.context.clock.clone()));
    let trusts = async || {
        let changes = house.app.context.db.invalidations();
        let stamp = changes.version_of_all(changes.snapshot()).expect("nothing changes");
        changes.is_current(&stamp, house.app.context.clock.now())
    };
    let until = async |expected: bool| {
        let started = Instant::now();
        while trusts().await != expected {
            assert!(started.elapsed() < Duration::from_secs(5), "memory is not {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until(true).await;
    administrator.run(format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    administrator.end_sessions().await;
    until(false).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!trusts().await, "what the new primary tells is not heard here");
    administrator.run(format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
    until(true).await;
    hearing.abort();
}

#[tokio::test]
async fn a_session_that_the_server_ended_costs_no_write() {
    let (house, owner) = TestApp::set_up().await;
    let Some(mut administrator) = Administrator::of(&house).await else { return };
    for number in 0..5 {
        assert_eq!(write(&house, &owner, number).await, StatusCode::CREATED);
        administrator.end_sessions().await;
        // The read of the token may still meet an ended session; the write's begin does not.
        let mut tx = house.app.context.db.begin().await.expect("begun on a new session");
        sql("UPDATE write_probe SET writes = writes + 1").execute(&mut tx, &ByTest).await.expect("written");
        tx.commit().await.expect("committed");
        house.get(&owner, "/whoami").await;
    }
}

/// A PostgreSQL server of the test's own, which it can stop and start.
struct Server {
    script: Child,
    orders: Option<ChildStdin>,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
    socket: String,
}

impl Server {
    fn start() -> Self {
        let script = ". scripts/postgres.sh; echo \"$postgres\"; while read -r order; do \
             \"${postgres_as[@]}\" \"$postgres_bin/pg_ctl\" -D \"$postgres/data\" -w -l \"$postgres/log\" -m fast \
             -o \"-c listen_addresses='' -c unix_socket_directories='$postgres' -c fsync=off\" $order \
             >/dev/null 2>&1; echo done; done";
        let mut script = Command::new("bash")
            .args(["-c", script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let orders = script.stdin.take();
        let mut answers = BufReader::new(script.stdout.take().expect("a pipe")).lines();
        let socket = answers.next().expect("a line").expect("text");
        Self { script, orders, answers, socket }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().expect("it runs"), "{order}").expect("written");
        assert_eq!(self.answers.next().expect("a line").expect("text"), "done");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The script stops the server when nothing more is ordered.
        drop(self.orders.take());
        let _ = self.script.wait();
    }
}

#[tokio::test]
async fn while_the_server_is_restarted_writes_fail_and_afterwards_succeed() {
    if !std::env::var("TESSERA_TEST_POSTGRES").is_ok_and(|socket| !socket.is_empty()) {
        return;
    }
    let mut server = tokio::task::spawn_blocking(Server::start).await.expect("started");
    let folder = std::env::temp_dir().join(format!("tessera-restart-{}", std::process::id()));
    let url = format!("postgres://tessera@localhost/postgres?host={}", server.socket);
    let (house, owner) = TestApp::on(DatabaseUrl::Postgres(url), folder, &[]).await.bootstrap().await;
    futures_util::future::join_all((0..8).map(|number| write(&house, &owner, number))).await;
    server.order("stop");
    assert_eq!(write(&house, &owner, 20).await, StatusCode::INTERNAL_SERVER_ERROR);
    let (status, text) = ready(&house).await;
    assert_eq!((status, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"));
    server.order("start");
    let healed = Instant::now();
    let mut number = 30;
    while write(&house, &owner, number).await != StatusCode::CREATED {
        number += 1;
        assert!(healed.elapsed() < Duration::from_secs(5), "the server is up again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_ready(&house).await;
    house.app.context.db.close().await;
}
