//! A person who is signed in.

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

impl SignedIn {
    /// Who signed in, beside what `read` tells of them at the same time.
    ///
    /// # Errors
    /// [`Error::SignInFirst`] where nobody did; those of `read`; when the store cannot.
    pub(super) async fn beside<T, F: Future<Output = Result<T>>>(
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
                // The session may have ended meanwhile.
                session.load().await.map_err(Error::internal)?;
                if person_id(&session).await? != Some(id) {
                    return Err(sign_in_first());
                }
            }
            let (known, told) = tokio::join!(load_person(&app.context, id), read(id));
            if let Some((person, organizations)) = known? {
                return Ok((Self { person, organizations, session, theme: theme(parts) }, told?));
            }
        }
        Err(sign_in_first())
    }
}

impl SignedIn {
    /// The person as the audit log names them.
    #[must_use]
    pub fn actor(&self, request: &RequestContext) -> Actor {
        Actor::person(request, self.person.id, &self.person.name)
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        Ok(Self::beside(parts, app, |_| async { Ok(()) }).await?.0)
    }
}
