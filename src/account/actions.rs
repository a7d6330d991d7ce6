//! Operations on the profile, password and sessions of a person, called by `pages`.
//!
//! Each operation works on the account of the signed-in person only and writes its audit event in the same
//! transaction.

use serde_json::json;
use tower_sessions::Session;

use super::store;
use crate::audit::{Action, Actor, Change, Event};
use crate::authn::known_browser::{BrowserId, DeviceCookie};
use crate::authn::session::Person;
use crate::authn::session_store::{IDLE_TIMEOUT, hash_session_id};
use crate::authn::throttle::Attempt;
use crate::authn::{password, throttle};
use crate::directory::own_account::OwnAccount;
use crate::organizations::model::email;
use crate::platform::secret::Secret;
use crate::platform::text::{casefold, name};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;

/// The browser that sends a request: its session and its record of known browsers.
#[derive(Debug)]
pub struct Browser<'a> {
    /// The session of the signed-in person.
    pub session: &'a Session,
    /// The content of the cookie that identifies known browsers, for the throttle.
    pub devices: &'a DeviceCookie,
}

/// Verifies the person's password again, before a change that a stolen session must not be able to make.
/// Attempts count towards the same limits as sign-ins.
///
/// # Errors
/// [`Error::Invalid`] for the field `current_password`; [`Error::TooMany`] or [`Error::Busy`] if the person
/// must wait.
async fn reauthenticate(
    app: &AppState,
    actor: &Actor,
    person: &Person,
    browser: &Browser<'_>,
    typed: Secret,
) -> Result<()> {
    let account = casefold(&person.email);
    let of_session = || BrowserId::from_session(&own_hash(browser.session));
    let attempt = Attempt {
        account: &account,
        person: Some(person.id),
        address: actor.address,
        browser: Some(browser.devices.find(&app.context, person.id).unwrap_or_else(of_session)),
    };
    let known = store::password_hash(&app.context.db, person.id).await?;
    if throttle::verify(&app.authenticator, &attempt, typed, known).await? {
        return Ok(());
    }
    Err(Error::Invalid(ValidationErrors::one(
        "current_password",
        "Enter your current password. The one that you entered is wrong.",
    )))
}

/// Changes name and email. A different email requires the password.
///
/// # Errors
/// [`Error::Invalid`] for invalid fields or a wrong password; [`Error::Conflict`] for an email that is taken;
/// [`Error::TooMany`] or [`Error::Busy`] if the person must wait.
pub async fn edit_profile(
    app: &AppState,
    actor: &Actor,
    person: &Person,
    browser: &Browser<'_>,
    (new_name, new_email): (&str, &str),
    current: Secret,
) -> Result<()> {
    let mut errors = ValidationErrors::default();
    let checked_name = errors.check("name", name(new_name));
    let checked_email = errors.check("email", email(new_email));
    let (Some(new_name), Some(new_email)) = (checked_name, checked_email) else {
        return Err(Error::Invalid(errors));
    };
    if casefold(&new_email) != casefold(&person.email) {
        reauthenticate(app, actor, person, browser, current).await?;
    }
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.invalidates_person(person.id);
    let owner = OwnAccount(person.id).authorize(None)?;
    store::set_profile(change.tx(), &owner, &new_name, &new_email).await?;
    let event = Event::new(Action::ProfileEdited, "person", person.id, &new_name)
        .before(json!({ "name": person.name, "email": person.email }))
        .after(json!({ "name": new_name, "email": new_email }));
    change.commit(event).await
}

/// Changes the password, ends all other sessions and gives the current session a new id. Returns the number
/// of ended sessions.
///
/// # Errors
/// [`Error::Invalid`] for a weak new or a wrong current password; [`Error::TooMany`] or [`Error::Busy`] if
/// the person must wait.
pub async fn change_password(
    app: &AppState,
    actor: &Actor,
    person: &Person,
    browser: &Browser<'_>,
    (current, new): (Secret, Secret),
) -> Result<u64> {
    let session = browser.session;
    let local = person.email.split('@').next().unwrap_or_default();
    let own = [person.username.as_str(), local, person.name.as_str()];
    let mut errors = ValidationErrors::default();
    errors.check("password", password::check_new(&new, &own));
    errors.into_result()?;
    reauthenticate(app, actor, person, browser, current).await?;
    let new = app.authenticator.passwords.hash(new).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.no_invalidation();
    let owner = OwnAccount(person.id).authorize(None)?;
    store::set_password(change.tx(), &owner, new).await?;
    let ended = store::end_others(change.tx(), &owner, &own_hash(session)).await?;
    let event = Event::new(Action::PasswordChanged, "person", person.id, &person.name);
    change.commit(event.after(json!({ "sessions_ended": ended }))).await?;
    session.cycle_id().await.map_err(Error::internal)?;
    Ok(ended)
}

/// The hash of this session's id; empty if the session is not stored.
#[must_use]
pub fn own_hash(session: &Session) -> Vec<u8> {
    session.id().map(hash_session_id).unwrap_or_default()
}

/// The person's sessions that have not timed out.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn sessions(app: &AppState, person: &Person) -> Result<Vec<store::Session>> {
    store::sessions(&app.context.db, person.id, app.context.clock.now().minus(IDLE_TIMEOUT)).await
}

/// Ends one session of the person, named by [`store::Session::name`], or all except the current one. Returns
/// their number.
///
/// # Errors
/// [`Error::NotFound`] if the person has no such session.
pub async fn end_sessions(
    app: &AppState,
    actor: &Actor,
    person: &Person,
    session: &Session,
    one: Option<&str>,
) -> Result<u64> {
    let found = match one {
        None => None,
        Some(named) => {
            let all = sessions(app, person).await?;
            Some(all.into_iter().find(|each| each.name() == named).ok_or(Error::NotFound)?)
        }
    };
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.no_invalidation();
    let owner = OwnAccount(person.id).authorize(None)?;
    let ended = match &found {
        Some(one) => store::end(change.tx(), &owner, &one.hash).await?,
        None => store::end_others(change.tx(), &owner, &own_hash(session)).await?,
    };
    let event = Event::new(Action::SessionsEnded, "person", person.id, &person.name);
    change.commit(event.after(json!({ "sessions_ended": ended }))).await?;
    Ok(ended)
}
