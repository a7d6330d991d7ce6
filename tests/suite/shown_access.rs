//! What the pages say about access is what `decide` answers: read from the pages and
//! compared over random permission sets, grants and visibilities.
//!
//! `TESSERA_TEST_SEED` runs another sequence; a failure names its own.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tessera::access::{
    GrantSource, Kind, Level, Permission, Projects, Resource, Subject, TeamRole, Visibility, decide,
};
use tessera::access::{ProjectFacts, Target};
use tessera::platform::id::{ProjectId, ServiceAccountId, TeamId, TokenId};
use tessera::platform::sql;
use tessera::principals::{
    self, OrganizationFacts, load_account_subject, load_service_token_subject, load_team_subject,
};

use crate::harness::TestApp;

const PROJECTS: [&str; 5] = ["one", "two", "three", "four", "five"];
const SETTINGS: &str = "/orgs/acme/settings";

/// A random organization, and what its owner sees.
struct World {
    house: TestApp,
    cookie: String,
    facts: OrganizationFacts,
    projects: BTreeMap<String, ProjectFacts>,
    accounts: BTreeMap<ServiceAccountId, Subject>,
    tokens: BTreeMap<TokenId, Subject>,
    people: BTreeMap<String, Subject>,
    teams: BTreeMap<TeamId, Subject>,
}

fn pick<'a, T>(random: &mut StdRng, all: &'a [T]) -> &'a T {
    &all[random.random_range(0..all.len())]
}

async fn must(house: &TestApp, olive: &str, method: Method, path: &str, body: Value) -> Value {
    let answer = house.api(olive, method, &format!("/organizations/acme{path}"), Some(body)).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.json()
}

