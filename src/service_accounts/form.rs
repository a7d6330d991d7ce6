//! The form of a service account: what it offers, what was typed.

use super::model::{AccountEdit, NewAccount, ServiceAccount};
use crate::access::{Gift, Home, PermissionSet, built_in_sets, may, may_give};
use crate::identity::{App, Caller};
use crate::platform::web::Form;
use crate::platform::web::paging::Page;
use crate::platform::{Result, Timestamp};
use crate::teams;
use crate::teams::model::Team;
use crate::tokens::model::{Lifetime, chosen};

use super::model::AccountsOf;

/// What was typed, to be shown again.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// *Name*.
    pub name: String,
    /// *Description*.
    pub description: String,
    /// *Comment*.
    pub comment: String,
    /// *Scope*.
    pub scope: String,
    /// *Team*.
    pub team: String,
    /// *Default team*.
    pub default_team: String,
    /// *Role*.
    pub role: String,
    /// *Lifetime*.
    pub lifetime: String,
    /// The date beside it.
    pub lifetime_date: String,
    /// *Key lifetime*.
    pub key_lifetime: String,
    /// The date beside it.
    pub key_lifetime_date: String,
    /// The version that an edit started from.
    pub version: String,
    /// The form's nonce.
    pub nonce: String,
}

impl Typed {
    /// Reads a form.
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
            lifetime: form.text("lifetime"),
            lifetime_date: form.text("lifetime_date"),
            key_lifetime: form.text("key_lifetime"),
            key_lifetime_date: form.text("key_lifetime_date"),
            version: form.text("version"),
            nonce: form.text("nonce"),
        }
    }

    /// An account's own values.
    #[must_use]
    pub fn of(account: &ServiceAccount) -> Self {
        Self {
            name: account.name.clone(),
            description: account.description.clone(),
            comment: account.comment.clone(),
            default_team: account.default_team.clone().unwrap_or_default(),
            role: account.role.clone(),
            lifetime: "keep".to_owned(),
            version: account.version.to_string(),
            ..Self::default()
        }
    }

    /// As the action takes it. Both team fields are on the page; the scope says
    /// which one counts.
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
            expires_at: chosen(&self.lifetime, &self.lifetime_date, now),
            key_name: "default".to_owned(),
            key_expires_at: chosen(&self.key_lifetime, &self.key_lifetime_date, now),
        }
    }

    /// As the action takes it.
    #[must_use]
    pub fn edit(&self, account: &ServiceAccount, now: Timestamp) -> AccountEdit {
        let organization = account.home() == Home::Organization;
        let end: Option<Lifetime> =
            (self.lifetime != "keep").then(|| chosen(&self.lifetime, &self.lifetime_date, now));
        AccountEdit {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            comment: Some(self.comment.clone()),
            role: Some(self.role.clone()),
            default_team: organization.then(|| self.default_team.clone()),
            expires_at: end,
            version: self.version.parse().ok(),
        }
    }
}

/// What the form offers the caller.
#[derive(Clone, Debug)]
pub struct Choices {
    /// Teams in which the caller may make accounts.
    pub own_teams: Vec<Team>,
    /// Teams that can be a default.
    pub teams: Vec<Team>,
    /// Roles that the caller may give.
    pub roles: Vec<&'static PermissionSet>,
    /// Whether the caller may make accounts of the organization.
    pub organization: bool,
}

impl Choices {
    /// For this caller; with `home`, roles for an account there.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn of(app: &App, caller: &Caller, home: Option<Home>) -> Result<Self> {
        let all = Page { limit: 500, after: None, before: None };
        let teams = teams::actions::list(app, caller, "", &all).await?.rows;
        let may_in = |home: Home| may(&caller.subject, &AccountsOf(home));
        let own_teams: Vec<Team> = teams.iter().filter(|team| may_in(Home::Team(team.id))).cloned().collect();
        let organization = may_in(Home::Organization);
        let homes: Vec<Home> = match home {
            Some(home) => vec![home],
            None => organization
                .then_some(Home::Organization)
                .into_iter()
                .chain(own_teams.iter().map(|team| Home::Team(team.id)))
                .collect(),
        };
        let gives = |set: &PermissionSet| {
            homes.iter().any(|home| may_give(&caller.subject, &Gift::role_of_account(set, *home)).is_ok())
        };
        let roles = built_in_sets().iter().filter(|set| gives(set)).collect();
        Ok(Self { own_teams, teams, roles, organization })
    }

    /// Whether the caller may make any account at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.organization || !self.own_teams.is_empty()
    }
}
