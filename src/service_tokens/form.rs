//! The form of a service token: what was typed, its permissions one below the
//! other.

use super::model::{GrantInput, Listed, NewServiceToken, ServiceTokenEdit, Where};
use crate::access::{Level, Permission, PermissionSet, Resource, can_give_token_grant};
use crate::callers::Caller;
use crate::platform::web::Form;
use crate::platform::web::pagination::PageRequest;
use crate::platform::{Result, Timestamp};
use crate::projects::actions as projects;
use crate::projects::model::Project;
use crate::projects::store::Filter;
use crate::state::AppState;
use crate::tokens::model::chosen;

/// What was typed, to be shown again.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// *Name*.
    pub name: String,
    /// *Description*.
    pub description: String,
    /// *Lifetime*.
    pub lifetime: String,
    /// The date beside it.
    pub lifetime_date: String,
    /// *Allowed addresses*.
    pub allowed_addresses: String,
    /// The permissions.
    pub grants: Vec<GrantInput>,
    /// The form's nonce.
    pub nonce: String,
}

impl Typed {
    /// Reads a form: `set1`, `where1`, `project1` (several), `set2`, …
    #[must_use]
    pub fn read(form: &Form) -> Self {
        let rows = form.text("rows").parse::<usize>().unwrap_or(1).clamp(1, 20);
        let grants = (1..=rows).map(|row| {
            let these: Vec<String> = form.all(&format!("project{row}")).map(str::to_owned).collect();
            let all = form.text(&format!("where{row}")) != "some";
            GrantInput {
                permission_set: form.text(&format!("set{row}")),
                projects: if all { Where::All } else { Where::These(these) },
            }
        });
        Self {
            grants: grants.collect(),
            name: form.text("name"),
            description: form.text("description"),
            lifetime: form.text("lifetime"),
            lifetime_date: form.text("lifetime_date"),
            allowed_addresses: form.text("allowed_addresses"),
            nonce: form.text("nonce"),
        }
    }

    /// Carries out *Add another permission*, *Remove* and *Update the summary*,
    /// if one was used: the form is shown again, and nothing is stored.
    #[must_use]
    pub fn rearranged(&mut self, form: &Form) -> bool {
        if form.has("preview") {
            return true;
        }
        if form.has("add") {
            self.grants.push(GrantInput::default());
            return true;
        }
        let Some(row) = form.filled("remove").and_then(|row| row.parse::<usize>().ok()) else { return false };
        if self.grants.len() > 1 && (1..=self.grants.len()).contains(&row) {
            self.grants.remove(row - 1);
        }
        true
    }

    /// A token's own values.
    #[must_use]
    pub fn of(token: &Listed) -> Self {
        Self {
            name: token.token.name.clone(),
            description: token.token.description.clone(),
            allowed_addresses: token.token.allowed_addresses.clone(),
            grants: token.grants(),
            ..Self::default()
        }
    }

    /// As the action takes it.
    #[must_use]
    pub fn new_token(&self, now: Timestamp) -> NewServiceToken {
        NewServiceToken {
            name: self.name.clone(),
            description: self.description.clone(),
            lifetime: chosen(&self.lifetime, &self.lifetime_date, now),
            allowed_addresses: self.allowed_addresses.clone(),
            grants: self.grants.clone(),
        }
    }

    /// As the action takes it.
    #[must_use]
    pub fn edit(&self) -> ServiceTokenEdit {
        ServiceTokenEdit {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            allowed_addresses: Some(self.allowed_addresses.clone()),
            grants: Some(self.grants.clone()),
        }
    }

    /// Whether a grant names the project.
    #[must_use]
    pub fn names(grant: &GrantInput, slug: &str) -> bool {
        matches!(&grant.projects, Where::These(slugs) if slugs.iter().any(|each| each == slug))
    }

    /// Whether a grant holds for all projects.
    #[must_use]
    pub fn everywhere(grant: &GrantInput) -> bool {
        grant.projects == Where::All
    }

    /// One sentence: what the token will be able to do.
    #[must_use]
    pub fn sentence(&self, choices: &Choices) -> String {
        let mut parts = Vec::new();
        for grant in &self.grants {
            let Some(set) = choices.sets.iter().find(|set| set.slug == grant.permission_set) else {
                continue;
            };
            let place = match &grant.projects {
                _ if set.level == Level::Organization => "in the organization and all projects".to_owned(),
                Where::All => "in all projects".to_owned(),
                Where::These(slugs) if slugs.is_empty() => "in no project yet".to_owned(),
                Where::These(slugs) => {
                    let name = |slug: &String| {
                        let found = choices.projects.iter().find(|project| project.slug == *slug);
                        found.map_or_else(|| slug.clone(), |project| project.name.clone())
                    };
                    format!("in {}", slugs.iter().map(name).collect::<Vec<_>>().join(", "))
                }
            };
            parts.push(format!("{} {place}", set.name));
        }
        if parts.is_empty() {
            "Nothing yet: choose a permission set.".to_owned()
        } else {
            format!("This token can act as {}.", parts.join("; as "))
        }
    }

    /// Whether it would administer the whole organization.
    #[must_use]
    pub fn is_mighty(&self, choices: &Choices) -> bool {
        let all: [Permission; 2] = [Resource::Settings.write(), Resource::Members.write()];
        self.grants.iter().any(|grant| {
            let set = choices.sets.iter().find(|set| set.slug == grant.permission_set);
            set.is_some_and(|set| all.iter().all(|permission| set.permissions.has(*permission)))
        })
    }
}

/// What the form offers the caller.
#[derive(Clone, Debug)]
pub struct Choices {
    /// Sets that service tokens may carry and the caller may give.
    pub sets: Vec<PermissionSet>,
    /// Projects that the caller reaches.
    pub projects: Vec<Project>,
}

impl Choices {
    /// For this caller; `held` stay choosable whoever looks.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn of(app: &AppState, caller: &Caller, held: &[GrantInput]) -> Result<Self> {
        let projects =
            projects::list(&app.context, caller, &Filter::default(), &PageRequest::choices()).await?.rows;
        let gives = |set: &PermissionSet| {
            let everywhere = can_give_token_grant(&caller.subject, set, None);
            everywhere
                || (set.level == Level::Project
                    && projects
                        .iter()
                        .any(|project| can_give_token_grant(&caller.subject, set, Some(project.facts()))))
        };
        let policy = &caller.organization.policy;
        let fits = |set: &&PermissionSet| {
            held.iter().any(|grant| grant.permission_set == set.slug)
                || (policy.carries(&set.slug) && gives(set))
        };
        let sets = caller.organization.sets.all().filter(fits).cloned().collect();
        Ok(Self { sets, projects })
    }
}
