//! `tessera serve --demo`: an installation in a temporary folder with an example
//! organization. The data is created with the product's own actions, on a clock
//! that moves through the last ninety days. The folder is deleted at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::demo_usage;
use super::setup::operator;
use crate::access::{Policy, Resource, TokenKind};
use crate::audit::{Actor, ActorKind, Change, Channel};
use crate::callers::Caller;
use crate::directory::model::NewPerson;
use crate::organizations::actions;
use crate::organizations::bootstrap::bootstrap;
use crate::organizations::model::{FirstRun, SettingsEdit};
use crate::organizations::token as organization_token;
use crate::people::invitations::{Invitee, accept, invite};
use crate::people::model::{NewInvitation, TeamPlace};
use crate::permission_sets::actions as sets;
use crate::permission_sets::model::NewSet;
use crate::platform::clock::DAY;
use crate::platform::id::PersonId;
use crate::platform::secret::Secret;
use crate::platform::web::RequestContext;
use crate::platform::web::pagination::PageRequest;
use crate::platform::{Clock, Context, Error, Random, Timestamp};
use crate::principals::load_memberships;
use crate::projects::actions as projects;
use crate::projects::grants;
use crate::projects::model::NewProject;
use crate::service_accounts::actions as accounts;
use crate::service_accounts::keys;
use crate::service_accounts::model::NewAccount;
use crate::service_tokens::actions as service_tokens;
use crate::service_tokens::model::{GrantInput, NewServiceToken, Where};
use crate::services::actions as services;
use crate::services::model::NewService;
use crate::state::AppState;
use crate::teams::actions as teams;
use crate::teams::model::NewTeam;
use crate::teams::token as team_token;
use crate::tokens::access_token::{MAX_LIFETIME, issue};
use crate::tokens::access_token_grant::AccessTokenGrant;
use crate::tokens::model::{Lifetime, Renewal, TokenInput};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::verification::principal::Principal;
use crate::verification::{PlainToken, verify};

const EMAIL: &str = "olive@acme.test";
const PASSWORD: &str = "demo mosaic lantern";

/// A temporary folder that is deleted on drop.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Creates the folder and changes the settings to use it.
pub(super) fn folder(flags: &mut BTreeMap<String, String>) -> Result<Folder, String> {
    let random = Random::system().map_err(|error| format!("The system gives no random numbers: {error}."))?;
    let path = std::env::temp_dir().join(format!("tessera-demo-{:016x}", u64::from_be_bytes(random.bytes())));
    super::make_folder(&path)?;
    flags.remove("database_url");
    flags.remove("key_file");
    flags.insert("data_dir".to_owned(), path.display().to_string());
    Ok(Folder(path))
}

/// Creates the example data, and prints how to sign in.
pub(super) async fn fill(app: &AppState) -> Result<(), String> {
    let now = app.context.clock.now();
    let context = Context { clock: Clock::fixed(now.minus(90 * DAY)), ..app.context.clone() };
    let past = AppState::new(context).map_err(|error| error.to_string())?;
    fill_with(&past, now).await.map_err(|error| format!("The demo cannot be filled: {error}."))?;
    println!("demo: everyone in the demo has the same password, such as amir@acme.test and gus@acme.test");
    println!(
        "demo: sign in at {}/sign-in as {EMAIL} with password {PASSWORD}",
        app.context.config.public_url
    );
    Ok(())
}

fn person(username: &str, name: &str) -> NewPerson {
    NewPerson {
        username: username.to_owned(),
        email: format!("{username}@acme.test"),
        name: name.to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
    }
}

/// The caller for a member who uses the console.
async fn caller(app: &AppState, id: PersonId, name: &str) -> Result<Caller, Error> {
    let place = load_memberships(&app.context.db, id, None).await?.pop().ok_or(Error::NotFound)?;
    let actor = Actor {
        id: id.to_string(),
        name: name.to_owned(),
        kind: ActorKind::Person,
        through: Channel::Console,
        address: Some(std::net::IpAddr::from([192, 0, 2, 17])),
        ..operator()
    };
    Ok(Caller { actor, subject: place.subject, organization: place.organization })
}

/// Moves the clock of the demo forward.
fn wait(app: &AppState, hours: u64) {
    app.context.clock.advance(Duration::from_secs(hours * 3600));
}

