//! The data set, made by the product's own actions and stores.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tessera::access::{System, SystemReason, TeamRole, Visibility, authorize_write};
use tessera::audit::{Action, Actor, ActorKind, Change, Channel, Event};
use tessera::callers::Caller;
use tessera::config::{Config, Sources};
use tessera::directory::model::NewPerson;
use tessera::directory::store as directory;
use tessera::organizations::bootstrap::bootstrap;
use tessera::organizations::model::FirstRun;
use tessera::platform::Context;
use tessera::platform::clock::DAY;
use tessera::platform::db::migrate;
use tessera::platform::id::PersonId;
use tessera::platform::key::Key;
use tessera::platform::secret::Secret;
use tessera::platform::{Clock, Db, Random, ValidationErrors};
use tessera::principals::load_memberships;
use tessera::projects::model::NewProject;
use tessera::service_accounts::model::NewAccount;
use tessera::service_tokens::model::{GrantInput, NewServiceToken, Where};
use tessera::services::model::NewService;
use tessera::state::AppState;
use tessera::teams::model::NewTeam;
use tessera::tokens::lifecycle;
use tessera::tokens::model::{Lifetime, NewToken, TokenInput};
use tessera::tokens::one_time_secret::SecretDelivery;

use crate::Size;

/// What a set consists of, so that a run does not take one of another release.
const FORM: usize = 2;

/// So many of what a list shows by fifty.
const MORE_THAN_A_PAGE: usize = 60;

pub const PASSWORD: &str = "seven quiet mosaics";

/// A data set, and what is needed to ask about it.
pub struct Set {
    pub folder: PathBuf,
    /// Where it is, if not in a file in the folder.
    pub database: Option<String>,
    pub tokens: Vec<String>,
    /// An account whose keys come and go.
    pub account: String,
    pub owner: String,
    pub secret: String,
}

impl Set {
    /// Kept beside the data, for another run on the same.
    fn keep(&self) {
        let mut lines = vec![self.account.as_str(), &self.owner, &self.secret];
        lines.extend(self.tokens.iter().map(String::as_str));
        std::fs::write(self.folder.join("set"), lines.join("\n")).expect("kept");
    }

    fn kept(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("set")).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        let (account, owner, secret) = (lines.next()?, lines.next()?, lines.next()?);
        let (folder, database) = (folder.to_owned(), None);
        Some(Self { folder, database, tokens: lines.collect(), account, owner, secret })
    }
}

async fn open(folder: &Path, database: Option<&str>) -> AppState {
    let mut flags: std::collections::BTreeMap<_, _> =
        [("data_dir".to_owned(), folder.display().to_string())].into_iter().collect();
    if let Some(url) = database {
        flags.insert("database_url".to_owned(), url.to_owned());
    }
    let config = Config::from_sources(&Sources { flags, ..Sources::default() }).expect("settings");
    let random = Random::system().expect("randomness");
    let key = Key::load(&config.key_file, &random).expect("a key");
    let db = Db::open(&config.database).await.expect("opened");
    migrate(&db).await.expect("migrated");
    AppState::new(Context { db, clock: Clock::System, random, config: Arc::new(config), key })
        .expect("an app")
}

fn operator() -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: String::new(),
        name: "bench".to_owned(),
        token: None,
        through: Channel::CommandLine,
        address: None,
        request_id: String::new(),
        on_behalf_of: None,
        for_team: None,
        idempotency_key: None,
    }
}

async fn caller(app: &AppState, person: PersonId) -> Caller {
    let place =
        load_memberships(&app.context.db, person, Some("acme")).await.expect("read").pop().expect("a member");
    let actor = Actor { id: person.to_string(), kind: ActorKind::Person, ..operator() };
    Caller { actor, subject: place.subject, organization: place.organization }
}

/// Where a set of this size lies.
fn place(size: &Size, folder: &Path) -> PathBuf {
    let Size { tokens, accounts, people, events } = size;
    folder.join(format!("bench{FORM}-{tokens}-{accounts}-{people}-{events}"))
}

/// What an earlier run built there; nothing where none did.
pub fn built(size: &Size, folder: &Path) -> Option<Set> {
    Set::kept(&place(size, folder))
}

/// Builds it anew, or takes what an earlier run built, where that is asked for.
pub fn build(size: &Size, folder: &Path, database: Option<&str>, reuse: bool) -> Set {
    let folder = place(size, folder);
    if reuse && let Some(set) = Set::kept(&folder) {
        // It lies in the system's cache then, as one does that was just built.
        let mut file = std::fs::File::open(folder.join("tessera.db")).expect("a database");
        std::io::copy(&mut file, &mut std::io::sink()).expect("read");
        return set;
    }
    let started = Instant::now();
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let set = runtime.block_on(fill(size, folder, database.map(str::to_owned)));
    println!("built: {size:?} in {:.0} s", started.elapsed().as_secs_f64());
    if database.is_none() {
        set.keep();
    }
    set
}

