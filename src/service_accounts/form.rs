//! The form that creates or edits a service account: the submitted values and the options of its selects.
//!
//! `pages` reads a request into [`AccountForm`], passes it to an action, and renders the form again with the same
//! values if the action reports errors.

use super::model::{AccountCreation, AccountEdit, Authentication, IdentityInput, NewAccount, ServiceAccount};
use crate::access::{AccountScope, Kind, PermissionSet, Policy, TokenKind, can_give_account_role, can_write};
use crate::callers::Caller;
use crate::identity_providers::model::IdentityProvider;
use crate::identity_providers::store as providers;
use crate::platform::web::Form;
use crate::platform::{Result, Timestamp};
use crate::state::AppState;
use crate::teams;
use crate::teams::model::Team;
use crate::tokens::model::{Lifetime, LifetimeChoice, TokenInput, choices, chosen};

/// The submitted form values, shown again after an error.
#[derive(Clone, Debug, Default)]
pub struct AccountForm {
    /// Value of the field *Name*.
    pub name: String,
    /// Value of the field *Description*.
    pub description: String,
    /// Value of the field *Comment*.
    pub comment: String,
    /// Value of the field *Scope*.
    pub scope: String,
    /// Value of the field *Team*.
    pub team: String,
    /// Value of the field *Default team*.
    pub default_team: String,
    /// Value of the field *Role*.
    pub role: String,
    /// Value of the field *Authentication method*.
    pub authentication: String,
    /// Value of the field *Identity provider*.
    pub provider: String,
    /// Value of the field *Subject*.
    pub subject: String,
    /// Value of the field *Conditions*: one `claim=value` per line.
    pub conditions: String,
    /// Value of the field *Lifetime*.
    pub lifetime: String,
    /// Date input beside *Lifetime*.
    pub lifetime_date: String,
    /// Value of the field *Key lifetime*.
    pub key_lifetime: String,
    /// Date input beside *Key lifetime*.
    pub key_lifetime_date: String,
    /// Value of the field *Allowed addresses*.
    pub allowed_addresses: String,
    /// Whether keys can rotate themselves.
    pub self_rotation: bool,
    /// The version of the account that the edit started from.
    pub version: String,
    /// The form's idempotency key.
    pub nonce: String,
}

impl AccountForm {
    /// Reads the submitted form.
    #[must_use]
    pub fn read(form: &Form) -> Self {
        Self {
            name: form.text("name"),
            description: form.text("description"),
            comment: form.text("comment"),
            scope: form.text("scope"),
            team: form.text("team"),
            default_team: form.text("default_team"),
            role: form.text("role"),
            authentication: form.filled("authentication").unwrap_or_else(|| "api_key".to_owned()),
            provider: form.text("provider"),
            subject: form.text("subject"),
            conditions: form.text("conditions"),
            lifetime: form.text("lifetime"),
            lifetime_date: form.text("lifetime_date"),
            key_lifetime: form.text("key_lifetime"),
            key_lifetime_date: form.text("key_lifetime_date"),
            allowed_addresses: form.text("allowed_addresses"),
            self_rotation: form.has("self_rotation"),
            version: form.text("version"),
            nonce: form.text("nonce"),
        }
    }

    /// The current values of an account, for the edit form.
    #[must_use]
    pub fn of(account: &ServiceAccount) -> Self {
        let conditions: Vec<String> =
            account.conditions().into_iter().map(|(claim, value)| format!("{claim}={value}")).collect();
        Self {
            name: account.name.clone(),
            description: account.description.clone(),
            comment: account.comment.clone(),
            scope: account.scope.to_string(),
            default_team: account.default_team.clone().unwrap_or_default(),
            role: account.role.clone(),
            lifetime: "keep".to_owned(),
            provider: account.identity_provider_id.map(|id| id.to_string()).unwrap_or_default(),
            subject: account.identity_subject.clone().unwrap_or_default(),
            conditions: conditions.join("\n"),
            allowed_addresses: account.allowed_addresses.clone(),
            self_rotation: account.self_rotation,
            version: account.version.to_string(),
            ..Self::default()
        }
    }

    /// Parses the fields of the federated identity.
    fn identity(&self) -> IdentityInput {
        let pairs = self.conditions.lines().map(str::trim).filter(|line| !line.is_empty());
        let pair = |line: &str| {
            let (claim, value) = line.split_once('=').unwrap_or((line, ""));
            (claim.trim().to_owned(), value.trim().to_owned())
        };
        IdentityInput {
            provider: self.provider.clone(),
            subject: self.subject.clone(),
            conditions: pairs.map(pair).collect(),
        }
    }

