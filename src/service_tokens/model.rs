//! Types of service tokens and their forms. No I/O.
//!
//! The token itself is a [`Token`] like any other; these types add its grants. A permission set occurs once
//! per token, for all projects or for a list of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Permissions, Resource, Sets, Target};
use crate::platform::id::OrganizationId;
use crate::tokens::model::{Lifetime, Token, TokenHolder, TokenOwner};

/// The service tokens of the organization, as the target of decisions, and the holder of new ones.
#[derive(Clone, Copy, Debug)]
pub struct ServiceTokens(pub OrganizationId);

impl Guarded for ServiceTokens {
    const RESOURCE: Resource = Resource::ServiceTokens;
    fn target(&self) -> Target {
        Target::Organization
    }
}

impl TokenHolder for ServiceTokens {
    fn owner(&self) -> TokenOwner {
        TokenOwner::ServiceToken(self.0)
    }
}

/// The projects of a grant in a form or in the API: `"all"` or a list of slugs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Where {
    /// All projects, including those created later.
    #[default]
    All,
    /// The projects with these slugs.
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

/// A grant in a form or in the API.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantInput {
    /// Slug of the permission set.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub permission_set: String,
    /// The projects that the grant is for.
    #[serde(default)]
    pub projects: Where,
}

/// A service token that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default)]
pub struct NewServiceToken {
    /// Name, not yet trimmed or checked.
    pub name: String,
    /// Description, not yet checked.
    pub description: String,
    /// The selected lifetime.
    pub lifetime: Lifetime,
    /// IP ranges from which the token can be used. Empty means any IP address.
    pub allowed_addresses: String,
    /// The grants that the token will hold, at most 20.
    pub grants: Vec<GrantInput>,
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default)]
pub struct ServiceTokenEdit {
    /// New name; `None` keeps the current one.
    pub name: Option<String>,
    /// New description; `None` keeps the current one.
    pub description: Option<String>,
    /// New IP ranges; `None` keeps the current ones.
    pub allowed_addresses: Option<String>,
    /// All grants of the token; they replace the current ones. `None` keeps those.
    pub grants: Option<Vec<GrantInput>>,
}

/// A service token with its grants, as lists and pages show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ServiceTokenRow {
    /// The row of the token.
    #[sqlx(flatten)]
    pub token: Token,
    /// The grants as stored text: `set:project` pairs separated by spaces, with `*` for all projects. `None`
    /// if there are none.
    pub grants: Option<String>,
    /// The name as the list is sorted by it.
    pub sort_name: String,
}

impl ServiceTokenRow {
    /// Parses the grants. Each permission set occurs once; they are sorted by slug.
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

    /// The number of projects that the token can reach, in words. Permission sets without project permissions
    /// do not count.
    #[must_use]
    pub fn reach(&self, sets: &Sets) -> String {
        let (mut is_everywhere, mut named) = (false, BTreeSet::new());
        for grant in self.grants() {
            let inside = sets
                .find(&grant.permission_set)
                .is_some_and(|set| !set.permissions.intersection(Permissions::PROJECT).is_empty());
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
