//! Sign-in with email and password.
//!
//! Responses and their timing must not reveal whether an email is known. Attempts are counted before the
//! password is verified ([`crate::authn::throttle`]).

use crate::audit::{Action, Actor, Change, Event};
use crate::authn::known_browser::DeviceCookie;
use crate::authn::session::Person;
use crate::authn::throttle::Attempt;
use crate::authn::{refused_sign_ins, throttle};
use crate::platform::id::PersonId;
use crate::platform::secret::Secret;
use crate::platform::text::casefold;
use crate::platform::web::RequestContext;
use crate::platform::{Error, Result, ValidationErrors, sql};
use crate::state::AppState;

#[derive(sqlx::FromRow)]
struct Row {
    id: PersonId,
    username: String,
    email: String,
    name: String,
    password_hash: String,
}

/// Verifies an email and a password. Returns the person.
///
/// # Errors
/// [`Error::Invalid`] if they do not match; [`Error::TooMany`] or [`Error::Busy`] with the seconds after
/// which to try again.
pub async fn sign_in(
    app: &AppState,
    request: &RequestContext,
    devices: &DeviceCookie,
    email: &str,
    password: Secret,
) -> Result<PersonId> {
    let account = casefold(email);
    let row: Option<Row> =
        sql("SELECT id, username, email, name, password_hash FROM people WHERE email_folded = $1")
            .bind(&account)
            .optional(&app.context.db)
            .await?;
    let person = row.as_ref().map(|row| row.id);
    let attempt = Attempt {
        account: &account,
        person,
        address: request.ip,
        browser: person.and_then(|id| devices.find(&app.context, id)),
    };
    let hash = row.as_ref().map(|row| row.password_hash.clone());
    let fits = throttle::verify(&app.authenticator, &attempt, password, hash).await?;
    if let Some(row) = row.filter(|_| fits) {
        let person = Person { id: row.id, username: row.username, email: row.email, name: row.name };
        let actor = Actor::person(request, person.id, &person.name);
        let mut change = Change::begin(&app.context, &actor, None).await?;
        change.no_invalidation();
        change.commit(Event::new(Action::SignedIn, "person", person.id, &person.username)).await?;
        return Ok(person.id);
    }
    refused_sign_ins::record(&app.context, &Actor::anonymous(request, ""), email, person.is_some()).await?;
    Err(Error::Invalid(ValidationErrors::one("", "The email address or the password is wrong. Try again.")))
}
