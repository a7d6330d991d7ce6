//! The tab *Access* of a service account: what it can do in each project and in the
//! organization, and where that comes from.
//!
//! Every level on the page is the answer of `decide`, so that it is what services are
//! told. The page shows only projects that the reader can see.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;

use super::actions;
use super::model::{ServiceAccount, Status};
use super::pages::SECTION;
use crate::access::{GrantSource, PermissionSet, Projects, Subject, Target, Visibility, can_be_named};
use crate::callers::{Caller, ConsoleCaller};
use crate::platform::id::ProjectId;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{ItemPath, Query};
use crate::platform::{Context, Result};
use crate::projects::actions as projects;
use crate::projects::model::Project;
use crate::projects::store::Filter;
use crate::state::AppState;
use crate::ui::{Layout, Paths, Reach, filters, render};

/// The router of this tab.
pub fn routes() -> Router<AppState> {
    Router::new().route(Paths::pattern().service_account("{id}").access().as_ref(), get(show_access))
}

#[derive(Template)]
#[template(path = "service_accounts/access.html")]
struct AccessPage {
    layout: Layout,
    account: ServiceAccount,
    status: Status,
    /// What the reader searches for among the projects.
    search: String,
    /// Whether projects without access are shown.
    shows_all: bool,
    /// Slug of the project whose resources are shown.
    open: String,
    page: Page<ProjectReach>,
    /// The projects of the page without access, if they are not shown.
    hidden: Vec<Project>,
    organization: Reach,
    /// The grants that the account holds, starting with its role.
    grants: Vec<HeldGrant>,
}

/// What the account can do in a project.
struct ProjectReach {
    project: Project,
    reach: Reach,
    /// Why the account reaches the project, or why not.
    reason: &'static str,
}

impl ProjectReach {
    fn of(account: &ServiceAccount, subject: &Subject, project: Project) -> Self {
        let reach = Reach::of(subject, &Target::Project(project.facts()));
        let is_named = can_be_named(&subject.kind, &project.facts())
            && subject.grants.iter().any(|grant| grant.projects == Projects::One(project.id));
        let is_of_team = account.team_id == Some(project.team_id);
        let reason = match (project.visibility, account.team_id) {
            _ if is_named => "Added to the project",
            (Visibility::Restricted, _) => "Restricted, and not added",
            _ if is_of_team => "Project of its team",
            (Visibility::Open, _) => "Open to the organization",
            (_, None) => "Organization-scoped account",
            (Visibility::Public, _) => "Public",
            (Visibility::Team, _) => "Project of another team",
        };
        Self { project, reach, reason }
    }
}

/// A grant of the account.
struct HeldGrant {
    set: PermissionSet,
    is_role: bool,
    /// The project that the grant names. `None` for the role, and for a project that the reader cannot see.
    project: Option<Project>,
    /// Whether the grant gives anything: a grant that names a project of another team can have no effect.
    is_effective: bool,
}

impl AccessPage {
    /// How many projects the account can write in, and how many it can only read, after the account's name.
    fn sentence(&self) -> String {
        let count = |word: &str| self.page.rows.iter().filter(|row| row.reach.word() == word).count();
        let total = self.page.rows.len() + self.hidden.len();
        let (writes, reads) = (count("Write"), count("Read"));
        let noun = if total == 1 { "project" } else { "projects" };
        let place = match (self.page.has_others(), self.search.is_empty()) {
            (true, _) => format!("the {total} {noun} on this page"),
            (false, true) => format!("{total} {noun}"),
            (false, false) => format!("{total} {noun} found"),
        };
        match (total, writes, reads) {
            (0, ..) => "cannot be checked, because you can see no project.".to_owned(),
            (_, 0, 0) => format!("can do nothing in {place}."),
            (_, 0, reads) => format!("can read in {reads} of {place}."),
            (_, writes, 0) => format!("can write in {writes} of {place}."),
            _ => format!("can write in {writes} of {place}, and only read in {reads}."),
        }
    }

    /// The query of this page that shows the resources of the project with this slug, or of none.
    fn query(&self, slug: &str, shows_all: bool) -> String {
        let all = if shows_all { "all" } else { "" };
        let fields = [("q", self.search.as_str()), ("show", all), ("project", slug)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }

    /// The query for the links to other pages.
    fn pager_query(&self) -> String {
        let query = self.query("", self.shows_all);
        if query.is_empty() { query } else { format!("{query}&") }
    }
}

async fn show_access(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    Query(query): Query,
) -> Result<Response> {
    let (account, subject) = actions::get_with_subject(&app.context, &caller.member, &id).await?;
    let filter = Filter { search: query.text("q"), ..Filter::default() };
    let which = PageRequest::for_console(&query)?;
    let shows_all = query.text("show") == "all";
    let (page, grants, layout) = tokio::try_join!(
        projects::list(&app.context, &caller.member, &filter, &which),
        held_grants(&app.context, &caller.member, &subject),
        Layout::of(&app, &caller, SECTION, format!("{} – access", account.name)),
    )?;
    let mut page = page.map(|project| ProjectReach::of(&account, &subject, project));
    let mut hidden = Vec::new();
    if !shows_all {
        let rows = std::mem::take(&mut page.rows);
        let (shown, without): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| !row.reach.sources.is_empty());
        page.rows = shown;
        hidden = without.into_iter().map(|row| row.project).collect();
    }
    Ok(render(&AccessPage {
        layout,
        status: account.status(app.context.clock.now()),
        account,
        search: filter.search,
        shows_all,
        open: query.text("project"),
        page,
        hidden,
        organization: Reach::of(&subject, &Target::Organization),
        grants,
    }))
}

/// The grants of the account, with the projects that the reader can see.
async fn held_grants(context: &Context, caller: &Caller, subject: &Subject) -> Result<Vec<HeldGrant>> {
    let mut held = Vec::new();
    for grant in &subject.grants {
        let is_role = grant.source == GrantSource::Role;
        let project = match grant.projects {
            Projects::All => None,
            Projects::One(id) => visible_project(context, caller, id).await?,
        };
        let is_effective =
            project.as_ref().is_none_or(|project| can_be_named(&subject.kind, &project.facts()));
        held.push(HeldGrant { set: grant.set.clone(), is_role, project, is_effective });
    }
    Ok(held)
}

/// The project with this id, if the reader can see it.
async fn visible_project(context: &Context, caller: &Caller, id: ProjectId) -> Result<Option<Project>> {
    match projects::get(context, caller, &id.to_string()).await {
        Ok(project) => Ok(Some(project)),
        Err(crate::platform::Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
