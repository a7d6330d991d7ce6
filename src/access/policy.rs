//! The policies of an organization: the lifetimes of tokens, who can create
//! service accounts, which permission sets a service token can carry, and from
//! which IP addresses its tokens work. They are stored as one JSON document;
//! a rule that is missing in it limits nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::addresses::{IpAllowList, ip_allowed};
use super::subject::TokenKind;

/// The lifetime of the tokens of a kind, in days.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifetimeRule {
    /// What a new token gets unless told otherwise; no end without it.
    pub default_days: Option<u32>,
    /// The most that it may get.
    pub max_days: Option<u32>,
}

/// The policies of an organization. What is missing is not limited.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Lifetimes by kind of token.
    pub lifetimes: BTreeMap<TokenKind, LifetimeRule>,
    /// Whether personal tokens work in this organization.
    pub personal_tokens: bool,
    /// Whether admins of teams make service accounts, or owners alone.
    pub team_admins_create_accounts: bool,
    /// The permission sets that service tokens may carry; all where it is missing.
    pub service_token_sets: Option<Vec<String>>,
    /// Addresses from which tokens of the organization are taken.
    pub allowed_addresses: IpAllowList,
    /// Addresses from which they are not.
    pub blocked_addresses: IpAllowList,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lifetimes: BTreeMap::new(),
            personal_tokens: true,
            team_admins_create_accounts: true,
            service_token_sets: None,
            allowed_addresses: IpAllowList::default(),
            blocked_addresses: IpAllowList::default(),
        }
    }
}

/// Presets for [`Policy::service_token_sets`], one for each dbt Cloud plan: the
/// display name and the slugs of the sets (`None` means all sets).
pub const PLANS: &[(&str, Option<&[&str]>)] = &[
    ("Enterprise", None),
    ("Developer and Starter", Some(&["semantic_layer_only"])),
    (
        "Team (legacy)",
        Some(&[
            "account_admin",
            "billing_admin",
            "job_admin",
            "member",
            "metadata_only",
            "read_only",
            "semantic_layer_only",
        ]),
    ),
];

impl Policy {
    /// The default and the maximum lifetime for tokens of this kind.
    #[must_use]
    pub fn lifetime(&self, kind: TokenKind) -> LifetimeRule {
        self.lifetimes.get(&kind).copied().unwrap_or_default()
    }

    /// Whether a service token may carry the set with this slug.
    #[must_use]
    pub fn carries(&self, set: &str) -> bool {
        self.service_token_sets.as_ref().is_none_or(|sets| sets.iter().any(|slug| slug == set))
    }

    /// What to tell somebody who chose a set that service tokens may not carry.
    #[must_use]
    pub fn not_carried(set: &str) -> String {
        format!("Choose another permission set. Service tokens of this organization cannot use “{set}”.")
    }

    /// Whether tokens of the organization can be used from this IP address
    /// (`None` if it is not known).
    #[must_use]
    pub fn ip_allowed(&self, ip: Option<IpAddr>) -> bool {
        ip_allowed(&self.allowed_addresses, &self.blocked_addresses, ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_back_and_nothing_said_limits_nothing() {
        assert_eq!(serde_json::from_str::<Policy>("{}").expect("read"), Policy::default());
        let mut policy = Policy { personal_tokens: false, ..Policy::default() };
        policy.lifetimes.insert(TokenKind::Team, LifetimeRule { default_days: Some(30), max_days: Some(90) });
        policy.service_token_sets = Some(vec!["member".to_owned()]);
        policy.allowed_addresses = IpAllowList::parse("10.0.0.0/8").expect("a range");
        let text = serde_json::to_string(&policy).expect("text");
        assert_eq!(serde_json::from_str::<Policy>(&text).expect("read"), policy);
        assert!(policy.carries("member") && !policy.carries("admin") && Policy::default().carries("admin"));
    }

    #[test]
    fn every_plan_names_sets_that_there_are() {
        for slug in PLANS.iter().filter_map(|(_, sets)| *sets).flatten() {
            assert!(super::super::built_in(slug).is_some(), "{slug}");
        }
    }
}
