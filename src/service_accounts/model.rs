//! What a service account is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{
    AccountOwner, Guarded, IpAllowList, PrincipalId, Resource, Sets, Subject, Target, TokenKind, knows_team,
};
use crate::platform::id::{IdentityProviderId, OrganizationId, ServiceAccountId, TeamId};
use crate::platform::text::{UpTo, choose, multiline_text, name, name_of, string_enum};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals::{Effect, OrganizationFacts};
use crate::teams::model::{SECRET_TEAM, role};
use crate::tokens::model::{HoldsTokens, Lifetime, NewToken, TokenInput, TokenOwner, check_end};

string_enum! {
    /// Where an account works.
    Scope {
        /// In the organization: everywhere but restricted projects.
        Organization = "organization",
        /// In one team.
        Team = "team",
    }
}

string_enum! {
    /// How an account stands.
    Status {
        /// It works.
        Active = "active",
        /// Somebody switched it off.
        Disabled = "disabled",
        /// Its time is over.
        Expired = "expired",
    }
}

string_enum! {
    /// How an account proves who it is.
    Authentication {
        /// By API keys, made here.
        ApiKey = "api_key",
        /// By the tokens of an identity provider; nothing secret is kept.
        Federated = "federated",
    }
}

/// A service account.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ServiceAccount {
    /// Its UID.
    pub id: ServiceAccountId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Unique in the organization among the living.
    pub name: String,
    /// One line.
    pub description: String,
    /// Notes of those who manage it.
    pub comment: String,
    /// Where it works.
    pub scope: Scope,
    /// Its team, where it is a team's.
    pub team_id: Option<TeamId>,
    /// That team's slug.
    pub team: Option<String>,
    /// That team's name.
    pub team_name: Option<String>,
    /// Whether that team is secret.
    pub team_is_secret: Option<bool>,
    /// The team that it works in unless told otherwise: its id.
    pub default_team_id: Option<TeamId>,
    /// That team's slug.
    pub default_team: Option<String>,
    /// Whether that team is secret.
    pub default_team_is_secret: Option<bool>,
    /// That team's name.
    pub default_team_name: Option<String>,
    /// Its permission set.
    pub role: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
    /// From where its keys may be used, a range a line; from anywhere when empty.
    pub allowed_addresses: String,
    /// Whether its keys may renew themselves.
    pub self_rotation: bool,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// The identity provider, where it is federated.
    pub identity_provider_id: Option<IdentityProviderId>,
    /// That provider's name.
    pub identity_provider: Option<String>,
    /// The `sub` of its tokens there.
    pub identity_subject: Option<String>,
    /// Further claims that must hold, as JSON.
    pub identity_conditions: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by_name: String,
    /// The id of who made it; empty where nobody is known.
    pub created_by: String,
    /// Counts its edits.
    pub version: i64,
    /// How many of its keys are not revoked.
    pub keys: UpTo<20>,
    /// The earliest end of those that still work.
    pub next_end: Option<Timestamp>,
    /// When one was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<String>,
    /// Whether the one who looks may manage it; said by lists only.
    #[sqlx(skip)]
    pub manageable: bool,
}

/// A service account as the API shows it.
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

/// An external identity as the API shows it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct IdentityView {
    provider: IdentityProviderId,
    subject: Option<String>,
    conditions: BTreeMap<String, String>,
}

impl ServiceAccount {
    /// The claims that must hold besides the subject.
    #[must_use]
    pub fn conditions(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.identity_conditions).unwrap_or_default()
    }

    /// Where it belongs.
    #[must_use]
    pub fn home(&self) -> AccountOwner {
        self.team_id.map_or(AccountOwner::Organization, AccountOwner::Team)
    }

    /// How it stands at `now`.
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

    /// As this reader may know it: the slug of a team that they may not know is
    /// left out.
    #[must_use]
    pub fn seen_by(mut self, reader: &Subject) -> Self {
        let hidden = |team: Option<TeamId>, secret: Option<bool>| {
            team.is_some_and(|team| !knows_team(reader, team, secret == Some(true)))
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

    /// How it stands on a page that knows the time.
    #[must_use]
    pub fn standing(&self, now: &Option<Timestamp>) -> Status {
        self.status(now.unwrap_or(self.created_at))
    }

    /// As JSON.
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
        Target::ServiceAccount(self.id, self.home())
    }
}

