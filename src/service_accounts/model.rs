//! Types of service accounts and their forms, with the checks of every field. No I/O.
//!
//! `actions` authorizes a write on these types, because they implement [`Guarded`], and `store` writes only
//! checked fields ([`ValidAccount`], [`ValidAccountEdit`]). A team-scoped account never becomes
//! organization-scoped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{
    AccountScope, Guarded, IpAllowList, PrincipalId, Resource, Sets, Subject, Target, TokenKind, can_see_team,
};
use crate::platform::id::{IdentityProviderId, OrganizationId, ServiceAccountId, TeamId};
use crate::platform::text::{UpTo, choose, multiline_text, name, name_of, string_enum};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals::{Effect, OrganizationFacts};
use crate::teams::model::{SECRET_TEAM, role};
use crate::tokens::model::{Lifetime, NewToken, TokenHolder, TokenInput, TokenOwner, check_end};

string_enum! {
    /// Where an account belongs, which limits the projects that it can reach.
    Scope {
        /// The organization. The account reaches all projects except restricted ones that no grant names it
        /// in.
        Organization = "organization",
        /// One team.
        Team = "team",
    }
}

string_enum! {
    /// Status of an account at a point in time.
    Status {
        /// The account can authenticate.
        Active = "active",
        /// Somebody disabled the account. This takes precedence over `Expired`.
        Disabled = "disabled",
        /// The time in `expires_at` has passed.
        Expired = "expired",
    }
}

string_enum! {
    /// How an account authenticates. This is fixed when the account is created.
    Authentication {
        /// With API keys that Tessera issues.
        ApiKey = "api_key",
        /// With JWTs of an identity provider. Tessera stores no secret for the account.
        Federated = "federated",
    }
}

/// A row of `service_accounts` that is not deleted, with its teams, its identity provider and a summary of
/// its keys.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ServiceAccount {
    /// UID, such as `sa_01k…`.
    pub id: ServiceAccountId,
    /// The organization that the account belongs to.
    pub organization_id: OrganizationId,
    /// Display name. Unique among the existing accounts of the organization, compared with case folding.
    pub name: String,
    /// Description, at most 500 characters; may be empty.
    pub description: String,
    /// Internal notes, at most 2,000 characters; may be empty.
    pub comment: String,
    /// Whether the account belongs to the organization or to a team.
    pub scope: Scope,
    /// Id of the account's team. `None` for an account of the organization.
    pub team_id: Option<TeamId>,
    /// Slug of that team. `None` also if the reader is not allowed to know the team (see
    /// [`ServiceAccount::seen_by`]).
    pub team: Option<String>,
    /// Display name of that team.
    pub team_name: Option<String>,
    /// Whether that team is secret. `None` if the account has no team.
    pub team_is_secret: Option<bool>,
    /// Id of the default team, in which the account works if a request names none. `None` for an account of a
    /// team.
    pub default_team_id: Option<TeamId>,
    /// Slug of the default team. `None` also if the reader is not allowed to know the team.
    pub default_team: Option<String>,
    /// Whether the default team is secret. `None` if there is none.
    pub default_team_is_secret: Option<bool>,
    /// Display name of the default team.
    pub default_team_name: Option<String>,
    /// Slug of the permission set that the account holds for all projects.
    pub role: String,
    /// End of the account's lifetime. `None` means that it does not expire.
    pub expires_at: Option<Timestamp>,
    /// Time at which the account was disabled. `None` while it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// IP ranges from which the account's keys can be used, one per line. Empty means any IP address.
    pub allowed_addresses: String,
    /// Whether a key of the account can rotate itself through the API.
    pub self_rotation: bool,
    /// How the account authenticates.
    pub authentication: Authentication,
    /// Id of the identity provider. `None` if the account uses API keys.
    pub identity_provider_id: Option<IdentityProviderId>,
    /// Display name of the identity provider.
    pub identity_provider: Option<String>,
    /// The `sub` claim that the JWT must have. `None` if the conditions alone identify the account.
    pub identity_subject: Option<String>,
    /// Further claims and their required values, as a JSON object.
    pub identity_conditions: String,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Name of the creator at the time of creation.
    pub created_by_name: String,
    /// Id of the creator; empty if it is unknown.
    pub created_by: String,
    /// Version for optimistic locking; increases with every edit.
    pub version: i64,
    /// Number of keys that are not revoked. Lists count at most 20.
    pub keys: UpTo<20>,
    /// The earliest expiry among the keys that are still valid. `None` if none of them expires.
    pub next_end: Option<Timestamp>,
    /// Last use of any of the account's tokens, accurate to a minute.
    pub last_used_at: Option<Timestamp>,
    /// IP address of the last use.
    pub last_used_address: Option<String>,
    /// Whether the caller is allowed to manage the account. Set only in lists.
    #[sqlx(skip)]
    pub manageable: bool,
}