    /// Converts the form into the input of `actions::create`. The page contains both team fields; the scope
    /// determines which one counts.
    #[must_use]
    pub fn new_account(&self, now: Timestamp) -> NewAccount {
        let of_team = self.scope == "team";
        let only = |count: bool, slug: &str| if count { slug.to_owned() } else { String::new() };
        NewAccount {
            name: self.name.clone(),
            description: self.description.clone(),
            comment: self.comment.clone(),
            scope: self.scope.clone(),
            team: only(of_team, &self.team),
            default_team: only(!of_team, &self.default_team),
            role: self.role.clone(),
            lifetime: chosen(&self.lifetime, &self.lifetime_date, now),
            allowed_addresses: self.allowed_addresses.clone(),
            self_rotation: self.self_rotation,
            authentication: self.authentication.clone(),
            key: TokenInput {
                name: "default".to_owned(),
                lifetime: chosen(&self.key_lifetime, &self.key_lifetime_date, now),
                ..TokenInput::default()
            },
            identity: self.identity(),
        }
    }

    /// Converts the form into the input of `actions::edit`.
    #[must_use]
    pub fn edit(&self, account: &ServiceAccount, now: Timestamp) -> AccountEdit {
        let organization = account.account_scope() == AccountScope::Organization && self.scope != "team";
        let lifetime: Option<Lifetime> =
            (self.lifetime != "keep").then(|| chosen(&self.lifetime, &self.lifetime_date, now));
        AccountEdit {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            comment: Some(self.comment.clone()),
            role: Some(self.role.clone()).filter(|role| !role.is_empty()),
            scope: Some(self.scope.clone()).filter(|scope| !scope.is_empty()),
            team: (self.scope == "team" && account.account_scope() == AccountScope::Organization)
                .then(|| self.team.clone()),
            default_team: Some(self.default_team.clone()).filter(|team| organization && !team.is_empty()),
            lifetime,
            allowed_addresses: Some(self.allowed_addresses.clone()),
            self_rotation: Some(self.self_rotation),
            identity: (account.authentication == Authentication::Federated).then(|| self.identity()),
            version: self.version.parse().ok(),
        }
    }
}

/// The options that the form offers to the caller.
#[derive(Clone, Debug)]
pub struct Choices {
    /// Teams in which the caller is allowed to create accounts.
    pub own_teams: Vec<Team>,
    /// Teams that can be selected as the default team.
    pub teams: Vec<Team>,
    /// Roles that the caller is allowed to give.
    pub roles: Vec<PermissionSet>,
    /// Whether the caller is allowed to create accounts of the organization.
    pub organization: bool,
    /// Identity providers that a federated account can use.
    pub providers: Vec<IdentityProvider>,
    /// Options of *Lifetime*.
    pub lifetimes: Vec<LifetimeChoice>,
    /// Options of *Key lifetime*, within the organization's policy.
    pub key_lifetimes: Vec<LifetimeChoice>,
}

impl Choices {
    /// Loads the options for this caller. `scope` limits the roles to those that the caller can give to an
    /// account of that owner.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn of(app: &AppState, caller: &Caller, scope: Option<AccountScope>) -> Result<Self> {
        let teams = teams::actions::list_choices(&app.context, caller).await?;
        let policy = &caller.organization.policy;
        let may_in = |scope: AccountScope| Self::any_in(caller, scope);
        let own_teams: Vec<Team> =
            teams.iter().filter(|team| may_in(AccountScope::Team(team.id))).cloned().collect();
        let organization = may_in(AccountScope::Organization);
        let scopes: Vec<AccountScope> = match scope {
            Some(scope) => vec![scope],
            None => organization
                .then_some(AccountScope::Organization)
                .into_iter()
                .chain(own_teams.iter().map(|team| AccountScope::Team(team.id)))
                .collect(),
        };
        let gives = |set: &PermissionSet| {
            scopes.iter().any(|scope| can_give_account_role(&caller.subject, set, *scope))
        };
        let roles = caller.organization.sets.all().filter(|set| gives(set)).cloned().collect();
        let providers = providers::all(&app.context.db, caller.organization.id).await?;
        let now = app.context.clock.now();
        let lifetimes = choices(&Policy::default(), TokenKind::Access, now);
        let key_lifetimes = choices(policy, TokenKind::ServiceAccount, now);
        Ok(Self { own_teams, teams, roles, organization, providers, lifetimes, key_lifetimes })
    }

    /// Whether the caller is allowed to create an account anywhere. Computed from the caller's subject
    /// without reading the teams, for the buttons of lists.
    #[must_use]
    pub fn any_for(caller: &Caller) -> bool {
        let mut scopes = vec![AccountScope::Organization];
        if let Kind::Person { teams, .. } = &caller.subject.kind {
            scopes.extend(teams.iter().map(|(team, _)| AccountScope::Team(*team)));
        }
        scopes.into_iter().any(|scope| Self::any_in(caller, scope))
    }

    /// Whether the caller is allowed to create an account with this scope.
    #[must_use]
    pub fn any_in(caller: &Caller, scope: AccountScope) -> bool {
        can_write(&caller.subject, &AccountCreation::under(&caller.organization, scope))
    }

    /// Whether the caller is allowed to create any account.
    #[must_use]
    pub fn any(&self) -> bool {
        self.organization || !self.own_teams.is_empty()
    }
}
