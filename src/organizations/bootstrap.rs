//! The first set-up of an installation: creates the organization, its `owners` team and its first owner in
//! one transaction.
//!
//! The set-up page and the command line call it. It requires the set-up code from the log (page) and succeeds
//! once per installation.

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

/// Write proof for the first set-up. The person has proved with the set-up code that they operate the
/// installation.
const FIRST_RUN: System = System::new(SystemReason::FirstRun);

/// The code that proves that somebody can read the log of the installation. It is derived from the
/// installation's key, so every node knows it and nothing is stored.
#[must_use]
pub fn setup_code(context: &Context) -> String {
    let bytes = context.key.derive("setup code", b"");
    let alphabet = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letters: Vec<u8> = bytes.iter().take(20).map(|byte| alphabet[usize::from(byte % 32)]).collect();
    let parts: Vec<String> =
        letters.chunks(5).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    parts.join("-")
}

/// Compares a code with the set-up code. The comparison is of keyed digests, so its time reveals nothing
/// about the code.
///
/// # Errors
/// [`Error::Invalid`] if the code differs.
pub fn check_code(context: &Context, code: &str) -> Result<()> {
    let digest = |text: &str| context.key.derive("compare", plain_code(text).as_bytes());
    if digest(code) == digest(&setup_code(context)) {
        Ok(())
    } else {
        Err(Error::Invalid(ValidationErrors::one("code", "Enter the set-up code that the log shows.")))
    }
}

/// The result of [`bootstrap`].
#[derive(Debug)]
pub struct Bootstrapped {
    /// Id of the first owner.
    pub person: PersonId,
    /// Id of the organization.
    pub organization: OrganizationId,
    /// Slug of the organization.
    pub slug: String,
    /// The owner's personal token, if it was requested.
    pub token: Option<PlainToken>,
}

/// Creates the organization, its `owners` team and the first owner, and a personal token of the owner if
/// `with_token` is set.
///
/// # Errors
/// [`Error::Invalid`] for invalid fields; [`Error::Conflict`] if the installation is already set up.
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
    if !store::claim_setup(change.tx(), FIRST_RUN, now).await? {
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
