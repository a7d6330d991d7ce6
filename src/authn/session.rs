//! Sessions of the console: the middleware that loads them, signing in, and the
//! two values that they contain, the person's id and the message for the next
//! page. `session_store` stores sessions in the database. The theme is a cookie
//! of its own.

use axum::http::request::Parts;
use tower_sessions::Session;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

use super::session_store::{PERSON, Store};
use crate::access::{System, SystemReason};
use crate::platform::id::PersonId;
use crate::platform::text::string_enum;
use crate::platform::web::cookie;
use crate::platform::{Context, Error, Result, sql};

const FLASH: &str = "flash";

/// A person with the data that pages show.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Person {
    /// The person's id in the installation.
    pub id: PersonId,
    /// Unique in the installation. It never changes.
    pub username: String,
    /// Unique in the installation.
    pub email: String,
    /// The display name.
    pub name: String,
}

string_enum! {
    /// A colour theme that the person chose instead of the system's.
    Theme {
        /// Dark text on a light background.
        Light = "light",
        /// Light text on a dark background.
        Dark = "dark",
    }
}

/// The name of the cookie that contains the theme.
pub const THEME: &str = "theme";

/// The theme from the request's cookie; `None` to follow the system.
#[must_use]
pub fn theme(parts: &Parts) -> Option<Theme> {
    cookie::get(&parts.headers, THEME)?.parse().ok()
}

/// The middleware that loads the session of a request. On https the cookie has
/// the prefix `__Host-` and the attribute Secure. On plain http (loopback) it
/// has another name, because browsers reject Secure cookies there.
#[must_use]
pub fn layer(context: &Context) -> SessionManagerLayer<Store> {
    let https = context.config.https();
    SessionManagerLayer::new(Store::new(context.clone()))
        .with_name(if https { "__Host-tessera" } else { "tessera" })
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
}

/// Write proof for the time of the last sign-in. The person proved who they are.
const SIGN_IN: System = System::new(SystemReason::SignIn);

/// Signs the person in. The session gets a new id, against session fixation,
/// and loses its previous data.
///
/// # Errors
/// When the store or the database cannot.
pub async fn sign_in(context: &Context, session: &Session, person: PersonId) -> Result<()> {
    session.clear().await;
    session.cycle_id().await.map_err(Error::internal)?;
    session.insert(PERSON, person.to_string()).await.map_err(Error::internal)?;
    let mut tx = context.db.begin().await?;
    sql("UPDATE people SET last_signed_in_at = $1 WHERE id = $2")
        .bind(context.clock.now())
        .bind(person)
        .execute(&mut tx, &SIGN_IN)
        .await?;
    Ok(tx.commit().await?)
}

/// The id of the signed-in person; `None` if nobody is signed in.
///
/// # Errors
/// When the store cannot.
pub async fn person_id(session: &Session) -> Result<Option<PersonId>> {
    let id: Option<String> = session.get(PERSON).await.map_err(Error::internal)?;
    Ok(id.and_then(|id| id.parse().ok()))
}

/// Loads the signed-in person; `None` if nobody is signed in or the person no
/// longer exists.
///
/// # Errors
/// When the store cannot.
pub async fn load_signed_in_person(session: &Session, context: &Context) -> Result<Option<Person>> {
    let Some(id) = person_id(session).await? else { return Ok(None) };
    Ok(load_person(context, id).await?.map(|(person, _)| person))
}

/// A person with one of their organizations, or with none.
#[derive(sqlx::FromRow)]
struct PersonRow {
    #[sqlx(flatten)]
    person: Person,
    organization_slug: Option<String>,
    organization_name: Option<String>,
}

/// Loads a person with the slugs and names of their organizations, sorted by
/// name.
///
/// # Errors
/// When the database cannot.
pub async fn load_person(context: &Context, id: PersonId) -> Result<Option<(Person, Vec<(String, String)>)>> {
    let rows: Vec<PersonRow> = sql("SELECT p.id, p.username, p.email, p.name, o.slug AS organization_slug, \
            o.name AS organization_name \
         FROM people p LEFT JOIN memberships m ON m.person_id = p.id \
         LEFT JOIN organizations o ON o.id = m.organization_id WHERE p.id = $1 ORDER BY o.name, o.id")
    .bind(id)
    .all(&context.db)
    .await?;
    let Some(person) = rows.first().map(|row| row.person.clone()) else { return Ok(None) };
    let organizations = rows.into_iter().filter_map(|row| row.organization_slug.zip(row.organization_name));
    Ok(Some((person, organizations.collect())))
}

/// Stores a message that the next page shows once.
///
/// # Errors
/// When the store cannot.
pub async fn flash(session: &Session, text: impl Into<String>) -> Result<()> {
    session.insert(FLASH, text.into()).await.map_err(Error::internal)
}

/// Removes and returns the message that the previous request stored.
///
/// # Errors
/// When the store cannot.
pub async fn take_flash(session: &Session) -> Result<Option<String>> {
    // Removing marks the session as changed and causes a write, so check first: most pages have no message.
    if session.get_value(FLASH).await.map_err(Error::internal)?.is_none() {
        return Ok(None);
    }
    session.remove(FLASH).await.map_err(Error::internal)
}