impl World {
    async fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let random = &mut random;
        let (house, olive) = TestApp::set_up().await;
        let project_sets: Vec<String> = {
            let caller = house.caller("olive").await;
            let of_projects = |set: &&tessera::access::PermissionSet| set.level == Level::Project;
            caller.organization.sets.all().filter(of_projects).map(|set| set.slug.to_string()).collect()
        };
        let mut any_sets = project_sets.clone();
        any_sets.extend(["account_admin", "account_viewer", "billing_admin"].map(str::to_owned));
        for team in ["alpha", "beta"] {
            let role = pick(random, &project_sets);
            let body = json!({ "slug": team, "name": team, "role": role });
            must(&house, &olive, Method::POST, "/teams", body).await;
        }
        for (username, team) in [("ada", "alpha"), ("ben", "beta")] {
            let role = pick(random, &any_sets).clone();
            let rank = *pick(random, &[TeamRole::Admin, TeamRole::Member]);
            house.person(username, &role, Some((team, rank))).await;
        }
        for slug in PROJECTS {
            let (team, visibility) = (*pick(random, &["alpha", "beta"]), *pick(random, Visibility::ALL));
            let body = json!({ "slug": slug, "name": slug, "team": team, "visibility": visibility });
            must(&house, &olive, Method::POST, "/projects", body).await;
        }
        let mut named = vec!["person:ada".to_owned(), "person:ben".to_owned(), "team:beta".to_owned()];
        for number in 0..4 {
            let mut body = json!({ "name": format!("bot {number}"), "role": pick(random, &any_sets) });
            if random.random_bool(0.5) {
                body["scope"] = json!("organization");
                body["default_team"] = json!("alpha");
            } else {
                body["scope"] = json!("team");
                body["team"] = json!(pick(random, &["alpha", "beta"]));
            }
            let made = must(&house, &olive, Method::POST, "/service-accounts", body).await;
            named.push(made["id"].as_str().expect("an id").to_owned());
        }
        for number in 0..3 {
            let mut grants = Vec::new();
            for _ in 0..random.random_range(1..3) {
                let set = pick(random, &any_sets);
                let places: Vec<&str> = PROJECTS.into_iter().filter(|_| random.random_bool(0.4)).collect();
                let is_everywhere = !project_sets.contains(set) || places.is_empty();
                let projects = if is_everywhere { json!("all") } else { json!(places) };
                grants.push(json!({ "permission_set": set, "projects": projects }));
            }
            grants.dedup_by_key(|grant| grant["permission_set"].clone());
            let body = json!({ "name": format!("token {number}"), "grants": grants });
            must(&house, &olive, Method::POST, "/service-tokens", body).await;
        }
        for _ in 0..8 {
            let (principal, project) = (pick(random, &named), pick(random, &PROJECTS));
            let path = format!("/organizations/acme/projects/{project}/grants/{principal}");
            let body = json!({ "permission_set": pick(random, &project_sets) });
            // An account of another team cannot be added everywhere.
            let answer = house.api(&olive, Method::PUT, &path, Some(body)).await;
            assert!(
                answer.status.is_success() || answer.status == StatusCode::UNPROCESSABLE_ENTITY,
                "{path}: {}",
                answer.text
            );
        }
        // Projects can get another visibility after somebody was added to them.
        for slug in PROJECTS {
            let visibility = pick(random, Visibility::ALL);
            must(
                &house,
                &olive,
                Method::PATCH,
                &format!("/projects/{slug}"),
                json!({ "visibility": visibility }),
            )
            .await;
        }
        Self::load(house).await
    }

    async fn load(house: TestApp) -> Self {
        let db = &house.app.context.db;
        let organization = house.caller("olive").await.organization.id;
        let facts = principals::load_organization(db, organization).await.expect("read");
        let projects: Vec<(String, ProjectId, TeamId, Visibility)> =
            sql("SELECT slug, id, team_id, visibility FROM projects").all(db).await.expect("read");
        let accounts: Vec<(ServiceAccountId, Option<TeamId>, String)> =
            sql("SELECT id, team_id, role FROM service_accounts").all(db).await.expect("read");
        let tokens: Vec<(TokenId,)> =
            sql("SELECT id FROM tokens WHERE kind = 'service_token'").all(db).await.expect("read");
        let teams: Vec<(TeamId, String)> =
            sql("SELECT id, role FROM teams WHERE slug <> 'owners'").all(db).await.expect("read");
        let mut world = Self {
            cookie: house.sign_in("olive").await,
            projects: projects
                .into_iter()
                .map(|(slug, id, team, visibility)| (slug, ProjectFacts { id, team, visibility }))
                .collect(),
            accounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            people: BTreeMap::new(),
            teams: BTreeMap::new(),
            facts,
            house,
        };
        let db = &world.house.app.context.db;
        for (id, team, role) in accounts {
            let scope =
                team.map_or(tessera::access::AccountScope::Organization, tessera::access::AccountScope::Team);
            let subject = load_account_subject(db, &world.facts, id, scope, &role).await.expect("read");
            world.accounts.insert(id, subject);
        }
        for (id,) in tokens {
            world.tokens.insert(id, load_service_token_subject(db, &world.facts, id).await.expect("read"));
        }
        for (id, role) in teams {
            world.teams.insert(id, load_team_subject(db, &world.facts, id, &role).await.expect("read"));
        }
        for username in ["ada", "ben"] {
            world.people.insert(username.to_owned(), world.house.caller(username).await.subject);
        }
        world
    }

    /// A page as the owner sees it, with single spaces.
    async fn page(&self, path: &str) -> String {
        let answer = self.house.page(&self.cookie, &format!("{SETTINGS}{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What stands between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split(start).nth(1).unwrap_or_else(|| panic!("no {start}: {text}"));
    rest.split(end).next().expect("a part")
}

/// The text of a page without its tags.
fn plain(html: &str) -> String {
    let text: String =
        html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The levels of a list of resources, by code.
fn levels(html: &str) -> BTreeMap<String, String> {
    let items = html.split("<li>").skip(1).filter_map(|item| item.split("</li>").next());
    let items = items.filter(|item| item.contains("<code>"));
    let level = |item: &str| plain(item).rsplit(' ').next().expect("a word").to_owned();
    items.map(|item| (between(item, "<code>", "</code>").to_owned(), level(item))).collect()
}

/// The levels that `decide` gives.
fn decided(subject: &Subject, target: &Target, level: Level) -> BTreeMap<String, String> {
    let word = |resource: Resource| {
        let can = |permission| decide(subject, permission, target).is_allowed();
        if can(resource.write()) {
            "Write"
        } else if can(resource.read()) {
            "Read"
        } else {
            "None"
        }
    };
    let of_level = Resource::grantable().filter(|resource| resource.level() == level);
    of_level.map(|resource| (resource.to_string(), word(resource).to_owned())).collect()
}

fn can_anything(subject: &Subject, project: &ProjectFacts) -> bool {
    decided(subject, &Target::Project(*project), Level::Project).values().any(|word| word != "None")
}

/// The page *Access* of each service account.
async fn check_accounts(world: &World) {
    for (id, subject) in &world.accounts {
        let path = format!("/service-accounts/{id}/access");
        let page = world.page(&path).await;
        for (slug, project) in &world.projects {
            let target = Target::Project(*project);
            let is_listed = page.contains(&format!("/projects/{slug}/access"))
                && page.contains(&format!("Show every resource in {slug}"));
            assert_eq!(is_listed, can_anything(subject, project), "{slug}: {}", plain(&page));
            let open = world.page(&format!("{path}?show=all&project={slug}")).await;
            let shown = levels(between(&open, "<tr class=\"more\">", "</tr>"));
            assert_eq!(shown, decided(subject, &target, Level::Project), "{id} in {slug}");
        }
        let mut organization = decided(subject, &Target::Organization, Level::Organization);
        organization.retain(|_, word| word != "None");
        let shown = between(&page, "aria-labelledby=\"organization\"", "</section>");
        assert_eq!(levels(shown), organization, "{id}");
        let writes = |project: &&ProjectFacts| {
            decided(subject, &Target::Project(**project), Level::Project).values().any(|word| word == "Write")
        };
        let writes = world.projects.values().filter(writes).count();
        let sentence = format!("can write in {writes} of 5 projects");
        assert_eq!(page.contains("can write in"), writes > 0, "{}", plain(&page));
        assert!(writes == 0 || page.contains(&sentence), "{sentence}: {}", plain(&page));
    }
}

/// The summary of each service token.
async fn check_tokens(world: &World) {
    for (id, subject) in &world.tokens {
        let page = world.page(&format!("/service-tokens/{id}")).await;
        let summary = between(&page, "data-summary", "<dl");
        let has_note =
            summary.contains("Restricted projects are included only if the token is added to them.");
        // Each line: what it says that the token can do, and where.
        let mut said: Vec<(Permission, String)> = Vec::new();
        for item in summary.split("<li>").skip(1).filter_map(|item| item.split("</li>").next()) {
            let text = plain(item);
            let place = plain(between(item, "<b>", "</b>"));
            let what = text.strip_suffix(&place).expect("the place at the end").trim();
            let (verb, resources) = what.split_once(' ').expect("a verb");
            for name in resources.split(", ") {
                let resource = Resource::ALL.iter().find(|it| it.noun() == name.trim()).expect(name);
                let permission = if verb == "Change" { resource.write() } else { resource.read() };
                said.push((permission, place.clone()));
            }
        }
        let names = |place: &str, slug: &str| {
            place.strip_prefix("in ").is_some_and(|rest| rest.split(", ").any(|name| name == slug))
        };
        let is_everywhere = |place: &str| place.contains("all projects");
        for (slug, project) in &world.projects {
            let is_added = said.iter().any(|(_, place)| names(place, slug));
            let is_included = project.visibility != Visibility::Restricted || is_added || !has_note;
            for permission in Permission::all().filter(|it| it.resource.level() == Level::Project) {
                let is_said = said.iter().any(|(other, place)| {
                    let applies = names(place, slug) || (is_everywhere(place) && is_included);
                    applies
                        && other.resource == permission.resource
                        && (*other == permission || *other == permission.resource.write())
                });
                let is_allowed = decide(subject, permission, &Target::Project(*project)).is_allowed();
                assert_eq!(is_said, is_allowed, "{permission} in {slug}: {summary}");
            }
        }
        for permission in Permission::all().filter(|it| it.resource.level() == Level::Organization) {
            let is_said = said.iter().any(|(other, place)| {
                place.contains("in the organization")
                    && other.resource == permission.resource
                    && (*other == permission || *other == permission.resource.write())
            });
            let is_allowed = decide(subject, permission, &Target::Organization).is_allowed();
            assert_eq!(is_said, is_allowed, "{permission}: {summary}");
        }
    }
}

/// The cells of the table with this caption, in rows.
fn table(page: &str, caption: &str) -> Vec<Vec<String>> {
    let caption = format!("<caption class=\"vh\">{caption}</caption>");
    if !page.contains(&caption) {
        return Vec::new();
    }
    let body = between(between(page, &caption, "</table>"), "<tbody>", "</tbody>");
    let cells = |row: &str| row.split("<td").skip(1).map(|cell| plain(&format!("<{cell}"))).collect();
    body.split("<tr").skip(1).map(cells).collect()
}

/// What a row of *Access by visibility* says about a permission that the principal holds for all projects.
fn says(level: &str, permission: Permission) -> bool {
    match level {
        "Every permission" | "Read and write, as their role allows" | "As its grants allow" => true,
        "Read, as their role allows" => permission == permission.resource.read(),
        other => panic!("{other}"),
    }
}

/// Whether the principal holds the permission for all projects, which the pages call its role.
fn has_in_role(subject: &Subject, permission: Permission) -> bool {
    let everywhere = |grant: &&tessera::access::Grant| grant.projects == Projects::All;
    subject.grants.iter().filter(everywhere).any(|grant| grant.set.permissions.has(permission))
}

/// The page *Access* of each project.
async fn check_projects(world: &World) {
    let everybody: Vec<&Subject> = world
        .accounts
        .values()
        .chain(world.tokens.values())
        .chain(world.people.values())
        .chain(world.teams.values())
        .collect();
    for (slug, project) in &world.projects {
        let page = world.page(&format!("/projects/{slug}/access")).await;
        let rows = table(&page, "Access by visibility");
        let level = |wanted: &dyn Fn(&str) -> bool| {
            rows.iter().find(|row| wanted(&row[0])).map(|row| row[1].as_str())
        };
        assert_eq!(level(&|who| who == "Owners"), Some("Every permission"), "{slug}");
        let of_team = level(&|who| who.contains("its token"));
        let of_organization = level(&|who| who.contains("organization-scoped service account"));
        let of_tokens = level(&|who| who.contains("service token") && !who.contains("its token"));
        let others = level(&|who| who == "Everyone else in the organization");
        for subject in &everybody {
            let is_named = subject.grants.iter().any(|grant| grant.projects == Projects::One(project.id));
            let row = match &subject.kind {
                Kind::ServiceToken(_) => of_tokens,
                Kind::ServiceAccount { scope: tessera::access::AccountScope::Organization, .. } => {
                    of_organization
                }
                _ if subject.role_in_team(project.team).is_some() => of_team,
                _ => others,
            };
            if is_named {
                // Those are in the other table, below.
                continue;
            }
            for permission in Permission::all().filter(|it| it.resource.level() == Level::Project) {
                let is_said =
                    has_in_role(subject, permission) && row.is_some_and(|level| says(level, permission));
                let decision = decide(subject, permission, &Target::Project(*project));
                // A team's admins manage its projects, whatever their role.
                let is_admin = subject.role_in_team(project.team) == Some(TeamRole::Admin)
                    && matches!(permission.resource, Resource::Projects | Resource::ProjectPermissions)
                    && project.visibility != Visibility::Restricted;
                assert_eq!(
                    is_said || is_admin,
                    decision.is_allowed(),
                    "{permission} in {slug} ({}) for {:?}: {rows:?}",
                    project.visibility,
                    subject.kind
                );
            }
        }
        check_organization_token(project, level(&|who| who == "Organization token").expect("a row"));
        check_named(world, slug, project, &table(&page, "Added to project"));
    }
}

fn check_organization_token(project: &ProjectFacts, level: &str) {
    let subject = principals::organization_subject();
    for permission in Permission::all().filter(|it| it.resource.level() == Level::Project) {
        let is_said = match level {
            "Everything but starting runs and creating configuration versions" => {
                permission != Resource::Runs.write() && permission != Resource::ConfigurationVersions.write()
            }
            "Change the project and who has access to it" => {
                matches!(permission.resource, Resource::Projects | Resource::ProjectPermissions)
            }
            other => panic!("{other}"),
        };
        let decision = decide(&subject, permission, &Target::Project(*project));
        assert_eq!(is_said, decision.is_allowed(), "{permission}: {level}");
    }
}

/// The rows of principals that were added to a project.
fn check_named(world: &World, slug: &str, project: &ProjectFacts, rows: &[Vec<String>]) {
    let names = |subject: &Subject, source: &GrantSource| {
        let one = |grant: &&tessera::access::Grant| {
            grant.projects == Projects::One(project.id) && grant.source == *source
        };
        subject.grants.iter().find(one).cloned()
    };
    let accounts = world.accounts.values().filter_map(|it| Some((it, names(it, &GrantSource::Named)?)));
    let tokens = world.tokens.values().filter_map(|it| Some((it, names(it, &GrantSource::Named)?)));
    let people = world.people.values().filter_map(|it| Some((it, names(it, &GrantSource::Named)?)));
    let teams = world.teams.values().filter_map(|it| Some((it, names(it, &GrantSource::Named)?)));
    let mut named = 0;
    for (subject, grant) in accounts.chain(tokens).chain(people).chain(teams) {
        named += 1;
        let without = Subject {
            grants: subject.grants.iter().filter(|other| **other != grant).cloned().collect(),
            ..subject.clone()
        };
        let target = Target::Project(*project);
        let has_effect = grant
            .set
            .permissions
            .each()
            .filter(|it| it.resource.level() == Level::Project)
            .all(|permission| decide(subject, permission, &target).is_allowed());
        let changes_nothing =
            decided(subject, &target, Level::Project) == decided(&without, &target, Level::Project);
        let level = if has_effect {
            format!("{} {}", grant.set.name, grant.set.slug)
        } else {
            "No effect Account of another team".to_owned()
        };
        assert!(has_effect || changes_nothing, "{slug}: {grant:?}");
        let kind = match &subject.kind {
            Kind::Person { .. } => "Person",
            Kind::Team(_) => "Team",
            Kind::ServiceAccount { .. } => "Service account",
            _ => "Service token",
        };
        let is_shown = rows.iter().any(|row| row[0].ends_with(kind) && row[1] == level)
            // A grant without effect that another one gives as well.
            || rows.iter().any(|row| row[0].ends_with(kind) && has_effect && changes_nothing && row[1].starts_with("No effect"));
        assert!(is_shown, "{slug}, {kind}, {level}: {rows:?}");
    }
    assert!(rows.len() >= named, "{slug}: {rows:?}");
}

/// What the page of the organization token says that it can or cannot do, as permissions.
fn claimed(text: &str) -> &'static [Resource] {
    use Resource::{
        AuditLogs, ConfigurationVersions, Groups, PermissionSets, ProjectCreate, ProjectPermissions,
        Projects, Runs, ServiceAccounts, ServiceTokens, Services,
    };
    match text {
        "Create, change and delete teams, their members and their tokens" => &[Groups],
        "Create, change and delete projects, and decide who has access to them, also to restricted ones" => {
            &[ProjectCreate, Projects, ProjectPermissions]
        }
        "Manage service accounts, service tokens, permission sets and services, with any role in projects" => {
            &[ServiceAccounts, ServiceTokens, PermissionSets, Services]
        }
        "Read the audit log, and everything in projects that are not restricted" => &[AuditLogs],
        "Start runs (runs:write)" => &[Runs],
        "Create configuration versions (configuration_versions:write)" => &[ConfigurationVersions],
        "Read or regenerate itself, or see personal tokens and sign-in methods of people"
        | "Change the members of the owners team, or delete the organization" => &[],
        other => panic!("the page says something that is not tested: {other}"),
    }
}

/// The page *API token*.
async fn check_organization_token_page(world: &World) {
    let subject = principals::organization_subject();
    let page = world.page("/api-token").await;
    let lists: Vec<&str> = page.split("<ul class=\"says-list\">").skip(1).collect();
    let [can, cannot] = lists.as_slice() else { panic!("{page}") };
    for (list, is_allowed) in [(can, true), (cannot, false)] {
        let items = list.split("</ul>").next().expect("a list").split("<li>").skip(1);
        let mut seen = 0;
        for text in items.map(plain) {
            seen += 1;
            for resource in claimed(&text) {
                let targets = match resource.level() {
                    Level::Organization => vec![Target::Organization],
                    Level::Project => world.projects.values().copied().map(Target::Project).collect(),
                };
                for target in targets {
                    let decision = decide(&subject, resource.write(), &target);
                    assert_eq!(decision.is_allowed(), is_allowed, "{resource}: {text}");
                }
            }
        }
        assert_eq!(seen, 4, "{list}");
    }
    for target in [Target::OrganizationToken, Target::OrganizationDeletion] {
        assert!(!decide(&subject, Resource::Settings.write(), &target).is_allowed());
    }
    for project in world.projects.values() {
        for permission in Permission::all().filter(|it| it.resource.level() == Level::Project) {
            let reads =
                permission == permission.resource.read() && project.visibility != Visibility::Restricted;
            assert!(!reads || decide(&subject, permission, &Target::Project(*project)).is_allowed());
        }
    }
}

#[tokio::test]
async fn what_pages_say_about_access_is_what_is_decided() {
    let seed = std::env::var("TESSERA_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in seed..seed + 20 {
        println!("seed {seed}");
        let world = World::of(seed).await;
        check_accounts(&world).await;
        check_tokens(&world).await;
        check_projects(&world).await;
        check_organization_token_page(&world).await;
    }
}
