//! A fresh installation for each test, and typed actors who use it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tessera::access::{TeamRole, TokenKind};
use tessera::audit::{Actor, ActorKind, Channel};
use tessera::callers::Caller;
use tessera::config::DatabaseUrl;
use tessera::config::{Config, Sources};
use tessera::directory::model::NewPerson;
use tessera::organizations::actions::create;
use tessera::organizations::bootstrap::bootstrap;
use tessera::organizations::model::FirstRun;
use tessera::organizations::model::NewOrganization;
use tessera::people::invitations::{Invitee, accept, invite};
use tessera::people::model::{NewInvitation, TeamPlace};
use tessera::platform::Context;
use tessera::platform::db::WriteProof;
use tessera::platform::db::migrate;
use tessera::platform::id::{IdentityProviderId, PersonId};
use tessera::platform::key::Key;
use tessera::platform::secret::Secret;
use tessera::platform::server::AppService;
use tessera::platform::{Clock, Db, Random, Timestamp};
use tessera::principals::load_memberships;
use tessera::state::AppState;
use tessera::tokens::one_time_secret::SecretDelivery;
use tessera::verification::PlainToken;
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use crate::panics;

pub const PASSWORD: &str = "seven quiet mosaics";
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The proof of a test for what it writes into a database itself.
pub struct ByTest;

impl WriteProof for ByTest {}

/// An installation of its own.
pub struct TestApp {
    pub app: AppState,
    pub router: AppService<AppState>,
    /// Where its data is.
    pub address: DatabaseUrl,
    folder: PathBuf,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        panics::check();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().expect("text"))
    }

    /// The session cookie that it sets.
    pub fn cookie(&self) -> Option<String> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        let pair = all.filter_map(|value| value.to_str().ok()).find(|value| value.starts_with("tessera="))?;
        pair.split(';').next().map(str::to_owned)
    }
}

/// An installation with the organization `acme` and its owner `olive`, set up
/// once in this process. Tests get a copy of its database.
struct Template {
    database: TemplateDatabase,
    token: String,
}

enum TemplateDatabase {
    /// The content of the file.
    Sqlite(Vec<u8>),
    /// The name on the server.
    Postgres(String),
}

static TEMPLATE: OnceCell<Template> = OnceCell::const_new();

async fn template() -> &'static Template {
    TEMPLATE
        .get_or_init(|| async {
            let (app, token) = TestApp::empty().await.bootstrap().await;
            // PostgreSQL copies a database that nobody is connected to.
            app.app.context.db.close().await;
            let database = match &app.address {
                DatabaseUrl::Sqlite(file) => TemplateDatabase::Sqlite(std::fs::read(file).expect("read")),
                DatabaseUrl::Postgres(url) => {
                    TemplateDatabase::Postgres(url.split(['/', '?']).nth(3).expect("a name").to_owned())
                }
            };
            Template { database, token }
        })
        .await
}

/// A database of its own: a file in the folder, or one made on the server. That
/// one has a collation under which text does not sort as bytes: in Czech, `ch`
/// comes after `h`, case and hyphens count last, and in the C library's Czech,
/// which `TESSERA_TEST_LOCALE` names where there is one, digits follow letters.
pub async fn new_database(folder: &std::path::Path) -> DatabaseUrl {
    let Some(socket) = postgres_socket() else { return DatabaseUrl::Sqlite(folder.join("tessera.db")) };
    let locale = match std::env::var("TESSERA_TEST_LOCALE").ok().filter(|locale| !locale.is_empty()) {
        Some(locale) => format!("LC_COLLATE '{locale}' LC_CTYPE '{locale}'"),
        None => "LOCALE_PROVIDER icu ICU_LOCALE 'cs-CZ' LC_COLLATE 'C' LC_CTYPE 'C'".to_owned(),
    };
    create_on_server(&socket, &format!("TEMPLATE template0 ENCODING 'UTF8' {locale}")).await
}

/// A copy of the template's database.
async fn copy_database(of: &TemplateDatabase, folder: &std::path::Path) -> DatabaseUrl {
    match of {
        TemplateDatabase::Sqlite(content) => {
            let file = folder.join("tessera.db");
            std::fs::write(&file, content).expect("written");
            DatabaseUrl::Sqlite(file)
        }
        TemplateDatabase::Postgres(name) => {
            let socket = postgres_socket().expect("a server");
            create_on_server(&socket, &format!("TEMPLATE {name}")).await
        }
    }
}

fn postgres_socket() -> Option<String> {
    std::env::var("TESSERA_TEST_POSTGRES").ok().filter(|socket| !socket.is_empty())
}

async fn create_on_server(socket: &str, how: &str) -> DatabaseUrl {
    let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let admin = format!("postgres://tessera@localhost/postgres?host={socket}");
    let options = sqlx::postgres::PgConnectOptions::from_str(&admin).expect("options");
    let mut connection =
        <sqlx::PgConnection as sqlx::Connection>::connect_with(&options).await.expect("admin");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} {how}"));
    sqlx::raw_sql(create).execute(&mut connection).await.expect("created");
    DatabaseUrl::Postgres(format!("postgres://tessera@localhost/{name}?host={socket}"))
}

