//! The one error. Handlers and actions return it; `web::envelope` renders it
//! as a page or as problem+json, whichever the address speaks.

use std::sync::Arc;
use std::time::Duration;

/// What goes wrong, in the terms of the one who asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 422: fields that are wrong, each with what is allowed.
    #[error("{0}")]
    Invalid(ValidationErrors),
    /// 409: the input is well formed but does not fit what is there.
    #[error("{0}")]
    Conflict(ValidationErrors),
    /// 409: somebody else edited the thing after the editor read it.
    #[error("{0}")]
    Stale(String),
    /// 412: the thing is not, or no longer, what the request holds on to.
    #[error("{0}")]
    Precondition(String),
    /// 400: not a form, not JSON, not a cursor.
    #[error("{0}")]
    Malformed(String),
    /// 404: not there, or not for the caller to see: the same answer.
    #[error("This does not exist, or the caller does not have access to it.")]
    NotFound,
    /// 403: the caller may see it but not do this.
    #[error("{0}")]
    Forbidden(String),
    /// 401: no credentials (`presented` is false), or none that are good.
    #[error("The credentials are missing or not valid.")]
    Unauthenticated {
        /// Whether the request carried any.
        presented: bool,
    },
    /// A page that needs a sign-in first: 303 to it, and back to `next` after.
    #[error("Sign in first.")]
    SignInFirst {
        /// The address to come back to.
        next: String,
    },
    /// 429: too many tries.
    #[error("Too many requests.")]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// 503: more is asked at once than can be done soon.
    #[error("The server is busy.")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// 500: our fault. Logged with the request id, never shown.
    #[error("Internal error: {0}")]
    Internal(Arc<dyn std::error::Error + Send + Sync>),
}

/// The usual result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An internal error with its cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// Several errors turn a unique violation into a conflict: at the statement
    /// that can hit it, because SQLite does not name the constraint.
    #[must_use]
    pub fn unique(error: sqlx::Error, field: &'static str, message: &str) -> Self {
        match error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::Conflict(ValidationErrors::one(field, message))
            }
            other => other.into(),
        }
    }

    /// A conflict with what is there, not tied to a field.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(ValidationErrors::one("", message))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(error)
    }
}

/// One field and what is wrong with it. An empty field name means the whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct FieldError {
    /// The field, by the name that form and JSON share.
    pub field: String,
    /// A whole sentence that says what to do, and is true without the field's name.
    pub message: String,
}

/// Everything that is wrong with an input, so that it is told at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidationErrors(Vec<FieldError>);

impl std::fmt::Display for ValidationErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, mistake) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { " " };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

/// As a program reads it among others: `name: Enter a name.`
impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl ValidationErrors {
    /// A single mistake.
    #[must_use]
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        let mut mistakes = Self::default();
        mistakes.add(field, message);
        mistakes
    }

    /// Notes a mistake.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// Takes the value of a check, or notes its complaint and goes on.
    pub fn check<T>(&mut self, field: &str, checked: std::result::Result<T, String>) -> Option<T> {
        checked.map_err(|message| self.add(field, message)).ok()
    }

    /// All of them, in the order of the fields.
    #[must_use]
    pub fn all(&self) -> &[FieldError] {
        &self.0
    }

    /// The message for one field.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|mistake| mistake.field == field).map(|mistake| mistake.message.as_str())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// [`Error::Invalid`] if there are any.
    ///
    /// # Errors
    /// Then.
    pub fn none(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}
