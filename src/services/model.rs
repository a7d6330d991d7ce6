//! Types of services and their forms, with the checks of every field. No I/O.
//!
//! `verification` loads the accepted kinds of a service with its secret, and `protocols` rejects tokens of
//! other kinds.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Resource, Target, TokenKind};
use crate::platform::id::{OrganizationId, ServiceId};
use crate::platform::text::{name, one_of, string_enum};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::tokens::model::{TokenHolder, TokenOwner};

/// A registered service.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Service {
    /// Unique id.
    pub id: ServiceId,
    /// The organization that the service belongs to. It can verify tokens of this organization only.
    pub organization_id: OrganizationId,
    /// Display name. Unique in the organization, compared with case folding.
    pub name: String,
    /// The kinds of token that the service accepts, separated by spaces.
    pub accepted_kinds: String,
    /// Time at which the service was disabled. `None` while it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// Name of whoever registered the service.
    pub created_by_name: String,
    /// Time of the registration.
    pub created_at: Timestamp,
    /// Version for optimistic locking; increases with every edit.
    pub version: i64,
}

/// A service in API responses and audit events.
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
    /// The kinds of token that the service accepts.
    #[must_use]
    pub fn kinds(&self) -> Vec<TokenKind> {
        TokenKind::parse_list(&self.accepted_kinds)
    }

    /// The representation in API responses and audit events.
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

impl TokenHolder for Service {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Service(self.organization_id, self.id)
    }
}

/// The services of the organization, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct Services;

impl Guarded for Services {
    const RESOURCE: Resource = Resource::Services;
    fn target(&self) -> Target {
        Target::Organization
    }
}

string_enum! {
    /// Whether a service can verify tokens.
    Switch {
        /// The service can verify tokens.
        Active = "active",
        /// The service's secrets are rejected.
        Disabled = "disabled",
    }
}

/// Used only for the schema: a kind of token that a service can accept.
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

/// A service that will be registered, as submitted by a form or the API.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// Display name, 1 to 255 characters, unique in the organization.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 255))]
    pub name: String,
    /// The kinds of token that the service accepts, at least one. Left out, all kinds.
    #[schemars(with = "Option<Vec<PresentedKind>>", length(min = 1))]
    pub accepted_kinds: Option<Vec<String>>,
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceEdit {
    /// New name; `None` keeps the current one.
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// New kinds of token; `None` keeps the current ones.
    #[schemars(with = "Option<Vec<PresentedKind>>", length(min = 1))]
    pub accepted_kinds: Option<Vec<String>>,
    /// `active` or `disabled`; `None` keeps the current status.
    #[schemars(with = "Option<Switch>")]
    pub status: Option<String>,
}

/// The checked fields of a new or edited service.
#[derive(Clone, Debug)]
pub struct ValidService {
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// The kinds of token that the service accepts, separated by spaces.
    pub accepted_kinds: String,
}

impl NewService {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self) -> Result<ValidService> {
        let mut errors = ValidationErrors::default();
        let name = errors.check("name", name(&self.name));
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
                    if let Some(kind) = errors.check("accepted_kinds", known.ok_or_else(message)) {
                        kinds.push(kind);
                    }
                }
                if words.is_empty() {
                    errors.add("accepted_kinds", "Choose at least one kind of token.");
                }
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        let accepted_kinds = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" ");
        match name {
            Some(name) if errors.is_empty() => Ok(ValidService { name, accepted_kinds }),
            _ => Err(Error::Invalid(errors)),
        }
    }
}

impl ServiceEdit {
    /// Checks every field. Fields that the edit leaves out are taken from the service. The second value says
    /// whether the service is disabled after the edit.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, service: &Service) -> Result<(ValidService, bool)> {
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