impl HoldsTokens for ServiceAccount {
    fn owner(&self) -> TokenOwner {
        TokenOwner::Account(self.organization_id, self.id)
    }
}

/// Creating an account in a home.
#[derive(Clone, Copy, Debug)]
pub struct AccountCreation {
    /// Where it will belong.
    pub home: AccountOwner,
    /// Whether the organization's policy lets no other person than owners do it.
    pub owners_only: bool,
}

impl AccountCreation {
    /// In this home, under the policy of this organization.
    #[must_use]
    pub const fn under(organization: &OrganizationFacts, home: AccountOwner) -> Self {
        Self { home, owners_only: !organization.policy.team_admins_create_accounts }
    }
}

impl Guarded for AccountCreation {
    const RESOURCE: Resource = Resource::ServiceAccounts;
    fn target(&self) -> Target {
        Target::NewServiceAccount { home: self.home, owners_only: self.owners_only }
    }
}

/// The accounts of a home: moving one there.
#[derive(Clone, Copy, Debug)]
pub struct AccountsOf(pub AccountOwner);

impl Guarded for AccountsOf {
    const RESOURCE: Resource = Resource::ServiceAccounts;
    fn target(&self) -> Target {
        Target::ServiceAccounts(self.0)
    }
}

/// An external identity, as typed or sent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityInput {
    /// The identity provider's id or name.
    #[serde(default)]
    pub provider: String,
    /// The `sub` of its tokens; may be left out where there are conditions.
    #[serde(default)]
    pub subject: String,
    /// Further claims that must have these values.
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
}

/// An external identity, checked but for its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The identity provider's id or name.
    pub provider: String,
    /// The `sub` of its tokens; empty where the conditions alone tell.
    pub subject: String,
    /// Further claims that must have these values.
    pub conditions: BTreeMap<String, String>,
}

impl IdentityInput {
    fn check(&self, mistakes: &mut ValidationErrors) -> Option<Identity> {
        let before = mistakes.all().len();
        let provider = self.provider.trim().to_owned();
        if provider.is_empty() {
            mistakes.add("identity.provider", choose("identity provider"));
        }
        // Told by conditions alone, as CI systems are whose subject changes with every branch.
        let by_conditions = self.subject.trim().is_empty() && !self.conditions.is_empty();
        let subject = if by_conditions {
            Some(String::new())
        } else {
            mistakes.check("identity.subject", name_of("subject", &self.subject))
        };
        if self.conditions.len() > 20 {
            mistakes.add("identity.conditions", "Enter at most 20 conditions.");
        }
        let starred = |text: &str| text.contains('*');
        if starred(&self.subject) || self.conditions.values().any(|value| starred(value)) {
            let message = "Remove “*”, which is not a wildcard here. Leave the subject empty and enter conditions instead.";
            mistakes.add("identity.subject", message);
        }
        let mut conditions = BTreeMap::new();
        for (claim, value) in &self.conditions {
            let claim = claim.trim();
            if matches!(claim, "" | "iss" | "sub" | "aud" | "exp" | "nbf" | "iat") {
                mistakes.add(
                    "identity.conditions",
                    format!("“{claim}” cannot be a condition. Use another claim, like repository."),
                );
            }
            if let Some(value) = mistakes.check("identity.conditions", name_of("condition value", value)) {
                conditions.insert(claim.to_owned(), value);
            }
        }
        let subject = subject?;
        (mistakes.all().len() == before).then_some(Identity { provider, subject, conditions })
    }
}

