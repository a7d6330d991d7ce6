//! Forms and queries: how pages read submitted fields, and how pages and API read
//! the fields of a query. Values are plain text here; each section checks them.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use zeroize::Zeroizing;

use super::body;
use super::query_filter::QueryFilter;
use crate::platform::secret::Secret;
use crate::platform::text::one_of;
use crate::platform::{Error, Result, ValidationErrors};

/// The fields of a submitted form, in order. The values are wiped on drop, because
/// some are passwords.
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

    /// The first value of a field; empty if the field is missing.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// The first value of a field that contains a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }

    /// Whether the field exists: a checkbox is ticked, or a button was used.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The first value of a field, trimmed; `None` if it is missing or empty.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<String> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// All values of a field, for lists of checkboxes.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Checks the filters that allow only certain words.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other word.
    pub fn check_filters(&self, filters: &[QueryFilter]) -> Result<()> {
        let mut errors = ValidationErrors::default();
        for filter in filters.iter().filter(|filter| !filter.words.is_empty()) {
            let text = self.text(filter.name);
            if self.has(filter.name) && !filter.words.contains(&text.as_str()) {
                errors.add(filter.name, one_of(filter.words));
            }
        }
        errors.into_result()
    }

    /// The names and values of all fields.
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

/// The longest value of a query and the longest segment of a path, in bytes: more
/// than any name, search text or cursor needs, and less than the databases can
/// compare.
pub const MAX_VALUE_BYTES: usize = 4096;

/// The fields of a URL's query. As an extractor it refuses names and values that
/// are longer than `MAX_VALUE_BYTES`.
#[derive(Clone, Debug, Default)]
pub struct Query(pub Form);

impl Query {
    /// Parses a query like `a=b&c=d`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(Form::parse(text.as_bytes()))
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = Self::parse(parts.uri.query().unwrap_or_default());
        let mut errors = ValidationErrors::default();
        for (name, _) in query.0.pairs().filter(|(name, value)| name.len().max(value.len()) > MAX_VALUE_BYTES)
        {
            let name: String = name.chars().take(64).collect();
            errors.add(&name, format!("Shorten this value to at most {MAX_VALUE_BYTES} bytes."));
        }
        errors.into_result()?;
        Ok(query)
    }
}
