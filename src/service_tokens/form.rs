//! The form that creates or edits a service token: the submitted values, with one row per grant, and the
//! options of its selects.
//!
//! `pages` reads a request into [`ServiceTokenForm`], passes it to an action, and renders the form again with the same
//! values if the action reports errors.

use super::model::{GrantInput, NewServiceToken, ServiceTokenEdit, ServiceTokenRow, Where};
use crate::access::{Level, Permission, PermissionSet, Permissions, Resource, Verb, can_give_token_grant};
use crate::callers::Caller;
use crate::platform::web::Form;
use crate::platform::web::pagination::PageRequest;
use crate::platform::{Result, Timestamp};
use crate::projects::actions as projects;
use crate::projects::model::Project;
use crate::projects::store::Filter;
use crate::state::AppState;
use crate::tokens::model::{Lifetime, chosen};

/// The submitted form values, shown again after an error.
#[derive(Clone, Debug, Default)]
pub struct ServiceTokenForm {
    /// Value of the field *Name*.
    pub name: String,
    /// Value of the field *Description*.
    pub description: String,
    /// Value of the field *Lifetime*.
    pub lifetime: String,
    /// Date input beside *Lifetime*.
    pub lifetime_date: String,
    /// Value of the field *Allowed addresses*.
    pub allowed_addresses: String,
    /// The rows with a permission set and its projects.
    pub grants: Vec<GrantInput>,
    /// The form's idempotency key.
    pub nonce: String,
}