/// A service account to be made, as typed or sent.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// One line.
    pub description: String,
    /// Notes.
    pub comment: String,
    /// `organization` or `team`.
    pub scope: String,
    /// The team's slug, for `team`.
    pub team: String,
    /// The default team's slug, for `organization`.
    pub default_team: String,
    /// A permission set's slug.
    pub role: String,
    /// When the account ends.
    pub lifetime: Lifetime,
    /// From where its keys may be used.
    pub allowed_addresses: String,
    /// Whether its keys may renew themselves.
    pub self_rotation: bool,
    /// `api_key` or `federated`.
    pub authentication: String,
    /// The first key, for `api_key`.
    pub key: TokenInput,
    /// The external identity, for `federated`.
    pub identity: IdentityInput,
}

/// The fields of a new account, checked.
#[derive(Clone, Debug)]
pub struct CheckedAccount {
    /// Trimmed.
    pub name: String,
    /// Trimmed.
    pub description: String,
    /// Trimmed.
    pub comment: String,
    /// Where it works.
    pub scope: Scope,
    /// The slug of its team or default team.
    pub team: String,
    /// Its role.
    pub role: String,
    /// Its end.
    pub expires_at: Option<Timestamp>,
    /// From where its keys may be used.
    pub allowed_addresses: IpAllowList,
    /// Whether its keys may renew themselves.
    pub self_rotation: bool,
    /// Its first key or its external identity.
    pub credential: Credential,
}

/// How a new account proves who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// By an API key.
    Key(NewToken),
    /// By the tokens of an identity provider.
    Federated(Identity),
}