/// A service account in API responses.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct AccountView {
    id: ServiceAccountId,
    name: String,
    description: String,
    comment: String,
    scope: Scope,
    team: Option<String>,
    default_team: Option<String>,
    role: String,
    authentication: Authentication,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityView>,
    status: Status,
    expires_at: Option<Timestamp>,
    allowed_addresses: Vec<String>,
    self_rotation: bool,
    created_at: Timestamp,
    created_by: String,
    created_by_id: Option<String>,
}

/// A federated identity in API responses.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct IdentityView {
    provider: IdentityProviderId,
    subject: Option<String>,
    conditions: BTreeMap<String, String>,
}

impl ServiceAccount {
    /// Parses the claims that are required besides the subject.
    #[must_use]
    pub fn conditions(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.identity_conditions).unwrap_or_default()
    }

    /// What the account belongs to, as the access rules take it.
    #[must_use]
    pub fn account_scope(&self) -> AccountScope {
        self.team_id.map_or(AccountScope::Organization, AccountScope::Team)
    }

    /// The status at the time `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if self.disabled_at.is_some() {
            Status::Disabled
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// Removes the slugs of teams that this reader is not allowed to know, and replaces their names.
    #[must_use]
    pub fn seen_by(mut self, reader: &Subject) -> Self {
        let hidden = |team: Option<TeamId>, secret: Option<bool>| {
            team.is_some_and(|team| !can_see_team(reader, team, secret == Some(true)))
        };
        if hidden(self.team_id, self.team_is_secret) {
            self.team = None;
            self.team_name = Some(SECRET_TEAM.to_owned());
        }
        if hidden(self.default_team_id, self.default_team_is_secret) {
            self.default_team = None;
            self.default_team_name = Some(SECRET_TEAM.to_owned());
        }
        self
    }

    /// The status at the time of the page (`Layout::now`), for templates. Without a time, the status at
    /// creation.
    #[must_use]
    pub fn status_at(&self, now: &Option<Timestamp>) -> Status {
        self.status(now.unwrap_or(self.created_at))
    }

    /// The account as API responses and audit events show it.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> AccountView {
        AccountView {
            id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            comment: self.comment.clone(),
            scope: self.scope,
            team: self.team.clone(),
            default_team: self.default_team.clone(),
            role: self.role.clone(),
            authentication: self.authentication,
            identity: self.identity_provider_id.map(|provider| IdentityView {
                provider,
                subject: self.identity_subject.clone(),
                conditions: self.conditions(),
            }),
            status: self.status(now),
            expires_at: self.expires_at,
            allowed_addresses: self.allowed_addresses.lines().map(str::to_owned).collect(),
            self_rotation: self.self_rotation,
            created_at: self.created_at,
            created_by: self.created_by_name.clone(),
            created_by_id: Some(self.created_by.clone()).filter(|id| !id.is_empty()),
        }
    }
}

impl Guarded for ServiceAccount {
    const RESOURCE: Resource = Resource::ServiceAccounts;
    fn target(&self) -> Target {
        Target::ServiceAccount(self.id, self.account_scope())
    }
}

impl TokenHolder for ServiceAccount {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Account(self.organization_id, self.id)
    }
}

/// Creating an account with this scope, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct AccountCreation {
    /// What the new account will belong to.
    pub scope: AccountScope,
    /// Whether the organization's policy allows only owners (among people) to create accounts.
    pub owners_only: bool,
}

impl AccountCreation {
    /// The creation of an account with this scope, with what the organization's policy says about it.
    #[must_use]
    pub const fn under(organization: &OrganizationFacts, scope: AccountScope) -> Self {
        Self { scope, owners_only: !organization.policy.team_admins_create_accounts }
    }
}

impl Guarded for AccountCreation {
    const RESOURCE: Resource = Resource::ServiceAccounts;
    fn target(&self) -> Target {
        Target::NewServiceAccount { scope: self.scope, owners_only: self.owners_only }
    }
}

