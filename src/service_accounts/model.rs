//! What a service account is.

use serde::{Deserialize, Serialize};

use crate::access::{Guarded, Home, Resource, Target};
use crate::platform::id::{ServiceAccountId, TeamId};
use crate::platform::text::{name, prose, words};
use crate::platform::{Error, Mistakes, Result, Timestamp};
use crate::teams::model::role;
use crate::tokens::model::{HoldsTokens, Lifetime, Overlap, check_end};

words! {
    /// Where an account works.
    Scope {
        /// In the organization: everywhere but restricted projects.
        Organization = "organization",
        /// In one team.
        Team = "team",
    }
}

words! {
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

/// A service account.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ServiceAccount {
    /// Its UID.
    pub id: ServiceAccountId,
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
    /// The team that it works in unless told otherwise.
    pub default_team: Option<String>,
    /// That team's name.
    pub default_team_name: Option<String>,
    /// Its permission set.
    pub role: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by_name: String,
    /// Counts its edits.
    pub version: i64,
    /// How many of its keys are not revoked.
    pub keys: i64,
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
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    id: ServiceAccountId,
    name: String,
    description: String,
    comment: String,
    scope: Scope,
    team: Option<String>,
    default_team: Option<String>,
    role: String,
    authentication: &'static str,
    status: Status,
    expires_at: Option<Timestamp>,
    allowed_addresses: [String; 0],
    self_rotation: bool,
    created_at: Timestamp,
    created_by: String,
}

impl ServiceAccount {
    /// Where it belongs.
    #[must_use]
    pub fn home(&self) -> Home {
        self.team_id.map_or(Home::Organization, Home::Team)
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
            authentication: "api_key",
            status: self.status(now),
            expires_at: self.expires_at,
            allowed_addresses: [],
            self_rotation: false,
            created_at: self.created_at,
            created_by: self.created_by_name.clone(),
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
    fn account(&self) -> ServiceAccountId {
        self.id
    }
}

/// The accounts of a home: making one there.
#[derive(Clone, Copy, Debug)]
pub struct AccountsOf(pub Home);

impl Guarded for AccountsOf {
    const RESOURCE: Resource = Resource::ServiceAccounts;
    fn target(&self) -> Target {
        Target::ServiceAccounts(self.0)
    }
}

/// A service account to be made, as typed or sent.
#[derive(Clone, Debug)]
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
    pub expires_at: Lifetime,
    /// The first key's name.
    pub key_name: String,
    /// When the first key ends.
    pub key_expires_at: Lifetime,
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
    /// The first key's name.
    pub key_name: String,
    /// The first key's end.
    pub key_expires_at: Option<Timestamp>,
}

impl NewAccount {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, now: Timestamp) -> Result<CheckedAccount> {
        let mut mistakes = Mistakes::default();
        let checked_name = mistakes.check("name", name(&self.name));
        let description = mistakes.check("description", prose(&self.description, 500));
        let comment = mistakes.check("comment", prose(&self.comment, 2000));
        let scope: Option<Scope> = mistakes.check("scope", self.scope.parse());
        let (field, team, other, refused) = match scope {
            Some(Scope::Team) => ("team", &self.team, &self.default_team, "default_team"),
            _ => ("default_team", &self.default_team, &self.team, "team"),
        };
        if scope.is_some() && team.trim().is_empty() {
            mistakes.add(field, "is needed");
        }
        if scope.is_some() && !other.trim().is_empty() {
            mistakes.add(refused, format!("does not go with scope {}", self.scope));
        }
        let role = mistakes.check("role", role(&self.role));
        let expires_at = check_end(&mut mistakes, "expires_at", self.expires_at.clone(), now);
        let key_name = mistakes.check("key.name", name(&self.key_name));
        let key_expires_at = check_end(&mut mistakes, "key.expires_at", self.key_expires_at.clone(), now);
        match (checked_name, description, comment, scope, role, key_name) {
            (Some(name), Some(description), Some(comment), Some(scope), Some(role), Some(key_name))
                if mistakes.is_empty() =>
            {
                let team = team.trim().to_owned();
                Ok(CheckedAccount {
                    name,
                    description,
                    comment,
                    scope,
                    team,
                    role,
                    expires_at,
                    key_name,
                    key_expires_at,
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
    /// A new default team.
    pub default_team: Option<String>,
    /// A new end, or none.
    pub expires_at: Option<Lifetime>,
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
}

impl AccountEdit {
    /// Checks every field, over what the account has.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, account: &ServiceAccount, now: Timestamp) -> Result<CheckedEdit> {
        let or = |edit: &Option<String>, was: &str| edit.clone().unwrap_or_else(|| was.to_owned());
        let mut mistakes = Mistakes::default();
        let name = mistakes.check("name", name(&or(&self.name, &account.name)));
        let description =
            mistakes.check("description", prose(&or(&self.description, &account.description), 500));
        let comment = mistakes.check("comment", prose(&or(&self.comment, &account.comment), 2000));
        let role = mistakes.check("role", role(&or(&self.role, &account.role)));
        // An end that has passed may stay as it is; a new one lies ahead.
        let expires_at = match &self.expires_at {
            Some(end) if *end != Ok(account.expires_at) => {
                check_end(&mut mistakes, "expires_at", end.clone(), now)
            }
            _ => account.expires_at,
        };
        if self.default_team.is_some() && account.scope == Scope::Team {
            mistakes.add("default_team", "does not go with scope team");
        }
        match (name, description, comment, role) {
            (Some(name), Some(description), Some(comment), Some(role)) if mistakes.is_empty() => {
                Ok(CheckedEdit { name, description, comment, role, expires_at })
            }
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

/// How a key is regenerated.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// A new end; without one the new value lasts as long as the old one was made for.
    pub expires_at: Option<Timestamp>,
    /// How long the old value lives on: `1h`, `24h` or `7d`.
    pub overlap: Option<String>,
}

impl Renewal {
    /// Checks both.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(&self, now: Timestamp) -> Result<(Option<Timestamp>, Option<Overlap>)> {
        let mut mistakes = Mistakes::default();
        let end = check_end(&mut mistakes, "expires_at", Ok(self.expires_at), now);
        let overlap = self.overlap.as_deref().map(str::parse).transpose();
        let overlap = mistakes.check("overlap", overlap).flatten();
        mistakes.none()?;
        Ok((end, overlap))
    }
}