impl ServiceTokenForm {
    /// Reads the submitted form. The fields of row *n* are `set`*n*, `where`*n*, several times `project`*n*, and
    /// `more`*n* with the slugs of further projects.
    #[must_use]
    pub fn read(form: &Form) -> Self {
        let rows = form.text("rows").parse::<usize>().unwrap_or(1).clamp(1, 20);
        let grants = (1..=rows).map(|row| {
            let more = form.text(&format!("more{row}"));
            let more = more.split([',', '\n', '\r', ' ']).filter(|slug| !slug.is_empty()).map(str::to_owned);
            let mut these: Vec<String> = form.all(&format!("project{row}")).map(str::to_owned).collect();
            these.extend(more);
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

    /// Applies the buttons *Add another permission*, *Remove* and *Update the summary*. Returns true if one
    /// of them was pressed; the form is then shown again and nothing is stored.
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

    /// The current values of a token, for the edit form.
    #[must_use]
    pub fn of(token: &ServiceTokenRow) -> Self {
        Self {
            name: token.token.name.clone(),
            description: token.token.description.clone(),
            allowed_addresses: token.token.allowed_addresses.clone(),
            grants: token.grants(),
            ..Self::default()
        }
    }

    /// Converts the form into the input of `actions::create`.
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

    /// Converts the form into the input of `actions::edit`.
    #[must_use]
    pub fn edit(&self) -> ServiceTokenEdit {
        ServiceTokenEdit {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            allowed_addresses: Some(self.allowed_addresses.clone()),
            grants: Some(self.grants.clone()),
        }
    }

    /// Whether a grant names the project with this slug.
    #[must_use]
    pub fn names(grant: &GrantInput, slug: &str) -> bool {
        matches!(&grant.projects, Where::These(slugs) if slugs.iter().any(|each| each == slug))
    }

    /// Whether a grant is for all projects.
    #[must_use]
    pub fn everywhere(grant: &GrantInput) -> bool {
        grant.projects == Where::All
    }

    /// A sentence that says what the token will be able to do.
    #[must_use]
    pub fn sentence(&self, choices: &Choices) -> String {
        let mut parts = Vec::new();
        for grant in &self.grants {
            let Some(set) = choices.sets.iter().find(|set| set.slug == grant.permission_set) else {
                continue;
            };
            let place = choices.place(set, grant, "in all projects");
            parts.push(format!("{} {place}", set.name));
        }
        if parts.is_empty() {
            "Choose a permission set to see what this token can do.".to_owned()
        } else {
            let restricted = if self.is_for_all_projects(choices) { RESTRICTED_NOTE } else { "" };
            format!("This token can act as {}. {restricted}", parts.join("; as ")).trim_end().to_owned()
        }
    }

    /// Whether a grant applies to all projects. Restricted ones are an exception, see [`RESTRICTED_NOTE`].
    #[must_use]
    pub fn is_for_all_projects(&self, choices: &Choices) -> bool {
        self.grants.iter().any(|grant| {
            let set = choices.sets.iter().find(|set| set.slug == grant.permission_set);
            set.is_some_and(|set| {
                applies_to_all(set, grant) && !set.permissions.intersection(Permissions::PROJECT).is_empty()
            })
        })
    }

    /// What the token will be able to do: for each grant a line about projects, and one about the organization if
    /// the grant applies to all projects.
    #[must_use]
    pub fn summary(&self, choices: &Choices) -> Vec<SummaryLine> {
        let mut lines = Vec::new();
        for grant in &self.grants {
            let Some(set) = choices.sets.iter().find(|set| set.slug == grant.permission_set) else {
                continue;
            };
            let is_for_all = applies_to_all(set, grant);
            let place = if is_for_all {
                "in all projects, also new ones".to_owned()
            } else {
                choices.place(set, grant, "")
            };
            lines.push(SummaryLine::of(set.permissions.intersection(Permissions::PROJECT), place));
            if is_for_all {
                let permissions = set.permissions.intersection(Permissions::ORGANIZATION);
                lines.push(SummaryLine::of(permissions, "in the organization".to_owned()));
            }
        }
        lines.retain(|line| !(line.writes.is_empty() && line.reads.is_empty()));
        lines
    }

    /// The end of the selected lifetime in words; `None` on the edit form, which does not change it.
    #[must_use]
    pub fn expiry_text(&self, now: &Option<Timestamp>) -> Option<String> {
        match (chosen(&self.lifetime, &self.lifetime_date, (*now)?), self.lifetime.is_empty()) {
            (_, true) | (Lifetime::Usual | Lifetime::Wrong(_), _) => None,
            (Lifetime::Endless, _) => Some("Never".to_owned()),
            (Lifetime::Until(end) | Lifetime::UntilDay(end), _) => Some(end.day()),
        }
    }

    /// Whether the token could administer the whole organization (write its settings and its members), for a
    /// warning.
    #[must_use]
    pub fn grants_whole_organization(&self, choices: &Choices) -> bool {
        let all: [Permission; 2] = [Resource::Settings.write(), Resource::Members.write()];
        self.grants.iter().any(|grant| {
            let set = choices.sets.iter().find(|set| set.slug == grant.permission_set);
            set.is_some_and(|set| all.iter().all(|permission| set.permissions.has(*permission)))
        })
    }
}

/// Whether a grant of this set applies to all projects. Sets of the organization always do.
fn applies_to_all(set: &PermissionSet, grant: &GrantInput) -> bool {
    set.level == Level::Organization || grant.projects == Where::All
}

/// What a summary adds about grants for all projects.
pub const RESTRICTED_NOTE: &str = "Restricted projects are included only if the token is added to them.";

/// A line of [`ServiceTokenForm::summary`].
#[derive(Clone, Debug)]
pub struct SummaryLine {
    /// Where it applies: `in Payments, Storefront`.
    pub place: String,
    /// The resources that can be changed and read.
    pub writes: String,
    /// The resources that can only be read.
    pub reads: String,
}

impl SummaryLine {
    fn of(permissions: Permissions, place: String) -> Self {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for permission in permissions.strongest() {
            let list = if permission.verb == Verb::Write { &mut writes } else { &mut reads };
            list.push(permission.resource.noun());
        }
        Self { place, writes: writes.join(", "), reads: reads.join(", ") }
    }
}

/// The options that the form offers to the caller.
#[derive(Clone, Debug)]
pub struct Choices {
    /// Permission sets that service tokens can have and that the caller is allowed to give.
    pub sets: Vec<PermissionSet>,
    /// The first projects that the caller can read.
    pub projects: Vec<Project>,
    /// Whether the caller can read more projects than these.
    pub has_more_projects: bool,
}

impl Choices {
    /// Loads the options for this caller. The permission sets in `held` stay selectable even if the caller
    /// cannot give them.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn of(app: &AppState, caller: &Caller, held: &[GrantInput]) -> Result<Self> {
        let page = projects::list(&app.context, caller, &Filter::default(), &PageRequest::choices()).await?;
        let (projects, has_more_projects) = (page.rows, page.next.is_some());
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
        Ok(Self { sets, projects, has_more_projects })
    }

    /// The slugs of a grant's projects that are not among the offered ones, one per line.
    #[must_use]
    pub fn others(&self, grant: &GrantInput) -> String {
        let Where::These(slugs) = &grant.projects else { return String::new() };
        let is_offered = |slug: &&String| self.projects.iter().any(|project| project.slug == **slug);
        slugs.iter().filter(|slug| !is_offered(slug)).cloned().collect::<Vec<_>>().join("\n")
    }

    /// Where a grant of this set applies, in words; `everywhere` says that it does in all projects.
    fn place(&self, set: &PermissionSet, grant: &GrantInput, everywhere: &str) -> String {
        let name = |slug: &String| {
            let found = self.projects.iter().find(|project| project.slug == *slug);
            found.map_or_else(|| slug.clone(), |project| project.name.clone())
        };
        match &grant.projects {
            _ if set.level == Level::Organization => "in the organization and all projects".to_owned(),
            Where::All => everywhere.to_owned(),
            Where::These(slugs) if slugs.is_empty() => "in no project yet".to_owned(),
            Where::These(slugs) => format!("in {}", slugs.iter().map(name).collect::<Vec<_>>().join(", ")),
        }
    }
}