/// Moving an account to this scope, as the target of decisions.
#[derive(Clone, Copy, Debug)]
pub struct AccountsOf(pub AccountScope);

impl Guarded for AccountsOf {
    const RESOURCE: Resource = Resource::ServiceAccounts;
    fn target(&self) -> Target {
        Target::ServiceAccounts(self.0)
    }
}

/// A federated identity, as submitted by a form or the API.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityInput {
    /// Id or name of the identity provider.
    #[serde(default)]
    pub provider: String,
    /// The `sub` claim of the JWT. It can be left out if there are conditions.
    #[serde(default)]
    pub subject: String,
    /// Claims of the JWT besides the subject, and the exact values that they must have. At most 20.
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
}

/// A checked federated identity. Only the provider has not been looked up yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Id or name of the identity provider.
    pub provider: String,
    /// The `sub` claim. Empty if the conditions alone identify the account.
    pub subject: String,
    /// Claims besides the subject, and the exact values that they must have.
    pub conditions: BTreeMap<String, String>,
}

impl IdentityInput {
    fn check(&self, errors: &mut ValidationErrors) -> Option<Identity> {
        let before = errors.all().len();
        let provider = self.provider.trim().to_owned();
        if provider.is_empty() {
            errors.add("identity.provider", choose("identity provider"));
        }
        // A subject is not required for CI systems whose subject changes with every branch; conditions then
        // identify the account.
        let by_conditions = self.subject.trim().is_empty() && !self.conditions.is_empty();
        let subject = if by_conditions {
            Some(String::new())
        } else {
            errors.check("identity.subject", name_of("subject", &self.subject))
        };
        if self.conditions.len() > 20 {
            errors.add("identity.conditions", "Enter at most 20 conditions.");
        }
        let starred = |text: &str| text.contains('*');
        if starred(&self.subject) || self.conditions.values().any(|value| starred(value)) {
            let message = "Remove “*”, which is not a wildcard here. Leave the subject empty and enter conditions instead.";
            errors.add("identity.subject", message);
        }
        let mut conditions = BTreeMap::new();
        for (claim, value) in &self.conditions {
            let claim = claim.trim();
            if matches!(claim, "" | "iss" | "sub" | "aud" | "exp" | "nbf" | "iat") {
                errors.add(
                    "identity.conditions",
                    format!("“{claim}” cannot be a condition. Use another claim, like repository."),
                );
            }
            if let Some(value) = errors.check("identity.conditions", name_of("condition value", value)) {
                conditions.insert(claim.to_owned(), value);
            }
        }
        let subject = subject?;
        (errors.all().len() == before).then_some(Identity { provider, subject, conditions })
    }
}

/// A service account that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// Name, not yet trimmed or checked.
    pub name: String,
    /// Description, not yet checked.
    pub description: String,
    /// Internal notes, not yet checked.
    pub comment: String,
    /// `organization` or `team`.
    pub scope: String,
    /// Slug of the team. Required for scope `team`, otherwise empty.
    pub team: String,
    /// Slug of the default team. Required for scope `organization`, otherwise empty.
    pub default_team: String,
    /// Slug of the permission set that the account will hold for all projects.
    pub role: String,
    /// Lifetime of the account. Without a selection, it does not expire.
    pub lifetime: Lifetime,
    /// IP ranges from which the account's keys can be used; unrestricted if empty.
    pub allowed_addresses: String,
    /// Whether a key of the account can rotate itself through the API.
    pub self_rotation: bool,
    /// `api_key` or `federated`.
    pub authentication: String,
    /// The first key. Used for `api_key` only.
    pub key: TokenInput,
    /// The federated identity. Used for `federated` only.
    pub identity: IdentityInput,
}

/// The checked fields of a new account.
#[derive(Clone, Debug)]
pub struct ValidAccount {
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters.
    pub description: String,
    /// Internal notes, at most 2,000 characters.
    pub comment: String,
    /// Whether the account belongs to the organization or to a team.
    pub scope: Scope,
    /// Slug of the account's team or, for scope `organization`, of its default team.
    pub team: String,
    /// Slug of an existing permission set.
    pub role: String,
    /// End of the account's lifetime. `None` means that it does not expire.
    pub expires_at: Option<Timestamp>,
    /// IP ranges from which the account's keys can be used; unrestricted if empty.
    pub allowed_addresses: IpAllowList,
    /// Whether a key of the account can rotate itself through the API.
    pub self_rotation: bool,
    /// The first key or the federated identity.
    pub credential: Credential,
}

