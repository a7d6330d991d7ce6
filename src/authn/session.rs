//! A signed-in person, and the little that a session carries.

use axum::http::request::Parts;
use tower_sessions::Session;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

use super::session_store::{PERSON, Store};
use crate::platform::Context;
use crate::platform::id::PersonId;
use crate::platform::text::string_enum;
use crate::platform::web::cookie;
use crate::platform::{Error, Result, sql};

const FLASH: &str = "flash";

/// A person, as sessions and pages need one.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Unique in the installation.
    pub username: String,
    /// Unique in the installation.
    pub email: String,
    /// For people.
    pub name: String,
}

string_enum! {
    /// Light or dark, where the person does not follow the system.
    Theme {
        /// Light.
        Light = "light",
        /// Dark.
        Dark = "dark",
    }
}

/// The cookie that keeps the theme.
pub const THEME: &str = "theme";

/// The theme of the request's cookie.
#[must_use]
pub fn theme(parts: &Parts) -> Option<Theme> {
    cookie::get(&parts.headers, THEME)?.parse().ok()
}

/// The layer that gives requests their session. The cookie is `__Host-` and
/// Secure on https; on plain http (loopback) it has another name, because
/// browsers refuse Secure there.
#[must_use]
pub fn layer(context: &Context) -> SessionManagerLayer<Store> {
    let https = context.config.https();
    SessionManagerLayer::new(Store::new(context.clone()))
        .with_name(if https { "__Host-tessera" } else { "tessera" })
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
}

/// Signs the person in: a new session id, whatever was there before.
///
/// # Errors
/// When the store cannot.
pub async fn sign_in(session: &Session, person: PersonId) -> Result<()> {
    session.clear().await;
    session.cycle_id().await.map_err(Error::internal)?;
    session.insert(PERSON, person.to_string()).await.map_err(Error::internal)
}

/// The id of the person that the session belongs to.
///
/// # Errors
/// When the store cannot.
pub async fn person_id(session: &Session) -> Result<Option<PersonId>> {
    let id: Option<String> = session.get(PERSON).await.map_err(Error::internal)?;
    Ok(id.and_then(|id| id.parse().ok()))
}

/// Who the session says it is, if anybody.
///
/// # Errors
/// When the store cannot.
pub async fn person(session: &Session, context: &Context) -> Result<Option<Person>> {
    let Some(id) = person_id(session).await? else { return Ok(None) };
    Ok(load_person(context, id).await?.map(|(person, _)| person))
}

/// A person beside one of their organizations, if they have any.
#[derive(sqlx::FromRow)]
struct PersonRow {
    #[sqlx(flatten)]
    person: Person,
    organization_slug: Option<String>,
    organization_name: Option<String>,
}

/// A person with their organizations: slug and name, in the order of the names.
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

/// Leaves a sentence for the next page.
///
/// # Errors
/// When the store cannot.
pub async fn flash(session: &Session, text: impl Into<String>) -> Result<()> {
    session.insert(FLASH, text.into()).await.map_err(Error::internal)
}

/// Takes the sentence that the page before left.
///
/// # Errors
/// When the store cannot.
pub async fn take_flash(session: &Session) -> Result<Option<String>> {
    // Removing marks the session as changed, so look first: most pages have none.
    if session.get_value(FLASH).await.map_err(Error::internal)?.is_none() {
        return Ok(None);
    }
    session.remove(FLASH).await.map_err(Error::internal)
}
