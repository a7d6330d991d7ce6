//! The error type of the whole program. Stores, actions and handlers return it;
//! `web::response_middleware` renders it, as a page in the console and as problem+json in the
//! API. Each variant names its HTTP status.

use std::sync::Arc;
use std::time::Duration;

/// Why a request fails, from the caller's point of view.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 422: some fields are invalid.
    #[error("{0}")]
    Invalid(ValidationErrors),
    /// 409: the input is valid but conflicts with existing data.
    #[error("{0}")]
    Conflict(ValidationErrors),
    /// 409: somebody else changed the object after the caller read it.
    #[error("{0}")]
    Stale(String),
    /// 412: the object does not have the version in the request's `If-Match`.
    #[error("{0}")]
    Precondition(String),
    /// 400: the request cannot be parsed.
    #[error("{0}")]
    Malformed(String),
    /// 404: the object does not exist, or the caller may not see it. The response
    /// is the same.
    #[error("This does not exist, or the caller does not have access to it.")]
    NotFound,
    /// 403: the caller can see the object but may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// 401: credentials are missing (`presented` is false) or not valid.
    #[error("The credentials are missing or not valid.")]
    Unauthenticated {
        /// Whether the request carried any.
        presented: bool,
    },
    /// 303 to the sign-in page: the page requires a signed-in person.
    #[error("Sign in first.")]
    SignInFirst {
        /// The path to return to after signing in; empty for none.
        next: String,
    },
    /// 429: the caller exceeds a rate limit.
    #[error("Too many requests.")]
    TooMany {
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// 503: a queue is full.
    #[error("The server is busy.")]
    Busy {
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// 500: a failure of the server. The cause is logged with the request id and
    /// never shown.
    #[error("Internal error: {0}")]
    Internal(Arc<dyn std::error::Error + Send + Sync>),
}

/// A result with [`Error`] as the default error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps the cause of a failure of the server.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(cause.into()))
    }

    /// Converts a unique violation to a conflict of `field`, and any other error
    /// to an internal error. Call it at the statement that can violate the
    /// constraint, because SQLite does not name the constraint.
    #[must_use]
    pub fn unique(error: sqlx::Error, field: &'static str, message: &str) -> Self {
        match error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::Conflict(ValidationErrors::one(field, message))
            }
            other => other.into(),
        }
    }

    /// A conflict that belongs to no single field.
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

/// All validation errors of an input, so that they can be reported at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidationErrors(Vec<FieldError>);

impl std::fmt::Display for ValidationErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { " " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// The field and the message in one line: `name: Enter a name.`
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
    /// A list with one error.
    #[must_use]
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds an error.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// Returns the value of a successful check, or adds the error of a failed one
    /// and returns `None`.
    pub fn check<T>(&mut self, field: &str, checked: std::result::Result<T, String>) -> Option<T> {
        checked.map_err(|message| self.add(field, message)).ok()
    }

    /// All errors, in the order in which they were added.
    #[must_use]
    pub fn all(&self) -> &[FieldError] {
        &self.0
    }

    /// The first message for a field.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// All messages, one after the other.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        self.0.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Whether there is no error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the validation.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are errors.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}
