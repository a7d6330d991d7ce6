//! A signed-in person, and the little that a session carries.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use tower_sessions::Session;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

use super::app::App;
use super::session_store::{PERSON, Store};
use crate::platform::id::PersonId;
use crate::platform::text::words;
use crate::platform::{Context, Error, Result, sql};

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

words! {
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

fn theme(parts: &Parts) -> Option<Theme> {
    let cookies = parts.headers.get_all(axum::http::header::COOKIE).iter();
    let mut pairs = cookies.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(THEME)?.strip_prefix('=')?.parse().ok())
}

/// A request with a session of a person. A page without one is answered with
/// a redirect to the sign-in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// Their session.
    pub session: Session,
    /// The theme that they chose over the system's.
    pub theme: Option<Theme>,
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

/// Who the session says it is, if anybody.
///
/// # Errors
/// When the store cannot.
pub async fn person(session: &Session, context: &Context) -> Result<Option<Person>> {
    let id: Option<String> = session.get(PERSON).await.map_err(Error::internal)?;
    let Some(id) = id else { return Ok(None) };
    Ok(sql("SELECT id, username, email, name FROM people WHERE id = $1")
        .bind(id)
        .optional(&context.db)
        .await?)
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

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let session =
            Session::from_request_parts(parts, app).await.map_err(|(_, message)| Error::internal(message))?;
        match person(&session, app).await? {
            Some(person) => Ok(Self { person, session, theme: theme(parts) }),
            None => Err(Error::SignInFirst {
                next: if parts.method == Method::GET {
                    parts.uri.path_and_query().map_or_else(String::new, ToString::to_string)
                } else {
                    String::new()
                },
            }),
        }
    }
}
