//! What a service is.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Resource, Target, TokenKind};
use crate::platform::id::{OrganizationId, ServiceId};
use crate::platform::text::{name, one_of, string_enum};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::tokens::model::{HoldsTokens, TokenOwner};

/// A program that verifies tokens here.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Unique in the organization.
    pub name: String,
    /// The kinds of token that it accepts, words with spaces between.
    pub accepted_kinds: String,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
    /// Who registered it.
    pub created_by_name: String,
    /// When.
    pub created_at: Timestamp,
    /// Counts its edits.
    pub version: i64,
}

/// A service as the API shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ServiceView {
    id: ServiceId,
    name: String,
    accepted_kinds: Vec<TokenKind>,
    status: &'static str,
    created_at: Timestamp,
    created_by: String,
}

impl Service {
    /// The kinds of token that it accepts.
    #[must_use]
    pub fn kinds(&self) -> Vec<TokenKind> {
        TokenKind::list(&self.accepted_kinds)
    }

    /// As JSON.
    #[must_use]
    pub fn view(&self) -> ServiceView {
        ServiceView {
            id: self.id,
            name: self.name.clone(),
            accepted_kinds: self.kinds(),
            status: if self.disabled_at.is_some() { "disabled" } else { "active" },
            created_at: self.created_at,
            created_by: self.created_by_name.clone(),
        }
    }
}

impl Guarded for Service {
    const RESOURCE: Resource = Resource::Services;
    fn target(&self) -> Target {
        Target::Organization
    }
}

impl HoldsTokens for Service {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Service(self.organization_id, self.id)
    }
}

/// The services of the organization.
#[derive(Clone, Copy, Debug)]
pub struct Services;

impl Guarded for Services {
    const RESOURCE: Resource = Resource::Services;
    fn target(&self) -> Target {
        Target::Organization
    }
}

string_enum! {
    /// Whether a service is on.
    Switch {
        /// It asks and is answered.
        Active = "active",
        /// It is not.
        Disabled = "disabled",
    }
}

/// For the schema alone: the kinds that a service can accept.
#[derive(Debug)]
struct PresentedKind;

impl schemars::JsonSchema for PresentedKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PresentedKind".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<&str> = TokenKind::PRESENTED.iter().map(|kind| kind.word()).collect();
        schemars::json_schema!({ "type": "string", "enum": words })
    }
}

/// A service to be registered, as typed or sent.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// Its name.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// The kinds of token that it accepts; all where it is missing.
    #[schemars(with = "Option<Vec<PresentedKind>>", length(min = 1))]
    pub accepted_kinds: Option<Vec<String>>,
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceEdit {
    /// A new name.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// Other kinds of token.
    #[schemars(with = "Option<Vec<PresentedKind>>", length(min = 1))]
    pub accepted_kinds: Option<Vec<String>>,
    /// `active` or `disabled`.
    #[schemars(with = "Option<Switch>")]
    pub status: Option<String>,
}

/// The fields of a service, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// The kinds of token that it accepts, words with spaces between.
    pub accepted_kinds: String,
}

impl NewService {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self) -> Result<Checked> {
        let mut mistakes = ValidationErrors::default();
        let name = mistakes.check("name", name(&self.name));
        let mut kinds = Vec::new();
        match &self.accepted_kinds {
            None => kinds = TokenKind::PRESENTED.to_vec(),
            Some(words) => {
                for word in words {
                    let known = TokenKind::PRESENTED.iter().copied().find(|kind| kind.word() == word);
                    let message = || {
                        let all: Vec<&str> = TokenKind::PRESENTED.iter().map(|kind| kind.word()).collect();
                        format!("“{word}” is not a kind of token. {}", one_of(&all))
                    };
                    if let Some(kind) = mistakes.check("accepted_kinds", known.ok_or_else(message)) {
                        kinds.push(kind);
                    }
                }
                if words.is_empty() {
                    mistakes.add("accepted_kinds", "Choose at least one kind of token.");
                }
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        let accepted_kinds = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" ");
        match name {
            Some(name) if mistakes.is_empty() => Ok(Checked { name, accepted_kinds }),
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

impl ServiceEdit {
    /// Checks every field, over what the service has; also whether it is
    /// switched off afterwards.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, service: &Service) -> Result<(Checked, bool)> {
        let disabled = match self.status.as_deref() {
            None => service.disabled_at.is_some(),
            Some("active") => false,
            Some("disabled") => true,
            Some(_) => {
                return Err(Error::Invalid(ValidationErrors::one("status", one_of(&["active", "disabled"]))));
            }
        };
        let words = |kinds: Vec<TokenKind>| kinds.into_iter().map(|kind| kind.word().to_owned()).collect();
        let checked = NewService {
            name: self.name.clone().unwrap_or_else(|| service.name.clone()),
            accepted_kinds: Some(self.accepted_kinds.clone().unwrap_or_else(|| words(service.kinds()))),
        }
        .check()?;
        Ok((checked, disabled))
    }
}