async fn fill(size: &Size, folder: PathBuf, database: Option<String>) -> Set {
    let app = open(&folder, database.as_deref()).await;
    let person = |username: String| NewPerson {
        email: format!("{username}@acme.test"),
        name: format!("Name of {username}"),
        username,
        password: Secret::new(PASSWORD.to_owned()),
    };
    let first = FirstRun {
        organization: "acme".to_owned(),
        organization_name: "Acme Inc.".to_owned(),
        person: person("olive".to_owned()),
    };
    let founded = bootstrap(&app, &operator(), &first, true).await.expect("founded");
    let owner = founded.token.expect("a token").expose().to_owned();
    let olive = caller(&app, founded.person).await;
    for team in 0..50 {
        let team = NewTeam { slug: format!("t{team}"), name: format!("Team {team}"), ..NewTeam::default() };
        tessera::teams::actions::create(&app.context, &olive, &team).await.expect("a team");
    }
    for project in 0..50 {
        let project = NewProject {
            slug: format!("p{project}"),
            name: format!("Project {project}"),
            team: format!("t{project}"),
            visibility: Some(Visibility::Open.word().to_owned()),
            ..NewProject::default()
        };
        tessera::projects::actions::create(&app.context, &olive, &project).await.expect("a project");
    }
    let service = NewService { name: "bench".to_owned(), accepted_kinds: None };
    let (_, issued) =
        tessera::services::actions::create(&app.context, &olive, &service, &SecretDelivery::Answer)
            .await
            .expect("a service");
    let secret = issued.value.expect("a value").expose().to_owned();
    people(&app, &olive, size, person).await;
    let each = size.tokens.div_ceil(size.accounts);
    let (mut tokens, mut first) = (Vec::with_capacity(size.tokens), String::new());
    for number in 0..size.accounts {
        let (scope, team, default_team) = if (1..=MORE_THAN_A_PAGE).contains(&number) {
            ("team", "t0".to_owned(), String::new())
        } else {
            ("organization", String::new(), format!("t{}", number % 50))
        };
        let account = NewAccount {
            name: format!("account {number}"),
            scope: scope.to_owned(),
            team,
            default_team,
            role: "member".to_owned(),
            authentication: "api_key".to_owned(),
            key: TokenInput { name: "first".to_owned(), ..TokenInput::default() },
            ..NewAccount::default()
        };
        let made = tessera::service_accounts::actions::create(
            &app.context,
            &olive,
            &account,
            &SecretDelivery::Answer,
        );
        let made = made.await.expect("an account");
        tokens.push(made.value.expect("a value").expose().to_owned());
        if number == 0 {
            first = made.account.id.to_string();
        }
        let permit = authorize_write(&olive.subject, made.account).expect("allowed");
        let mut change =
            Change::begin(&app.context, &olive.actor, Some(olive.organization.id)).await.expect("begun");
        // One account has more keys than a page in every set.
        let each = if number == 0 { each.max(MORE_THAN_A_PAGE) } else { each };
        for key in 1..each.min(size.tokens.saturating_sub(tokens.len() - 1)) {
            let token = NewToken { name: format!("key {key}"), ..NewToken::default() };
            let issued =
                lifecycle::issue(&mut change, (&permit).into(), &token, &SecretDelivery::Answer).await;
            tokens.push(issued.expect("issued").value.expect("a value").expose().to_owned());
        }
        let event = Event::new(Action::ServiceAccountEdited, "service_account", permit.id, &permit.name);
        change.commit(event).await.expect("committed");
    }
    lists(&app, &olive).await;
    let mut missing = size.events.saturating_sub(size.tokens);
    while missing > 0 {
        let mut change =
            Change::begin(&app.context, &olive.actor, Some(olive.organization.id)).await.expect("begun");
        for number in 0..missing.min(20_000) {
            let event = Event::new(Action::TokenEdited, "token", format!("tok_{number}"), "key");
            change.also(&event).await.expect("told");
        }
        change.done().await.expect("committed");
        missing = missing.saturating_sub(20_000);
    }
    app.context.db.close().await;
    Set { folder, database, tokens, account: first, owner, secret }
}

/// What every list of a team, of a project and of service tokens has to show.
async fn lists(app: &AppState, olive: &Caller) {
    let soon = app.context.clock.now().plus(10 * DAY);
    for number in 0..MORE_THAN_A_PAGE {
        let person = format!("p{number}");
        tessera::teams::actions::set_member(&app.context, olive, "t0", &person, TeamRole::Member)
            .await
            .expect("a member of the team");
        let account = format!("account:account {}", number + 1);
        tessera::projects::grants::put(&app.context, olive, "p0", &account, "job_viewer")
            .await
            .expect("a grant");
        let project = NewProject {
            slug: format!("more-{number}"),
            name: format!("More {number}"),
            team: "t0".to_owned(),
            ..NewProject::default()
        };
        tessera::projects::actions::create(&app.context, olive, &project).await.expect("a project");
        let token = NewServiceToken {
            name: format!("service token {number}"),
            lifetime: Lifetime::Until(soon),
            grants: vec![GrantInput { permission_set: "job_viewer".to_owned(), projects: Where::All }],
            ..NewServiceToken::default()
        };
        tessera::service_tokens::actions::create(&app.context, olive, &token, &SecretDelivery::Answer)
            .await
            .expect("a service token");
    }
}

/// The benchmark makes up its own members.
const BENCHMARK: System = System::new(SystemReason::Demo);

/// Members; hashing a password for each would take an hour and measure nothing.
async fn people(app: &AppState, olive: &Caller, size: &Size, person: impl Fn(String) -> NewPerson) {
    let hash = app.authenticator.passwords.hash(Secret::new(PASSWORD.to_owned())).await.expect("hashed");
    let mut made = 0;
    while made < size.people {
        let mut change =
            Change::begin(&app.context, &olive.actor, Some(olive.organization.id)).await.expect("begun");
        let now = change.now;
        for number in made..(made + 5_000).min(size.people) {
            let checked = person(format!("p{number}")).check(&mut ValidationErrors::default()).expect("good");
            let id = PersonId::new(now, &app.context.random);
            directory::insert_person(change.tx(), &BENCHMARK, id, &checked, hash.clone(), now)
                .await
                .expect("inserted");
            directory::insert_member(&mut change, &BENCHMARK, olive.organization.id, id, "member")
                .await
                .expect("joined");
        }
        change.commit(Event::new(Action::InvitationAccepted, "person", "", "many")).await.expect("committed");
        made += 5_000;
    }
}