impl NewAccount {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, organization: &OrganizationFacts, now: Timestamp) -> Result<CheckedAccount> {
        let mut mistakes = ValidationErrors::default();
        let checked_name = mistakes.check("name", name(&self.name));
        let description =
            mistakes.check("description", multiline_text("description", &self.description, 500));
        let comment = mistakes.check("comment", multiline_text("comment", &self.comment, 2000));
        let scope: Option<Scope> = mistakes.check("scope", self.scope.parse());
        let (field, team, other, refused) = match scope {
            Some(Scope::Team) => ("team", &self.team, &self.default_team, "default_team"),
            _ => ("default_team", &self.default_team, &self.team, "team"),
        };
        if scope.is_some() && team.trim().is_empty() {
            mistakes.add(field, choose(&field.replace('_', " ")));
        }
        if scope.is_some() && !other.trim().is_empty() {
            mistakes.add(
                refused,
                format!(
                    "Leave the {} empty. It does not apply to the scope “{}”.",
                    refused.replace('_', " "),
                    self.scope
                ),
            );
        }
        let role = mistakes.check("role", role(&organization.sets, &self.role));
        let expires_at = check_end(&mut mistakes, "expires_at", &self.lifetime, now).flatten();
        let addresses = mistakes.check("allowed_addresses", IpAllowList::parse(&self.allowed_addresses));
        let credential = match mistakes.check("authentication", self.authentication.parse()) {
            Some(Authentication::ApiKey) => {
                let of = (&organization.policy, TokenKind::ServiceAccount);
                self.key.check_under(&mut mistakes, "key.", of, now).map(Credential::Key)
            }
            Some(Authentication::Federated) => self.identity.check(&mut mistakes).map(Credential::Federated),
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
            ) if mistakes.is_empty() => {
                let self_rotation = self.self_rotation;
                Ok(CheckedAccount {
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
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

/// What an edit changes; what is missing stays.
#[derive(Clone, Debug, Default)]
pub struct AccountEdit {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// New notes.
    pub comment: Option<String>,
    /// A new role.
    pub role: Option<String>,
    /// A new scope: only from `organization` to `team`.
    pub scope: Option<String>,
    /// The team, where the scope becomes `team`.
    pub team: Option<String>,
    /// A new default team.
    pub default_team: Option<String>,
    /// A new end, or none.
    pub lifetime: Option<Lifetime>,
    /// From where its keys may be used.
    pub allowed_addresses: Option<String>,
    /// Whether its keys may renew themselves.
    pub self_rotation: Option<bool>,
    /// A new external identity.
    pub identity: Option<IdentityInput>,
    /// The version that the editor saw.
    pub version: Option<i64>,
}

/// The fields of an edit, checked.
#[derive(Clone, Debug)]
pub struct CheckedEdit {
    /// Trimmed.
    pub name: String,
    /// Trimmed.
    pub description: String,
    /// Trimmed.
    pub comment: String,
    /// Its role.
    pub role: String,
    /// Its end.
    pub expires_at: Option<Timestamp>,
    /// From where its keys may be used.
    pub allowed_addresses: IpAllowList,
    /// Whether its keys may renew themselves.
    pub self_rotation: bool,
    /// The slug of the team that it moves into, where it becomes a team's.
    pub into_team: Option<String>,
    /// A new external identity.
    pub identity: Option<Identity>,
}

impl CheckedEdit {
    /// What the edit gives. A longer life, more addresses or another identity
    /// hand out everything that the account holds; another role or team gives
    /// the account itself more.
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
    /// Checks every field, over what the account has.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, account: &ServiceAccount, sets: &Sets, now: Timestamp) -> Result<CheckedEdit> {
        let or = |edit: &Option<String>, was: &str| edit.clone().unwrap_or_else(|| was.to_owned());
        let mut mistakes = ValidationErrors::default();
        let name = mistakes.check("name", name(&or(&self.name, &account.name)));
        let description = mistakes.check(
            "description",
            multiline_text("description", &or(&self.description, &account.description), 500),
        );
        let comment =
            mistakes.check("comment", multiline_text("comment", &or(&self.comment, &account.comment), 2000));
        let role = match &self.role {
            Some(text) if *text != account.role => mistakes.check("role", role(sets, text)),
            _ => Some(account.role.clone()),
        };
        // An end that has passed may stay as it is; a new one lies ahead.
        let expires_at = match &self.lifetime {
            Some(Lifetime::Until(end)) if Some(*end) == account.expires_at => account.expires_at,
            Some(lifetime) => check_end(&mut mistakes, "expires_at", lifetime, now).flatten(),
            None => account.expires_at,
        };
        let addresses = or(&self.allowed_addresses, &account.allowed_addresses);
        let addresses = mistakes.check("allowed_addresses", IpAllowList::parse(&addresses));
        let scope = match &self.scope {
            Some(text) => mistakes.check("scope", text.parse::<Scope>()),
            None => Some(account.scope),
        };
        let into_team = match (account.scope, scope) {
            (Scope::Team, Some(Scope::Organization)) => {
                mistakes.add(
                    "scope",
                    "Keep the scope “team”. With the scope “organization”, existing keys would get access to the projects \
                     of every team. Create another account with that scope.",
                );
                None
            }
            (Scope::Organization, Some(Scope::Team)) => {
                let team = self.team.as_deref().unwrap_or_default().trim().to_owned();
                if team.is_empty() {
                    mistakes.add("team", choose("team"));
                }
                Some(team)
            }
            _ => None,
        };
        let stays = |team: &Option<String>, was: &Option<String>| team.is_none() || team == was;
        if into_team.is_none() && !stays(&self.team, &account.team) {
            mistakes.add("team", "Keep the team. To use another one, create another account there.");
        }
        if self.default_team.is_some() && (account.scope == Scope::Team || into_team.is_some()) {
            mistakes
                .add("default_team", "Leave the default team empty. It does not apply to the scope “team”.");
        }
        let identity = match &self.identity {
            Some(_) if account.authentication == Authentication::ApiKey => {
                mistakes.add("identity", "Leave the identity empty. This account uses API keys.");
                None
            }
            Some(identity) => identity.check(&mut mistakes),
            None => None,
        };
        let self_rotation = self.self_rotation.unwrap_or(account.self_rotation);
        match (name, description, comment, role, addresses) {
            (Some(name), Some(description), Some(comment), Some(role), Some(allowed_addresses))
                if mistakes.is_empty() =>
            {
                Ok(CheckedEdit {
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
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}
