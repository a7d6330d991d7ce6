//! First run: the organization, its owners team, its first owner, at once.

use serde_json::json;

use super::model::{FirstRun, plain_code};
use super::store;
use crate::access::{System, SystemReason, TeamRole};
use crate::audit::{Action, Actor, Change, Event};
use crate::directory::own_account::OwnAccount;
use crate::directory::store as directory;
use crate::platform::Context;
use crate::platform::id::{OrganizationId, PersonId, TeamId};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::lifecycle;
use crate::tokens::model::{Holder, NewToken};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::verification::PlainToken;

/// The first owner proves by the set-up code that they run the installation.
const FIRST_RUN: System = System::new(SystemReason::FirstRun);

/// The code that proves that who sets up has read the log. Derived from the
/// key, so that every node knows it and nothing is stored.
#[must_use]
pub fn setup_code(context: &Context) -> String {
    let bytes = context.key.derive("setup code", b"");
    let alphabet = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letters: Vec<u8> = bytes.iter().take(20).map(|byte| alphabet[usize::from(byte % 32)]).collect();
    let parts: Vec<String> =
        letters.chunks(5).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    parts.join("-")
}

/// Checks the code, in time that tells nothing.
///
/// # Errors
/// [`Error::Invalid`] when it is another.
pub fn check_code(context: &Context, code: &str) -> Result<()> {
    let digest = |text: &str| context.key.derive("compare", plain_code(text).as_bytes());
    if digest(code) == digest(&setup_code(context)) {
        Ok(())
    } else {
        Err(Error::Invalid(ValidationErrors::one("code", "Enter the set-up code that the log shows.")))
    }
}

/// What a first run made.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The first owner.
    pub person: PersonId,
    /// Their organization.
    pub organization: OrganizationId,
    /// Its slug.
    pub slug: String,
    /// Their personal token, where one was asked for.
    pub token: Option<PlainToken>,
}

/// Makes organization, owners team and first owner; optionally a personal token.
///
/// # Errors
/// [`Error::Invalid`] with all mistakes; [`Error::Conflict`] once it was done.
pub async fn bootstrap(
    app: &AppState,
    actor: &Actor,
    input: &FirstRun,
    with_token: bool,
) -> Result<Bootstrapped> {
    let (slug, name, person) = input.check()?;
    let hash = app.authenticator.passwords.hash(input.person.password.clone()).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.without_caller();
    let now = change.now;
    let (id, team, owner) = (
        OrganizationId::new(now, &app.context.random),
        TeamId::new(now, &app.context.random),
        PersonId::new(now, &app.context.random),
    );
    if !store::take_first_run(change.tx(), FIRST_RUN, now).await? {
        return Err(Error::conflict("This installation already has its first owner."));
    }
    directory::insert_person(change.tx(), &FIRST_RUN, owner, &person, hash, now).await?;
    store::set_founder(change.tx(), FIRST_RUN, owner).await?;
    store::insert_organization(change.tx(), FIRST_RUN, id, &slug, &name, now).await?;
    change.within(id);
    store::insert_owners(&mut change, FIRST_RUN, team, id).await?;
    directory::insert_member(&mut change, &FIRST_RUN, id, owner, "member").await?;
    directory::set_team_member(&mut change, &FIRST_RUN, team, owner, TeamRole::Admin).await?;
    let token = if with_token {
        let holder = Holder::from(&OwnAccount(owner).authorize(None)?);
        let token = NewToken { name: "set-up".to_owned(), ..NewToken::default() };
        lifecycle::issue(&mut change, holder, &token, &SecretDelivery::Answer).await?.value
    } else {
        None
    };
    let after = json!({ "slug": slug, "name": name, "owner": person.username });
    change.commit(Event::new(Action::OrganizationCreated, "organization", id, &name).after(after)).await?;
    Ok(Bootstrapped { person: owner, organization: id, slug, token })
}