async fn fill_with(app: &AppState, now: Timestamp) -> Result<(), Error> {
    let first = FirstRun {
        organization: "acme".to_owned(),
        organization_name: "Acme Inc.".to_owned(),
        person: person("olive", "Olive Owner"),
    };
    let founded = bootstrap(app, &operator(), &first, false).await?;
    let olive = caller(app, founded.person, "Olive Owner").await?;
    wait(app, 2);
    create_teams(app, &olive).await?;
    let amir = create_people(app, &olive).await?;
    create_projects(app, &olive).await?;
    let made = create_service_accounts(app, &olive, now).await?;
    // From now on with the sets and projects of the organization.
    let set = NewSet {
        slug: "release_manager".to_owned(),
        name: "Release manager".to_owned(),
        description: "Starts runs and manages environments; sees the rest.".to_owned(),
        level: "project".to_owned(),
        permissions: [
            "runs:write",
            "configuration_versions:write",
            "environments:write",
            "jobs:read",
            "projects:read",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    sets::create(&app.context, &olive, &set).await?;
    let olive = caller(app, founded.person, "Olive Owner").await?;
    wait(app, 24);
    create_tokens(app, &olive, now).await?;
    for (project, who, set) in [
        ("ledger", "person:bea", "admin"),
        ("ledger", made.ledger.as_str(), "release_manager"),
        ("ledger", "team:incident", "read_only"),
        ("storefront", "person:eli", "analyst"),
    ] {
        grants::put(&app.context, &olive, project, who, set).await?;
        wait(app, 5);
    }
    let amir = caller(app, amir, "Amir Haddad").await?;
    let renewal = Renewal { lifetime: Lifetime::Until(now.plus(9 * DAY)), overlap: String::new() };
    team_token::generate(&app.context, &amir, "platform", &renewal, &SecretDelivery::Answer).await?;
    wait(app, 30);
    for (name, kinds) in [
        ("Storefront API", None),
        ("State backend", Some(vec!["personal".to_owned()])),
        ("Warehouse gateway", Some(vec!["service_account".to_owned(), "service_token".to_owned()])),
    ] {
        let service = NewService { name: name.to_owned(), accepted_kinds: kinds };
        services::create(&app.context, &olive, &service, &SecretDelivery::Answer).await?;
        wait(app, 26);
    }
    let mut policy = Policy::default();
    let rule = crate::access::LifetimeRule { default_days: Some(90), max_days: Some(365) };
    policy.lifetimes.insert(TokenKind::Personal, rule);
    let edit = SettingsEdit { name: None, policy: Some(policy) };
    actions::edit(&app.context, &olive, &edit, None).await?;
    let open = NewInvitation {
        email: "farah@acme.test".to_owned(),
        role: "member".to_owned(),
        teams: vec![TeamPlace { slug: "data".to_owned(), role: "member".to_owned() }],
        lifetime: Lifetime::Until(now.plus(5 * DAY)),
    };
    // Invitations last ninety days at most: this one is made shortly before today.
    app.context.clock.advance(now.minus(DAY).since(app.context.clock.now()));
    invite(&app.context, &olive, &open, &SecretDelivery::Answer).await?;
    accounts::disable(&app.context, &olive, &made.importer).await?;
    app.context.clock.advance(now.minus(Duration::from_secs(1200)).since(app.context.clock.now()));
    open_sessions(app, made.deploy).await?;
    replace_key(app, &olive, &made.cache).await?;
    demo_usage::use_tokens(app, now).await
}

/// A key has a new value, and its program does not know that yet.
async fn replace_key(app: &AppState, olive: &Caller, account: &str) -> Result<(), Error> {
    let (_, keys) = keys::with_keys(&app.context, olive, account, false, &PageRequest::choices()).await?;
    let Some(key) = keys.rows.first() else { return Ok(()) };
    let renewal = Renewal { lifetime: Lifetime::Endless, overlap: "24h".to_owned() };
    let key = key.id.to_string();
    keys::regenerate(&app.context, olive, account, &key, &renewal, &SecretDelivery::Answer).await?;
    Ok(())
}

/// What a program gets for its key: one access token as it is, one narrowed.
async fn open_sessions(app: &AppState, key: Option<PlainToken>) -> Result<(), Error> {
    let Some(key) = key else { return Ok(()) };
    let verified = verify(&app.verifier, &key, RequestContext::default()).await?;
    let actor = verified.actor();
    let organization = match &verified.facts().principal {
        Principal::Machine(machine) => Some(machine.organization.id),
        Principal::Person { .. } => None,
    };
    for permissions in [None, Some([Resource::Runs.write(), Resource::Jobs.read()].into_iter().collect())] {
        let change = Change::begin(&app.context, &actor, organization).await?;
        issue(change, &AccessTokenGrant::from_token(&verified), permissions, MAX_LIFETIME).await?;
    }
    Ok(())
}

async fn create_teams(app: &AppState, olive: &Caller) -> Result<(), Error> {
    for (slug, name, description, visibility) in [
        ("platform", "Platform", "Builds and runs what the others stand on.", "visible"),
        ("payments", "Payments", "Everything that moves money.", "visible"),
        ("data", "Data", "The warehouse and its pipelines.", "visible"),
        ("incident", "Incident review", "Looks into what went wrong.", "secret"),
    ] {
        let team = NewTeam {
            slug: slug.to_owned(),
            name: name.to_owned(),
            description: Some(description.to_owned()),
            visibility: Some(visibility.to_owned()),
            role: None,
            members_manage_token: None,
        };
        teams::create(&app.context, olive, &team).await?;
        wait(app, 1);
    }
    Ok(())
}

/// Creates the people of the demo. Returns the id of Amir, the admin of the team
/// `platform`, who creates some of its objects.
async fn create_people(app: &AppState, olive: &Caller) -> Result<PersonId, Error> {
    let mut amir = None;
    for (username, name, team, team_role, role) in [
        ("amir", "Amir Haddad", "platform", "admin", "member"),
        ("bea", "Bea Lindqvist", "payments", "admin", "member"),
        ("chen", "Chen Wei", "data", "admin", "member"),
        ("dana", "Dana Okafor", "platform", "member", "member"),
        ("eli", "Eli Marsh", "data", "member", "analyst"),
        ("gus", "Gus Auditor", "", "", "account_viewer"),
    ] {
        let teams = Some(team).filter(|team| !team.is_empty());
        let invitation = NewInvitation {
            role: role.to_owned(),
            teams: teams
                .map(|slug| TeamPlace { slug: slug.to_owned(), role: team_role.to_owned() })
                .into_iter()
                .collect(),
            email: format!("{username}@acme.test"),
            ..NewInvitation::default()
        };
        let code =
            invite(&app.context, olive, &invitation, &SecretDelivery::Answer).await?.code.unwrap_or_default();
        wait(app, 7);
        let actor = Actor { name: name.to_owned(), kind: ActorKind::Nobody, ..operator() };
        let (id, _) = accept(app, &actor, code.expose(), Invitee::New(person(username, name))).await?;
        if username == "amir" {
            amir = Some(id);
        }
        wait(app, 20);
    }
    amir.ok_or(Error::NotFound)
}

async fn create_projects(app: &AppState, olive: &Caller) -> Result<(), Error> {
    for (slug, name, description, team, visibility) in [
        ("storefront", "Storefront", "What customers see.", "platform", "team"),
        ("search", "Search", "Finds things in the storefront.", "platform", "open"),
        ("payments", "Payments", "Charges, refunds, payouts.", "payments", "team"),
        ("ledger", "Ledger", "The books.", "payments", "restricted"),
        ("warehouse", "Warehouse", "Models and their tests.", "data", "public"),
    ] {
        let project = NewProject {
            slug: slug.to_owned(),
            name: name.to_owned(),
            description: Some(description.to_owned()),
            team: team.to_owned(),
            visibility: Some(visibility.to_owned()),
        };
        projects::create(&app.context, olive, &project).await?;
        wait(app, 3);
    }
    Ok(())
}

/// The UIDs of the service accounts that later steps change, and the key of `ci-deploy`.
#[derive(Default)]
struct DemoAccounts {
    ledger: String,
    importer: String,
    cache: String,
    deploy: Option<PlainToken>,
}

/// Creates the service accounts of the demo. Times are relative to `now`.
async fn create_service_accounts(
    app: &AppState,
    olive: &Caller,
    now: Timestamp,
) -> Result<DemoAccounts, Error> {
    let mut made = DemoAccounts::default();
    for (name, description, scope, team, role, days) in [
        ("ci-deploy", "Deploys every service after review", "organization", "platform", "member", 45),
        ("metrics-export", "Nightly export to the warehouse", "organization", "data", "job_runner", 9),
        ("edge-cache", "Purges the edge cache", "team", "platform", "member", 0),
        ("ledger-sync", "Posts settled payments to the ledger", "team", "payments", "developer", 30),
        ("dashboards", "Reads results for the dashboards", "team", "data", "read_only", 275),
        ("old-importer", "Replaced by metrics-export in March", "team", "data", "read_only", 60),
    ] {
        let of_team = scope == "team";
        let only = |count: bool| if count { team.to_owned() } else { String::new() };
        let end = if days > 0 { Lifetime::Until(now.plus(days * DAY)) } else { Lifetime::Endless };
        let account = NewAccount {
            name: name.to_owned(),
            description: description.to_owned(),
            scope: scope.to_owned(),
            team: only(of_team),
            default_team: only(!of_team),
            role: role.to_owned(),
            authentication: "api_key".to_owned(),
            key: TokenInput { name: "default".to_owned(), lifetime: end, ..TokenInput::default() },
            ..NewAccount::default()
        };
        let created = accounts::create(&app.context, olive, &account, &SecretDelivery::Answer).await?;
        let account = created.account;
        wait(app, 21);
        match name {
            "ledger-sync" => made.ledger = account.id.to_string(),
            "old-importer" => made.importer = account.id.to_string(),
            "edge-cache" => made.cache = account.id.to_string(),
            "ci-deploy" => {
                made.deploy = created.value;
                let key = TokenInput {
                    name: "staging".to_owned(),
                    lifetime: Lifetime::Until(now.plus(120 * DAY)),
                    ..TokenInput::default()
                };
                keys::add_key(&app.context, olive, &account.id.to_string(), &key, &SecretDelivery::Answer)
                    .await?;
            }
            _ => {}
        }
    }
    Ok(made)
}

/// Service tokens in every state, and the organization's own.
async fn create_tokens(app: &AppState, olive: &Caller, now: Timestamp) -> Result<(), Error> {
    let these = |slugs: &[&str]| Where::These(slugs.iter().map(|slug| (*slug).to_owned()).collect());
    let grant = |set: &str, projects: Where| GrantInput { permission_set: set.to_owned(), projects };
    let until = |days: u32| Lifetime::Until(now.plus(days * DAY));
    let all = [
        (
            "warehouse-sync",
            "Reads run results into the warehouse",
            until(12),
            vec![
                grant("job_viewer", these(&["payments", "storefront"])),
                grant("semantic_layer_only", Where::All),
            ],
        ),
        (
            "bi-dashboards",
            "Metrics for the dashboards",
            until(200),
            vec![grant("semantic_layer_only", Where::All)],
        ),
        (
            "terraform-state",
            "",
            Lifetime::Endless,
            vec![
                grant("admin", these(&["storefront", "search"])),
                grant("job_admin", these(&["warehouse"])),
                grant("metadata_only", Where::All),
            ],
        ),
        (
            "partner-feed",
            "Given to the agency in spring",
            until(60),
            vec![grant("read_only", these(&["search"]))],
        ),
        (
            "load-test",
            "For the launch",
            Lifetime::Until(app.context.clock.now().plus(7 * DAY)),
            vec![grant("job_runner", these(&["storefront"]))],
        ),
    ];
    for (name, description, lifetime, grants) in all {
        let token = NewServiceToken {
            name: name.to_owned(),
            description: description.to_owned(),
            lifetime,
            grants,
            ..NewServiceToken::default()
        };
        let made = service_tokens::create(&app.context, olive, &token, &SecretDelivery::Answer).await?;
        wait(app, 40);
        if name == "partner-feed" {
            service_tokens::revoke(&app.context, olive, &made.id.to_string()).await?;
        }
    }
    let renewal = Renewal { lifetime: Lifetime::Endless, overlap: String::new() };
    organization_token::generate(&app.context, olive, &renewal, &SecretDelivery::Answer).await?;
    wait(app, 18);
    Ok(())
}
