//! The data set, made by the product's own actions and stores.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tessera::access::{TokenKind, Visibility, require};
use tessera::audit::{Action, Actor, ActorKind, Change, Event, Through};
use tessera::config::{Config, Sources};
use tessera::identity::caller::memberships;
use tessera::identity::reveal::Delivery;
use tessera::identity::{App, Caller};
use tessera::organizations::actions::found;
use tessera::organizations::model::{FirstRun, NewPerson};
use tessera::organizations::store as organizations;
use tessera::platform::db::migrate;
use tessera::platform::id::PersonId;
use tessera::platform::key::Key;
use tessera::platform::secret::Secret;
use tessera::platform::{Clock, Context, Db, Mistakes, Random};
use tessera::projects::model::NewProject;
use tessera::service_accounts::model::NewAccount;
use tessera::services::model::NewService;
use tessera::teams::model::NewTeam;
use tessera::tokens::lifecycle;
use tessera::tokens::model::{NewToken, TokenInput};

use crate::Options;

pub const PASSWORD: &str = "seven quiet mosaics";

/// A data set, and what is needed to ask about it.
pub struct Set {
    pub folder: PathBuf,
    pub tokens: Vec<String>,
    /// Keys with their ids and accounts, to be revoked.
    pub doomed: Vec<(String, String, String)>,
    pub owner: String,
    pub secret: String,
}

async fn open(folder: &Path) -> App {
    let flags = [("data_dir".to_owned(), folder.display().to_string())].into_iter().collect();
    let config = Config::from_sources(&Sources { flags, ..Sources::default() }).expect("settings");
    let random = Random::system().expect("randomness");
    let key = Key::load(&config.key_file, &random).expect("a key");
    let db = Db::open(&config.database).await.expect("opened");
    migrate(&db).await.expect("migrated");
    App::new(Context { db, clock: Clock::System, random, config: Arc::new(config), key }).expect("an app")
}

fn operator() -> Actor {
    Actor {
        kind: ActorKind::Operator,
        id: String::new(),
        name: "bench".to_owned(),
        token: None,
        through: Through::CommandLine,
        address: None,
        request_id: String::new(),
        on_behalf_of: None,
        for_team: None,
        once: None,
    }
}

async fn caller(app: &App, person: PersonId) -> Caller {
    let place = memberships(app, person, Some("acme")).await.expect("read").pop().expect("a member");
    let actor = Actor { id: person.to_string(), kind: ActorKind::Person, ..operator() };
    Caller { actor, subject: place.subject, organization: place.organization }
}

/// Builds it anew.
pub fn build(options: &Options, folder: &Path) -> Set {
    let folder = folder.join("bench-data");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fill(options, folder))
}

async fn fill(options: &Options, folder: PathBuf) -> Set {
    let app = open(&folder).await;
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
    let founded = found(&app, &operator(), &first, true).await.expect("founded");
    let owner = founded.token.expect("a token").reveal().to_owned();
    let olive = caller(&app, founded.person).await;
    for team in 0..50 {
        let team = NewTeam { slug: format!("t{team}"), name: format!("Team {team}"), ..NewTeam::default() };
        tessera::teams::actions::create(&app, &olive, &team).await.expect("a team");
    }
    for project in 0..50 {
        let project = NewProject {
            slug: format!("p{project}"),
            name: format!("Project {project}"),
            team: format!("t{project}"),
            visibility: Some(Visibility::Open.word().to_owned()),
            ..NewProject::default()
        };
        tessera::projects::actions::create(&app, &olive, &project).await.expect("a project");
    }
    let service = NewService { name: "bench".to_owned(), accepted_kinds: None };
    let (_, issued) = tessera::services::actions::create(&app, &olive, &service, &Delivery::Answer)
        .await
        .expect("a service");
    let secret = issued.value.expect("a value").reveal().to_owned();
    people(&app, &olive, options, person).await;
    let each = options.tokens.div_ceil(options.accounts);
    let (mut tokens, mut doomed) = (Vec::with_capacity(options.tokens), Vec::new());
    for number in 0..options.accounts {
        let account = NewAccount {
            name: format!("account {number}"),
            scope: "organization".to_owned(),
            default_team: format!("t{}", number % 50),
            role: "member".to_owned(),
            authentication: "api_key".to_owned(),
            key: TokenInput { name: "first".to_owned(), ..TokenInput::default() },
            ..NewAccount::default()
        };
        let made =
            tessera::service_accounts::actions::create(&app, &olive, &account, None, &Delivery::Answer);
        let made = made.await.expect("an account");
        let (uid, key) = (made.account.id.to_string(), made.key.expect("a key").to_string());
        let value = made.value.expect("a value").reveal().to_owned();
        if doomed.len() < 200 {
            doomed.push((uid, key, value.clone()));
        }
        tokens.push(value);
        let permit = require(&olive.subject, made.account).expect("allowed");
        let mut change = Change::begin(&app, &olive.actor, Some(olive.organization.id)).await.expect("begun");
        for key in 1..each.min(options.tokens.saturating_sub(tokens.len() - 1)) {
            let token = NewToken { name: format!("key {key}"), ..NewToken::default() };
            let issued = lifecycle::issue(&mut change, (&permit).into(), &token, &Delivery::Answer).await;
            tokens.push(issued.expect("issued").value.expect("a value").reveal().to_owned());
        }
        let event = Event::new(Action::ServiceAccountEdited, "service_account", permit.id, &permit.name);
        change.commit(event).await.expect("committed");
    }
    let mut missing = options.events.saturating_sub(options.tokens);
    while missing > 0 {
        let mut change = Change::begin(&app, &olive.actor, Some(olive.organization.id)).await.expect("begun");
        for number in 0..missing.min(20_000) {
            let event = Event::new(Action::TokenEdited, "token", format!("tok_{number}"), "key");
            change.also(&event).await.expect("told");
        }
        change.done().await.expect("committed");
        missing = missing.saturating_sub(20_000);
    }
    app.db.close().await;
    let kind = TokenKind::ServiceAccount;
    println!("built: {} keys ({kind}) of {} accounts", tokens.len(), options.accounts);
    Set { folder, tokens, doomed, owner, secret }
}

/// Members; hashing a password for each would take an hour and measure nothing.
async fn people(app: &App, olive: &Caller, options: &Options, person: impl Fn(String) -> NewPerson) {
    let hash = app.passwords.hash(Secret::new(PASSWORD.to_owned())).await.expect("hashed");
    let mut made = 0;
    while made < options.people {
        let mut change = Change::begin(app, &olive.actor, Some(olive.organization.id)).await.expect("begun");
        let now = change.now;
        for number in made..(made + 5_000).min(options.people) {
            let checked = person(format!("p{number}")).check(&mut Mistakes::default()).expect("good");
            let id = PersonId::new(now, &app.random);
            organizations::insert_person(change.tx(), id, &checked, hash.clone(), now)
                .await
                .expect("inserted");
            organizations::insert_member(change.tx(), olive.organization.id, id, "member", now)
                .await
                .expect("joined");
        }
        change.commit(Event::new(Action::InvitationAccepted, "person", "", "many")).await.expect("committed");
        made += 5_000;
    }
}
