//! The extractor of the signed-in person, for pages that belong to no
//! organization and as a part of `ConsoleCaller`.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use tower_sessions::Session;

use crate::audit::Actor;
use crate::authn::session::{Person, Theme, load_person, person_id, theme};
use crate::platform::id::PersonId;
use crate::platform::rate_limits::Admission;
use crate::platform::web::RequestContext;
use crate::platform::{Error, Result};
use crate::state::AppState;

/// The person of a session. Without a session, the rejection is a redirect to the
/// sign-in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The signed-in person.
    pub person: Person,
    /// The slugs and names of the person's organizations, sorted by name.
    pub organizations: Vec<(String, String)>,
    /// The session of the request.
    pub session: Session,
    /// The theme that the person chose; `None` to follow the system.
    pub theme: Option<Theme>,
}

impl SignedIn {
    /// Loads the signed-in person and, concurrently, what `read` loads for the
    /// person's id.
    ///
    /// # Errors
    /// [`Error::SignInFirst`] if nobody is signed in; those of `read`;
    /// [`Error::TooMany`] above the rate limit; when the session store cannot.
    pub(super) async fn load_with<T, F: Future<Output = Result<T>>>(
        parts: &mut Parts,
        app: &AppState,
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
        if let Some(id) = person_id(&session).await? {
            if app.rate_limits.admit_person(id).await? == Admission::Waited {
                // The session may have ended while the request waited.
                session.load().await.map_err(Error::internal)?;
                if person_id(&session).await? != Some(id) {
                    return Err(sign_in_first());
                }
            }
            let (known, loaded) = tokio::join!(load_person(&app.context, id), read(id));
            if let Some((person, organizations)) = known? {
                return Ok((Self { person, organizations, session, theme: theme(parts) }, loaded?));
            }
        }
        Err(sign_in_first())
    }

    /// The actor for the audit log: this person.
    #[must_use]
    pub fn actor(&self, request: &RequestContext) -> Actor {
        Actor::person(request, self.person.id, &self.person.name)
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        Ok(Self::load_with(parts, app, |_| async { Ok(()) }).await?.0)
    }
}