/// How a new account will authenticate.
#[derive(Clone, Debug)]
pub enum Credential {
    /// With this API key, which is created together with the account.
    Key(NewToken),
    /// With JWTs of an identity provider.
    Federated(Identity),
}

impl NewAccount {
    /// Checks every field, also those of the key or the federated identity.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, organization: &OrganizationFacts, now: Timestamp) -> Result<ValidAccount> {
        let mut errors = ValidationErrors::default();
        let checked_name = errors.check("name", name(&self.name));
        let description = errors.check("description", multiline_text("description", &self.description, 500));
        let comment = errors.check("comment", multiline_text("comment", &self.comment, 2000));
        let scope: Option<Scope> = errors.check("scope", self.scope.parse());
        let (field, team, other, refused) = match scope {
            Some(Scope::Team) => ("team", &self.team, &self.default_team, "default_team"),
            _ => ("default_team", &self.default_team, &self.team, "team"),
        };
        if scope.is_some() && team.trim().is_empty() {
            errors.add(field, choose(&field.replace('_', " ")));
        }
        if scope.is_some() && !other.trim().is_empty() {
            errors.add(
                refused,
                format!(
                    "Leave the {} empty. It does not apply to the scope “{}”.",
                    refused.replace('_', " "),
                    self.scope
                ),
            );
        }
        let role = errors.check("role", role(&organization.sets, &self.role));
        let expires_at = check_end(&mut errors, "expires_at", &self.lifetime, now).flatten();
        let addresses = errors.check("allowed_addresses", IpAllowList::parse(&self.allowed_addresses));
        let credential = match errors.check("authentication", self.authentication.parse()) {
            Some(Authentication::ApiKey) => {
                let of = (&organization.policy, TokenKind::ServiceAccount);
                self.key.check_under(&mut errors, "key.", of, now).map(Credential::Key)
            }
            Some(Authentication::Federated) => self.identity.check(&mut errors).map(Credential::Federated),
            None => None,
        };
        let team = team.trim().to_owned();
        match (checked_name, description, comment, scope, role, addresses, credential) {
            (
                Some(name),
                Some(description),
                Some(comment),
                Some(scope),
                Some(role),
                Some(allowed_addresses),
                Some(credential),
            ) if errors.is_empty() => {
                let self_rotation = self.self_rotation;
                Ok(ValidAccount {
                    name,
                    description,
                    comment,
                    scope,
                    team,
                    role,
                    expires_at,
                    allowed_addresses,
                    self_rotation,
                    credential,
                })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

/// Fields of an edit. `None` keeps the current value.
#[derive(Clone, Debug, Default)]
pub struct AccountEdit {
    /// New name; `None` keeps the current one.
    pub name: Option<String>,
    /// New description; `None` keeps the current one.
    pub description: Option<String>,
    /// New internal notes; `None` keeps the current ones.
    pub comment: Option<String>,
    /// Slug of the new role; `None` keeps the current one.
    pub role: Option<String>,
    /// New scope. The only possible change is from `organization` to `team`.
    pub scope: Option<String>,
    /// Slug of the new team. Required if the scope becomes `team`.
    pub team: Option<String>,
    /// Slug of a new default team; `None` keeps the current one.
    pub default_team: Option<String>,
    /// New lifetime; `None` keeps the current one.
    pub lifetime: Option<Lifetime>,
    /// New IP ranges for the account's keys; `None` keeps the current ones.
    pub allowed_addresses: Option<String>,
    /// Whether keys can rotate themselves; `None` keeps the current setting.
    pub self_rotation: Option<bool>,
    /// New federated identity; `None` keeps the current one.
    pub identity: Option<IdentityInput>,
    /// The version that the editor saw. If it differs from the current one, the edit is rejected. `None`
    /// skips this check.
    pub version: Option<i64>,
}

/// The checked fields of an edit, including those that stay the same.
#[derive(Clone, Debug)]
pub struct ValidAccountEdit {
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters.
    pub description: String,
    /// Internal notes, at most 2,000 characters.
    pub comment: String,
    /// Slug of the role.
    pub role: String,
    /// End of the account's lifetime. `None` means that it does not expire.
    pub expires_at: Option<Timestamp>,
    /// IP ranges from which the account's keys can be used; unrestricted if empty.
    pub allowed_addresses: IpAllowList,
    /// Whether a key of the account can rotate itself through the API.
    pub self_rotation: bool,
    /// Slug of the team that the account moves to. `None` if the scope does not change.
    pub into_team: Option<String>,
    /// New federated identity. `None` keeps the current one.
    pub identity: Option<Identity>,
}

impl ValidAccountEdit {
    /// The effect of the edit on access. A later expiry, other IP ranges or another identity let somebody use
    /// everything that the account holds. Another role or team only gives the account itself more.
    #[must_use]
    pub fn effect(&self, account: &ServiceAccount) -> Effect {
        let is_longer = match (account.expires_at, self.expires_at) {
            (Some(was), Some(end)) => end > was,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let is_elsewhere = self.allowed_addresses.lines() != account.allowed_addresses;
        let principal = PrincipalId::ServiceAccount(account.id);
        if is_longer || is_elsewhere || self.identity.is_some() {
            Effect::Credential(principal, None)
        } else {
            Effect::Principal(principal)
        }
    }
}

impl AccountEdit {
    /// Checks every field. Fields that the edit leaves out are taken from the account.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(&self, account: &ServiceAccount, sets: &Sets, now: Timestamp) -> Result<ValidAccountEdit> {
        let or = |edit: &Option<String>, was: &str| edit.clone().unwrap_or_else(|| was.to_owned());
        let mut errors = ValidationErrors::default();
        let name = errors.check("name", name(&or(&self.name, &account.name)));
        let description = errors.check(
            "description",
            multiline_text("description", &or(&self.description, &account.description), 500),
        );
        let comment =
            errors.check("comment", multiline_text("comment", &or(&self.comment, &account.comment), 2000));
        let role = match &self.role {
            Some(text) if *text != account.role => errors.check("role", role(sets, text)),
            _ => Some(account.role.clone()),
        };
        // An expiry that has passed can stay as it is. A new one must be in the future.
        let expires_at = match &self.lifetime {
            Some(Lifetime::Until(end)) if Some(*end) == account.expires_at => account.expires_at,
            Some(lifetime) => check_end(&mut errors, "expires_at", lifetime, now).flatten(),
            None => account.expires_at,
        };
        let addresses = or(&self.allowed_addresses, &account.allowed_addresses);
        let addresses = errors.check("allowed_addresses", IpAllowList::parse(&addresses));
        let scope = match &self.scope {
            Some(text) => errors.check("scope", text.parse::<Scope>()),
            None => Some(account.scope),
        };
        let into_team = match (account.scope, scope) {
            (Scope::Team, Some(Scope::Organization)) => {
                errors.add(
                    "scope",
                    "Keep the scope “team”. With the scope “organization”, existing keys would get access to the projects \
                     of every team. Create another account with that scope.",
                );
                None
            }
            (Scope::Organization, Some(Scope::Team)) => {
                let team = self.team.as_deref().unwrap_or_default().trim().to_owned();
                if team.is_empty() {
                    errors.add("team", choose("team"));
                }
                Some(team)
            }
            _ => None,
        };
        let stays = |team: &Option<String>, was: &Option<String>| team.is_none() || team == was;
        if into_team.is_none() && !stays(&self.team, &account.team) {
            errors.add("team", "Keep the team. To use another one, create another account there.");
        }
        if self.default_team.is_some() && (account.scope == Scope::Team || into_team.is_some()) {
            errors
                .add("default_team", "Leave the default team empty. It does not apply to the scope “team”.");
        }
        let identity = match &self.identity {
            Some(_) if account.authentication == Authentication::ApiKey => {
                errors.add("identity", "Leave the identity empty. This account uses API keys.");
                None
            }
            Some(identity) => identity.check(&mut errors),
            None => None,
        };
        let self_rotation = self.self_rotation.unwrap_or(account.self_rotation);
        match (name, description, comment, role, addresses) {
            (Some(name), Some(description), Some(comment), Some(role), Some(allowed_addresses))
                if errors.is_empty() =>
            {
                Ok(ValidAccountEdit {
                    name,
                    description,
                    comment,
                    role,
                    expires_at,
                    allowed_addresses,
                    self_rotation,
                    into_team,
                    identity,
                })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}
