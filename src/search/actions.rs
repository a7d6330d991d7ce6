//! Finds what matches a text.

use crate::access::{TokenKind, authorize_read};
use crate::callers::Caller;
use crate::organizations::model::Settings;
use crate::overview::store::find_by_end;
use crate::platform::web::pagination::PageRequest;
use crate::platform::{Context, Error, Result};
use crate::service_accounts::model::ServiceAccount;
use crate::service_accounts::store::Filter as AccountFilter;
use crate::ui::{ConsolePath, NavGroup, Paths};
use crate::{people, projects, service_accounts, teams};

/// How many objects of a kind are shown. The list of the section has the others.
const MOST: i64 = 5;

/// The shortest text that objects are searched for. Shorter ones match too much.
const SHORTEST: usize = 3;

/// What was found of one kind.
#[derive(Clone, Debug)]
pub struct Group {
    /// What these are.
    pub title: &'static str,
    /// The best matches.
    pub hits: Vec<Hit>,
}

/// One match.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The icon, by its id in the sprite.
    pub icon: &'static str,
    /// The name.
    pub name: String,
    /// What it is or where it belongs.
    pub note: String,
    /// The page.
    pub path: ConsolePath,
}

impl Hit {
    fn new(icon: &'static str, name: impl Into<String>, note: impl Into<String>, path: ConsolePath) -> Self {
        Self { icon, name: name.into(), note: note.into(), path }
    }
}

/// Finds what the caller can see, the best group first. `nav` are the pages that they may open.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find(
    context: &Context,
    caller: &Caller,
    (text, nav): (&str, &[NavGroup]),
    paths: &Paths,
) -> Result<Vec<Group>> {
    let text = text.trim();
    let pages = find_pages(text, nav, paths);
    let mut groups = Vec::new();
    if text.chars().count() >= SHORTEST {
        let first = PageRequest::of(MOST);
        let account_filter = AccountFilter { search: text.to_owned(), ..AccountFilter::default() };
        let team_filter = teams::store::Filter { search: text.to_owned(), ..teams::store::Filter::default() };
        let project_filter =
            projects::store::Filter { search: text.to_owned(), ..projects::store::Filter::default() };
        let (accounts, tokens, teams, people, projects) = tokio::try_join!(
            visible(service_accounts::actions::list(context, caller, &account_filter, &first)),
            find_tokens(context, caller, text, paths),
            visible(teams::actions::list(context, caller, &team_filter, &first)),
            visible(people::actions::list(context, caller, (text, ""), &first)),
            visible(projects::actions::list(context, caller, &project_filter, &first)),
        )?;
        let accounts = accounts.map(|page| page.rows).unwrap_or_default();
        let actions = accounts.first().map(|best| actions_on(best, paths)).unwrap_or_default();
        let accounts = accounts.iter().map(|account| {
            let team = account.team_name.as_ref().or(account.default_team_name.as_ref());
            let note = team.cloned().unwrap_or_else(|| "Organization".to_owned());
            Hit::new("bot", &account.name, note, paths.service_account(account.id).tokens())
        });
        let teams = teams.map(|page| page.rows).unwrap_or_default();
        let teams =
            teams.iter().map(|team| Hit::new("users", &team.name, "Team", paths.team(&team.slug).members()));
        let people = people.map(|page| page.rows).unwrap_or_default();
        let people = people.iter().map(|person| {
            let member = &person.member;
            Hit::new("user", &member.name, &member.email, paths.person(&member.username))
        });
        let projects = projects.map(|page| page.rows).unwrap_or_default();
        let projects = projects.iter().map(|project| {
            let note = format!("Project of {}", project.team_name);
            Hit::new("folder", &project.name, note, paths.project(&project.slug).access())
        });
        groups.extend([
            Group { title: "Service accounts", hits: accounts.collect() },
            Group { title: "Actions", hits: actions },
            Group { title: "Tokens", hits: tokens },
            Group { title: "Teams", hits: teams.collect() },
            Group { title: "Projects", hits: projects.collect() },
            Group { title: "People", hits: people.collect() },
        ]);
    }
    groups.push(Group { title: "Pages", hits: pages });
    groups.retain(|group| !group.hits.is_empty());
    Ok(groups)
}

/// The result of a list; `None` if the caller may not read it at all.
async fn visible<T>(list: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    match list.await {
        Ok(found) => Ok(Some(found)),
        Err(Error::Forbidden(_) | Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn find_pages(text: &str, nav: &[NavGroup], paths: &Paths) -> Vec<Hit> {
    let wanted = text.to_lowercase();
    let links = nav.iter().flat_map(|group| &group.links);
    let own = [
        ("Personal tokens", "key", Paths::personal_tokens()),
        ("Profile", "user", Paths::profile()),
        ("Sessions", "monitor-smartphone", Paths::sessions()),
    ];
    let pages = links.map(|link| (link.label, link.icon, (link.path)(paths))).chain(own);
    let matching = pages.filter(|(label, ..)| label.to_lowercase().contains(&wanted));
    matching.map(|(label, icon, path)| Hit::new(icon, label, "Page", path)).collect()
}

/// What can be done with the best match.
fn actions_on(account: &ServiceAccount, paths: &Paths) -> Vec<Hit> {
    let (name, path) = (&account.name, paths.service_account(account.id));
    let explorer = paths.access_explorer().with_query("who", account.id);
    let mut actions = Vec::new();
    if account.manageable {
        let label = format!("Regenerate token for {name}");
        actions.push(Hit::new("refresh-cw", label, "Service account", path.regenerate()));
    }
    actions.push(Hit::new("telescope", format!("Check what {name} can do"), "Access explorer", explorer));
    actions.push(Hit::new("scroll-text", format!("Activity of {name}"), "Service account", path.activity()));
    actions
}

/// Finds active tokens by the last four characters of a value, or by a hint such as `tsra_…x7Qp`. Old values count
/// during their overlap.
async fn find_tokens(context: &Context, caller: &Caller, text: &str, paths: &Paths) -> Result<Vec<Hit>> {
    let end = text.rsplit('…').next().unwrap_or(text);
    if end.len() != 4 || !end.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(Vec::new());
    }
    if authorize_read(&caller.subject, Settings).is_err() {
        return Ok(Vec::new());
    }
    let now = context.clock.now();
    let rows = find_by_end(&context.db, caller.organization.id, end, now).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let hint = row.token.hint.clone().unwrap_or_default();
            let what = match row.token.kind {
                TokenKind::ServiceAccount => format!("{} of {}", row.token.name, row.title()),
                _ => row.title().to_owned(),
            };
            Hit::new("key-round", format!("{hint} {what}"), row.token.kind.title(), row.path(paths))
        })
        .collect())
}
