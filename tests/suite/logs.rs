//! What the program writes into its log, at the level that says the most.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Client {
    authority: String,
    cookies: String,
}

impl Client {
    /// Head and body of the answer.
    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> String {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            self.authority,
            self.cookies,
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(&self.authority).expect("connected");
        write!(stream, "{request}\r\n{body}").expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        for line in answer.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let pair = line.split(';').next().expect("a pair");
            let separator = if self.cookies.is_empty() { "" } else { "; " };
            self.cookies += &format!("{separator}{pair}");
        }
        answer
    }
}

/// What stands between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split(end).next().expect("a part")
}

#[tokio::test]
async fn no_level_of_the_log_shows_a_secret() {
    let folder = std::env::temp_dir().join(format!("tessera-logs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let log = std::fs::File::create(folder.join("log")).expect("a file");
    let database = match crate::harness::new_database(&folder).await {
        tessera::config::DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        tessera::config::DatabaseUrl::Postgres(url) => url,
    };
    let mut server = Server(
        Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "trace,tower_http=trace,hyper=trace,sqlx=trace",
            ])
            .args(["--data-dir", "data", "--database-url", &database])
            .current_dir(&folder)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it runs"),
    );
    let mut lines = BufReader::new(server.0.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let authority = line().rsplit_once("http://").expect("an address").1.to_owned();
    let code = line().rsplit_once("code=").expect("a code").1.to_owned();
    let mut client = Client { authority, cookies: String::new() };
    let password = "seven quiet mosaics";
    let mut fields = vec![("organization", "acme"), ("organization_name", "Acme"), ("username", "olive")];
    fields.extend([("name", "Olive"), ("email", "o@acme.test"), ("password", password), ("code", &code)]);
    client.send("GET", &format!("/setup?code={code}"), &[], &[]);
    let done = client.send("POST", "/setup", &[], &fields);
    assert!(done.starts_with("HTTP/1.1 303"), "{done}");
    client.send("POST", "/sign-in", &[], &[("email", "o@acme.test"), ("password", password)]);
    let made = client.send("POST", "/account/tokens", &[], &[("name", "t"), ("lifetime", "30")]);
    let path = between(&made, "location: ", "\r\n").to_owned();
    let page = client.send("GET", &path, &[], &[]);
    let token = format!("tsrp_{}", between(&page, "value=\"tsrp_", "\""));
    let bearer = format!("Bearer {token}");
    let who = client.send("GET", "/api/v1/whoami", &[("Authorization", &bearer)], &[]);
    assert!(who.starts_with("HTTP/1.1 200"), "{who}");
    client.send("POST", "/oauth2/revoke", &[], &[("token", &token)]);
    let invited =
        client.send("POST", "/orgs/acme/settings/people", &[], &[("role", "member"), ("lifetime", "7")]);
    let path = between(&invited, "location: ", "\r\n").to_owned();
    let shown = client.send("GET", &path, &[], &[]);
    let invitation =
        between(&shown, "/invitations/", "\"").split(['\r', '&', '<']).next().expect("a code").to_owned();
    assert!(invitation.len() > 20, "{invitation}");
    client.send("GET", &format!("/invitations/{invitation}"), &[], &[]);
    client.send("POST", &format!("/invitations/{invitation}"), &[], &[("password", "another secret thing")]);
    let written = std::fs::read_to_string(folder.join("log")).expect("read");
    assert!(written.contains("DEBUG") && written.contains("/invitations/{code}"), "{written}");
    let mut secrets = vec![code.as_str(), password, &token, &invitation, "another secret thing"];
    secrets.extend(client.cookies.split("; ").map(|pair| pair.split_once('=').expect("a value").1));
    for secret in secrets.into_iter().filter(|secret| secret.len() > 1) {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    drop(server);
    std::fs::remove_dir_all(folder).expect("removed");
}