pub fn operator() -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: String::new(),
        name: "test".to_owned(),
        token: None,
        through: Channel::CommandLine,
        address: None,
        request_id: String::new(),
        on_behalf_of: None,
        for_team: None,
        idempotency_key: None,
    }
}

fn person(username: &str) -> NewPerson {
    NewPerson {
        username: username.to_owned(),
        email: format!("{username}@acme.test"),
        name: format!("Name of {username}"),
        password: Secret::new(PASSWORD.to_owned()),
    }
}

impl TestApp {
    /// Nobody has set it up.
    pub async fn empty() -> Self {
        Self::with(&[]).await
    }

    /// Nobody has set it up, with these settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = Self::new_folder();
        let address = new_database(&folder).await;
        Self::on(address, folder, settings).await
    }

    fn new_folder() -> PathBuf {
        panics::watch();
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("tessera-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        folder
    }

    /// Nobody has set it up, on this database.
    pub async fn on(address: DatabaseUrl, folder: PathBuf, settings: &[(&str, &str)]) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let db = Db::open(&address).await.expect("opened");
        migrate(&db).await.expect("migrated");
        // The clock stands still, so a rate would never recover.
        let usual = [
            ("api_rate_limit", "0"),
            ("limits.requests_per_person", "1000000"),
            ("limits.requests_per_network", "1000000"),
        ];
        let flags =
            usual.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let flags = flags.collect();
        let sources = Sources { flags, ..Sources::default() };
        let context = Context {
            db,
            clock: Clock::fixed(Timestamp::parse("2027-01-01T00:00:00Z").expect("a time")),
            random: Random::seeded(number),
            config: Arc::new(Config::from_sources(&sources).expect("settings")),
            key: Key::from_bytes([1; 32]),
        };
        let app = AppState::new(context).expect("an app");
        Self { router: tessera::app::app_service(app.clone()), app, address, folder }
    }

    /// With the organization `acme` and its owner `olive`; gives her personal token.
    pub async fn set_up() -> (Self, String) {
        Self::set_up_with(&[]).await
    }

    /// The same with these settings.
    pub async fn set_up_with(settings: &[(&str, &str)]) -> (Self, String) {
        let template = template().await;
        let folder = Self::new_folder();
        let database = copy_database(&template.database, &folder).await;
        (Self::on(database, folder, settings).await, template.token.clone())
    }

    /// Adds the organization `acme` and its owner `olive`; gives her personal token.
    pub async fn bootstrap(self) -> (Self, String) {
        let first = FirstRun {
            organization: "acme".to_owned(),
            organization_name: "Acme Inc.".to_owned(),
            person: person("olive"),
        };
        let created = bootstrap(&self.app, &operator(), &first, true).await.expect("founded");
        let token = created.token.expect("a token").expose().to_owned();
        (self, token)
    }

    pub async fn caller(&self, username: &str) -> Caller {
        let row: (PersonId,) = tessera::platform::sql("SELECT id FROM people WHERE username = $1")
            .bind(username)
            .one(&self.app.context.db)
            .await
            .expect("a person");
        let place = load_memberships(&self.app.context.db, row.0, Some("acme"))
            .await
            .expect("read")
            .pop()
            .expect("a member");
        let actor = Actor { id: row.0.to_string(), kind: ActorKind::Person, ..operator() };
        Caller { actor, subject: place.subject, organization: place.organization }
    }

    /// A person who joins by invitation, and a personal token of theirs.
    pub async fn person(&self, username: &str, role: &str, team: Option<(&str, TeamRole)>) -> String {
        let olive = self.caller("olive").await;
        let invitation = NewInvitation {
            email: String::new(),
            role: role.to_owned(),
            teams: team
                .map(|(team, role)| TeamPlace { slug: team.to_owned(), role: role.to_string() })
                .into_iter()
                .collect(),
            ..NewInvitation::default()
        };
        let code = invite(&self.app.context, &olive, &invitation, &SecretDelivery::Answer)
            .await
            .expect("invited")
            .code
            .expect("a code");
        let (id, _) = accept(&self.app, &operator(), code.expose(), Invitee::New(person(username)))
            .await
            .expect("joined");
        self.personal_token(id).await
    }

    pub async fn personal_token(&self, id: PersonId) -> String {
        let mut tx = self.app.context.db.begin().await.expect("begun");
        let value = PlainToken::generate(TokenKind::Personal, &self.app.context.random);
        let token =
            tessera::platform::id::TokenId::new(self.app.context.clock.now(), &self.app.context.random);
        tessera::platform::sql(
            "INSERT INTO tokens (id, kind, person_id, name, description, allowed_addresses, created_by, created_by_name, \
                created_at, regenerated_at, version) VALUES ($1, 'personal', $2, 'test', '', '', '', '', 0, 0, 0)",
        )
        .bind(token)
        .bind(id)
        .execute(&mut tx, &ByTest)
        .await
        .expect("inserted");
        tessera::platform::sql("INSERT INTO token_values (hash, token_id, hint) VALUES ($1, $2, '')")
            .bind(value.hash())
            .bind(token)
            .execute(&mut tx, &ByTest)
            .await
            .expect("inserted");
        tx.commit().await.expect("committed");
        value.expose().to_owned()
    }

    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    /// A form of the OAuth endpoints, with these headers.
    pub async fn oauth(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    /// A second node on the same database: its own memory, the same key and clock.
    pub fn second_node(&self) -> Self {
        self.beside(Context::clone(&self.app.context))
    }

    /// Another process on the same database: its own connections as well.
    pub async fn another_process(&self) -> Self {
        let db = Db::open(&self.address).await.expect("opened");
        self.beside(Context { db, ..Context::clone(&self.app.context) })
    }

    fn beside(&self, context: Context) -> Self {
        let app = AppState::new(context).expect("an app");
        Self {
            router: tessera::app::app_service(app.clone()),
            app,
            address: self.address.clone(),
            folder: self.folder.join("second-node"),
        }
    }

    /// A call of the API with headers of its own.
    pub async fn call(
        &self,
        (token, method, path): (&str, Method, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).expect("a request")).await
    }

    /// Another organization on the same installation, and a personal token of its owner.
    pub async fn other_organization(&self) -> String {
        let mut tx = self.app.context.db.begin().await.expect("begun");
        let now = self.app.context.clock.now();
        let id = PersonId::new(now, &self.app.context.random);
        tessera::platform::sql(
            "INSERT INTO people (id, username, email, email_folded, name, password_hash, created_at) \
             VALUES ($1, 'otto', 'otto@other.test', 'otto@other.test', 'Otto', '', $2)",
        )
        .bind(id)
        .bind(now)
        .execute(&mut tx, &ByTest)
        .await
        .expect("inserted");
        tx.commit().await.expect("committed");
        let input = NewOrganization { slug: "elsewhere".to_owned(), name: "Elsewhere".to_owned() };
        create(&self.app, &operator(), id, &input).await.expect("made");
        self.personal_token(id).await
    }

    /// An identity provider of `acme` that nobody tried out.
    pub async fn identity_provider(&self) -> String {
        let mut tx = self.app.context.db.begin().await.expect("begun");
        let id = IdentityProviderId::new(self.app.context.clock.now(), &self.app.context.random);
        tessera::platform::sql(
            "INSERT INTO identity_providers (id, organization_id, name, name_folded, issuer, audience, created_by_name, \
                created_at, version) SELECT $1, id, 'CI', 'ci', 'https://ci.example.com', 'tessera', '', 0, 0 \
             FROM organizations WHERE slug = 'acme'",
        )
        .bind(id)
        .execute(&mut tx, &ByTest)
        .await
        .expect("inserted");
        tx.commit().await.expect("committed");
        id.to_string()
    }

    /// A call of the API.
    pub async fn api(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).expect("a request")).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.api(token, Method::GET, path, None).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.api(token, Method::POST, path, Some(body)).await
    }

    /// A page, with a session cookie or without.
    pub async fn page(&self, cookie: &str, path: &str) -> Answer {
        let request =
            Request::builder().uri(path).header(header::HOST, "localhost").header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// A form, sent from our own pages.
    pub async fn form(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::COOKIE, cookie)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    /// Signs in and gives the cookie.
    pub async fn sign_in(&self, username: &str) -> String {
        let email = format!("{username}@acme.test");
        let answer = self.form("", "/sign-in", &[("email", &email), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.cookie().expect("a session")
    }

    /// The team of this slug.
    pub async fn team(&self, token: &str, slug: &str) {
        let answer =
            self.post(token, "/organizations/acme/teams", json!({ "slug": slug, "name": slug })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }

    /// A service account; gives its id, its key's id and its key's value.
    pub async fn account(
        &self,
        token: &str,
        name: &str,
        home: AccountScope<'_>,
        role: &str,
    ) -> (String, String, String) {
        let mut body = json!({ "name": name, "role": role });
        match home {
            AccountScope::Organization(team) => {
                body["scope"] = json!("organization");
                body["default_team"] = json!(team);
            }
            AccountScope::Team(team) => {
                body["scope"] = json!("team");
                body["team"] = json!(team);
            }
        }
        let answer = self.post(token, "/organizations/acme/service-accounts", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        let made = answer.json();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&made["id"]), text(&made["key"]["id"]), text(&made["key"]["token"]))
    }
}

#[derive(Clone, Copy)]
pub enum AccountScope<'a> {
    Organization(&'a str),
    Team(&'a str),
}

/// All of them at once, as one task.
pub async fn at_once<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = all.into_iter().map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, done) in &mut pinned {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(it) => *done = Some(it),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pinned.into_iter().filter_map(|(_, done)| done).collect()
}
