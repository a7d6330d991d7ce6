//! Signing in: the same answer and the same time whoever is unknown.

use crate::audit::{Action, Change, Event};
use crate::identity::App;
use crate::identity::caller::RequestFacts;
use crate::identity::session::Person;
use crate::identity::throttle::Counters;
use crate::platform::id::PersonId;
use crate::platform::secret::Secret;
use crate::platform::text::fold;
use crate::platform::{Error, Mistakes, Result, sql};

#[derive(sqlx::FromRow)]
struct Row {
    id: PersonId,
    username: String,
    email: String,
    name: String,
    password_hash: String,
}

/// Verifies address and password.
///
/// # Errors
/// [`Error::Invalid`] for a pair that does not fit; [`Error::TooMany`] after
/// several failures.
pub async fn sign_in(app: &App, request: RequestFacts, email: &str, password: Secret) -> Result<PersonId> {
    let counters = Counters::sign_in(email, request.address);
    counters.check(app).await?;
    let row: Option<Row> =
        sql("SELECT id, username, email, name, password_hash FROM people WHERE email_folded = $1")
            .bind(fold(email))
            .optional(&app.db)
            .await?;
    let hash = row.as_ref().map(|row| row.password_hash.clone());
    let fits = app.passwords.verify(password, hash).await?;
    if let Some(row) = row.filter(|_| fits) {
        counters.succeeded(app).await?;
        let person = Person { id: row.id, username: row.username, email: row.email, name: row.name };
        let actor = request.person(&person);
        let mut change = Change::begin(app, &actor, None).await?;
        change.touches_nothing();
        change.commit(Event::new(Action::SignedIn, "person", person.id, &person.username)).await?;
        return Ok(person.id);
    }
    counters.failed(app).await?;
    let actor = request.nobody("");
    let typed: String = email.chars().filter(|c| !c.is_control()).take(254).collect();
    let mut change = Change::begin(app, &actor, None).await?;
    change.touches_nothing();
    change.commit(Event::new(Action::SignInRefused, "person", "", typed)).await?;
    Err(Error::Invalid(Mistakes::one("", "The email address or the password is not right.")))
}
