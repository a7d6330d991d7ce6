//! Forms: the one way in which pages read what a person typed.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use zeroize::Zeroizing;

use super::body;
use super::query_filter::QueryFilter;
use crate::platform::secret::Secret;
use crate::platform::text::one_of;
use crate::platform::{Error, Result, ValidationErrors};

/// The fields of a submitted form, in their order. Wiped on drop, because some
/// are passwords.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    fn parse(bytes: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(bytes);
        Self(pairs.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect())
    }

    /// A field that may be shown again; empty where it is missing.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// A field that is never shown again.
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }

    /// Whether a checkbox is ticked or a named button was used.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A field, where something was typed.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<String> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// All values of a name, for lists of checkboxes.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Checks the filters that take certain words.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other.
    pub fn check_filters(&self, filters: &[QueryFilter]) -> Result<()> {
        let mut mistakes = ValidationErrors::default();
        for filter in filters.iter().filter(|filter| !filter.words.is_empty()) {
            let text = self.text(filter.name);
            if self.has(filter.name) && !filter.words.contains(&text.as_str()) {
                mistakes.add(filter.name, one_of(filter.words));
            }
        }
        mistakes.none()
    }

    /// All fields, name and value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Error::Malformed(
                "Send a form with Content-Type: application/x-www-form-urlencoded.".to_owned(),
            ));
        }
        Ok(Self::parse(&body::read(request.into_body()).await?))
    }
}

/// The longest value of a query and the longest part of a path, in bytes: more
/// than any name, text to look for or cursor takes, and less than a database
/// refuses to compare.
pub const MAX_VALUE_BYTES: usize = 4096;

/// The fields after the `?` of an address. None is longer than [`MAX_VALUE_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Query(pub Form);

impl Query {
    /// The fields of a text like `a=b&c=d`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(Form::parse(text.as_bytes()))
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = Self::parse(parts.uri.query().unwrap_or_default());
        let mut mistakes = ValidationErrors::default();
        for (name, _) in query.0.pairs().filter(|(name, value)| name.len().max(value.len()) > MAX_VALUE_BYTES)
        {
            let name: String = name.chars().take(64).collect();
            mistakes.add(&name, format!("Shorten this value to at most {MAX_VALUE_BYTES} bytes."));
        }
        mistakes.none()?;
        Ok(query)
    }
}
