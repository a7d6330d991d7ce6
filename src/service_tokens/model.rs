//! What a service token is, beyond a token.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Permissions, Resource, Sets, Target};
use crate::platform::id::OrganizationId;
use crate::tokens::model::{HoldsTokens, Lifetime, Token, TokenOwner};

/// The service tokens of the organization.
#[derive(Clone, Copy, Debug)]
pub struct ServiceTokens(pub OrganizationId);

impl Guarded for ServiceTokens {
    const RESOURCE: Resource = Resource::ServiceTokens;
    fn target(&self) -> Target {
        Target::Organization
    }
}

impl HoldsTokens for ServiceTokens {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Itself(self.0)
    }
}

/// Where a grant holds, as typed or sent: `"all"`, or slugs of projects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Where {
    /// In all projects, those made later too.
    #[default]
    All,
    /// In these.
    These(Vec<String>),
}

impl schemars::JsonSchema for Where {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Where".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "`all`, or the slugs of projects.",
            "anyOf": [{ "const": "all" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

impl Serialize for Where {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::These(slugs) => serializer.collect_seq(slugs),
        }
    }
}

impl<'de> Deserialize<'de> for Where {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            Slugs(Vec<String>),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Word(word)) if word == "all" => Ok(Self::All),
            Ok(Form::Slugs(slugs)) => Ok(Self::These(slugs)),
            _ => Err(serde::de::Error::custom("Send “all” or a list of project slugs.")),
        }
    }
}

/// A permission set, and where it is to hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantInput {
    /// The permission set's slug.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub permission_set: String,
    /// Where.
    #[serde(default)]
    pub projects: Where,
}

/// A service token to be made, as typed or sent.
#[derive(Clone, Debug, Default)]
pub struct NewServiceToken {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How long it lasts.
    pub lifetime: Lifetime,
    /// From where it may be used.
    pub allowed_addresses: String,
    /// What it may do.
    pub grants: Vec<GrantInput>,
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default)]
pub struct ServiceTokenEdit {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// From where it may be used.
    pub allowed_addresses: Option<String>,
    /// What it may do.
    pub grants: Option<Vec<GrantInput>>,
}

/// A service token in a list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// The token.
    #[sqlx(flatten)]
    pub token: Token,
    /// Its grants: `set:project`, with `*` for all projects, spaces between.
    pub grants: Option<String>,
}

impl Listed {
    /// Its grants, a set once, in the order of their slugs.
    #[must_use]
    pub fn grants(&self) -> Vec<GrantInput> {
        let mut all: Vec<GrantInput> = Vec::new();
        let mut pairs: Vec<(&str, &str)> = self
            .grants
            .as_deref()
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pair| pair.split_once(':'))
            .collect();
        pairs.sort_unstable();
        for (set, project) in pairs {
            let known = all.iter().position(|grant| grant.permission_set == set);
            let place = known.unwrap_or(all.len());
            if known.is_none() {
                let none = Where::These(Vec::new());
                all.push(GrantInput { permission_set: set.to_owned(), projects: none });
            }
            let Some(grant) = all.get_mut(place) else { continue };
            match &mut grant.projects {
                _ if project == "*" => grant.projects = Where::All,
                Where::These(slugs) => slugs.push(project.to_owned()),
                Where::All => {}
            }
        }
        all
    }

    /// In which projects its grants hold, in words: sets that hold no permission
    /// of projects do not count.
    #[must_use]
    pub fn reach(&self, sets: &Sets) -> String {
        let (mut is_everywhere, mut named) = (false, BTreeSet::new());
        for grant in self.grants() {
            let inside = sets
                .find(&grant.permission_set)
                .is_some_and(|set| !set.permissions.only(Permissions::PROJECT).is_empty());
            match grant.projects {
                _ if !inside => {}
                Where::All => is_everywhere = true,
                Where::These(slugs) => named.extend(slugs),
            }
        }
        let some = match named.len() {
            1 => "1 project".to_owned(),
            many => format!("{many} projects"),
        };
        match (is_everywhere, named.is_empty()) {
            (true, true) => "All projects".to_owned(),
            (true, false) => format!("All projects, more in {some}"),
            (false, true) => "No projects".to_owned(),
            (false, false) => some,
        }
    }
}
