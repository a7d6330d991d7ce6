//! A signed-in person, and the little that a session carries.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use tower_sessions::Session;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

use super::app::App;
use super::limits::Turn;
use super::session_store::{PERSON, Store};
use crate::platform::id::PersonId;
use crate::platform::text::words;
use crate::platform::web::cookie;
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
    cookie::get(&parts.headers, THEME)?.parse().ok()
}

/// A request with a session of a person. A page without one is answered with
/// a redirect to the sign-in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub person: Person,
    /// Their organizations: slug and name, in the order of their names.
    pub organizations: Vec<(String, String)>,
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

async fn id_of(session: &Session) -> Result<Option<PersonId>> {
    let id: Option<String> = session.get(PERSON).await.map_err(Error::internal)?;
    Ok(id.and_then(|id| id.parse().ok()))
}

/// Who the session says it is, if anybody.
///
/// # Errors
/// When the store cannot.
pub async fn person(session: &Session, context: &Context) -> Result<Option<Person>> {
    let Some(id) = id_of(session).await? else { return Ok(None) };
    Ok(with_organizations(context, id).await?.map(|(person, _)| person))
}

/// A person beside one of their organizations, if they have any.
#[derive(sqlx::FromRow)]
struct PersonRow {
    #[sqlx(flatten)]
    person: Person,
    organization_slug: Option<String>,
    organization_name: Option<String>,
}

async fn with_organizations(
    context: &Context,
    id: PersonId,
) -> Result<Option<(Person, Vec<(String, String)>)>> {
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

impl SignedIn {
    /// Who signed in, beside what `read` tells of them at the same time.
    ///
    /// # Errors
    /// [`Error::SignInFirst`] where nobody did; those of `read`; when the store cannot.
    pub(super) async fn beside<T, F: Future<Output = Result<T>>>(
        parts: &mut Parts,
        app: &App,
        read: impl FnOnce(PersonId) -> F,
    ) -> Result<(Self, T)> {
        let session =
            Session::from_request_parts(parts, app).await.map_err(|(_, message)| Error::internal(message))?;
        let sign_in_first = || Error::SignInFirst {
            next: if parts.method == Method::GET {
                parts.uri.path_and_query().map_or_else(String::new, ToString::to_string)
            } else {
                String::new()
            },
        };
        if let Some(id) = id_of(&session).await? {
            if app.limits.admit_person(id).await? == Turn::Waited {
                // The session may have ended meanwhile.
                session.load().await.map_err(Error::internal)?;
                if id_of(&session).await? != Some(id) {
                    return Err(sign_in_first());
                }
            }
            let (known, told) = tokio::join!(with_organizations(app, id), read(id));
            if let Some((person, organizations)) = known? {
                return Ok((Self { person, organizations, session, theme: theme(parts) }, told?));
            }
        }
        Err(sign_in_first())
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Ok(Self::beside(parts, app, |_| async { Ok(()) }).await?.0)
    }
}
