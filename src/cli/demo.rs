//! `tessera serve --demo`: a throw-away installation with a believable
//! organization.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::setup::operator;
use crate::access::{Subject, TeamRole};
use crate::audit::Actor;
use crate::identity::caller::memberships;
use crate::identity::reveal::Delivery;
use crate::identity::{App, Caller};
use crate::organizations::actions::found;
use crate::organizations::model::{FirstRun, NewPerson};
use crate::people::actions::{Guest, accept, invite};
use crate::people::model::{NewInvitation, TeamPlace};
use crate::platform::clock::DAY;
use crate::platform::secret::Secret;
use crate::platform::{Error, Random};
use crate::service_accounts::actions as accounts;
use crate::service_accounts::model::NewAccount;
use crate::teams::actions as teams;
use crate::teams::model::NewTeam;
use crate::tokens::model::{Lifetime, TokenInput};

const EMAIL: &str = "olive@acme.test";
const PASSWORD: &str = "demo mosaic lantern";

/// A folder that goes with the process.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Makes the folder and points the settings at it.
pub(super) fn folder(flags: &mut BTreeMap<String, String>) -> Result<Folder, String> {
    let random = Random::system().map_err(|error| format!("no randomness: {error}"))?;
    let path = std::env::temp_dir().join(format!("tessera-demo-{:016x}", u64::from_be_bytes(random.bytes())));
    super::make_folder(&path)?;
    flags.remove("database_url");
    flags.remove("key_file");
    flags.insert("data_dir".to_owned(), path.display().to_string());
    Ok(Folder(path))
}

/// Fills it, with the product's own actions.
pub(super) async fn fill(app: &App) -> Result<(), String> {
    fill_with(app).await.map_err(|error| format!("the demo cannot be filled: {error}"))?;
    println!("demo: sign in at {}/sign-in as {EMAIL} with password {PASSWORD}", app.config.public_url);
    Ok(())
}

async fn fill_with(app: &App) -> Result<(), Error> {
    let person = |username: &str, email: &str, name: &str| NewPerson {
        username: username.to_owned(),
        email: email.to_owned(),
        name: name.to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
    };
    let first = FirstRun {
        organization: "acme".to_owned(),
        organization_name: "Acme Inc.".to_owned(),
        person: person("olive", EMAIL, "Olive Owner"),
    };
    let founded = found(app, &operator(), &first, false).await?;
    let place = memberships(app, founded.person, None).await?.pop().ok_or(Error::NotFound)?;
    let actor = Actor {
        id: founded.person.to_string(),
        name: "Olive Owner".to_owned(),
        kind: crate::audit::ActorKind::Person,
        ..operator()
    };
    let subject: Subject = place.subject;
    let caller = Caller { actor, subject, organization: place.organization };
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
        };
        teams::create(app, &caller, &team).await?;
    }
    for (username, name, team, role) in [
        ("amir", "Amir Haddad", "platform", TeamRole::Admin),
        ("bea", "Bea Lindqvist", "payments", TeamRole::Admin),
        ("chen", "Chen Wei", "data", TeamRole::Admin),
        ("dana", "Dana Okafor", "platform", TeamRole::Member),
        ("eli", "Eli Marsh", "data", TeamRole::Member),
    ] {
        let email = format!("{username}@acme.test");
        let invitation = NewInvitation {
            role: "member".to_owned(),
            teams: vec![TeamPlace { slug: team.to_owned(), role: role.to_string() }],
            email: email.clone(),
            ..NewInvitation::default()
        };
        let code = invite(app, &caller, &invitation).await?.code;
        let guest = Guest::New(person(username, &email, name));
        let actor = Actor { name: name.to_owned(), kind: crate::audit::ActorKind::Nobody, ..operator() };
        accept(app, &actor, code.expose(), guest).await?;
    }
    let now = app.clock.now();
    for (name, description, scope, team, role, days, disabled) in [
        ("ci-deploy", "Deploys every service after review", "organization", "platform", "member", 90, false),
        ("metrics-export", "Nightly export to the warehouse", "organization", "data", "job_runner", 9, false),
        ("edge-cache", "Purges the edge cache", "team", "platform", "member", 0, false),
        ("ledger-sync", "Posts settled payments to the ledger", "team", "payments", "developer", 30, false),
        ("dashboards", "Reads results for the dashboards", "team", "data", "read_only", 365, false),
        ("old-importer", "Replaced by metrics-export in March", "team", "data", "read_only", 60, true),
    ] {
        let of_team = scope == "team";
        let only = |count: bool| if count { team.to_owned() } else { String::new() };
        let account = NewAccount {
            name: name.to_owned(),
            description: description.to_owned(),
            comment: String::new(),
            scope: scope.to_owned(),
            team: only(of_team),
            default_team: only(!of_team),
            role: role.to_owned(),
            authentication: "api_key".to_owned(),
            key: TokenInput {
                name: "default".to_owned(),
                lifetime: if days > 0 { Lifetime::Until(now.plus(days * DAY)) } else { Lifetime::Endless },
                ..TokenInput::default()
            },
            ..NewAccount::default()
        };
        let made = accounts::create(app, &caller, &account, None, &Delivery::Answer).await?;
        if disabled {
            accounts::disable(app, &caller, &made.account.id.to_string()).await?;
        }
    }
    Ok(())
}
