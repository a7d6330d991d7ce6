//! How the databases go about each statement where the tables are large: by an
//! index, whichever statement it is.

use std::path::PathBuf;

use sqlx::Row as _;
use tessera::config::DatabaseUrl;
use tessera::platform::Db;
use tessera::platform::db::migrate;

use crate::harness::TestApp;

/// Tables that grow with use. The others hold what people set up by hand, a few
/// hundred rows at most in an organization.
const GROWING: [&str; 22] = [
    "used_assertions",
    "search_texts",
    "search_grams",
    "people",
    "memberships",
    "team_members",
    "service_accounts",
    "tokens",
    "token_values",
    "usage",
    "usage_totals",
    "attributions",
    "audit_events",
    "sessions",
    "submissions",
    "reveals",
    "throttles",
    "sign_in_networks",
    "refused_sign_ins",
    "invitations",
    "invitation_teams",
    "grants",
];

/// Statements that look at all rows of such a table, with the reason. A part of
/// the statement stands for it.
const ALL_ROWS: [(&str, &str); 2] = [
    ("last_used_address = $2 WHERE name = $3", "the demo's own data, as it is made"),
    ("last_used_agent = 'terraform/1.14'", "the demo's own data, as it is made"),
];

/// Fills the growing tables, of twenty organizations.
const ROWS: [&str; 29] = [
    "INSERT INTO used_assertions (hash, expires_at) {series} SELECT {bytes}, i FROM n",
    "INSERT INTO organizations (id, slug, name, version, created_at) {series} \
     SELECT 'org_' || i, 'o' || i, 'O', 0, i FROM n WHERE i <= 20",
    "INSERT INTO teams (id, organization_id, slug, name, description, visibility, role, members_manage_token, is_owners, \
        version, created_at) {series} SELECT 'team_' || i, 'org_' || (1 + i % 20), 't' || i, 'T', '', 'visible', '', TRUE, FALSE, 0, i \
     FROM n WHERE i <= 500",
    "INSERT INTO identity_providers (id, organization_id, name, name_folded, issuer, audience, created_by_name, \
        created_at, version) {series} SELECT 'idp_' || i, 'org_' || (1 + i % 20), 'i' || i, 'i' || i, 'https://i' || i, 'a', '', i, 0 \
     FROM n WHERE i <= 50",
    "INSERT INTO people (id, username, email, email_folded, name, password_hash, created_at) {series} \
     SELECT 'person_' || i, 'u' || i, 'u' || i, 'u' || i, 'Name', '', i FROM n",
    "INSERT INTO memberships (organization_id, person_id, role, created_at, username) {series} \
     SELECT 'org_' || (1 + i % 20), 'person_' || i, 'member', i, 'u' || i FROM n",
    "INSERT INTO search_texts (organization_id, list, entry_id, sort_key, content) {series} \
     SELECT 'org_' || (1 + i % 20), 'people', 'person_' || i, 'u' || i, 'u' || i || ' name' FROM n",
    "INSERT INTO search_grams (organization_id, list, gram, sort_key, entry_id) {series} \
     SELECT 'org_' || (1 + i % 20), 'people', 'u' || i % 90, 'u' || i, 'person_' || i FROM n",
    "INSERT INTO search_texts (organization_id, list, entry_id, sort_key, content) {series} \
     SELECT 'org_' || (1 + i % 20), 'service_accounts', 'sa_' || i, 'a' || i, 'a' || i || ' account' FROM n",
    "INSERT INTO search_grams (organization_id, list, gram, sort_key, entry_id) {series} \
     SELECT 'org_' || (1 + i % 20), 'service_accounts', 'a' || i % 90, 'a' || i, 'sa_' || i FROM n",
    "INSERT INTO team_members (team_id, person_id, username, role, created_at) {series} \
     SELECT 'team_' || (1 + i % 500), 'person_' || i, 'u' || i, 'member', i FROM n",
    "INSERT INTO service_accounts (id, organization_id, name, name_folded, description, comment, scope, team_id, role, \
        created_by, created_by_name, created_at, version) {series} \
     SELECT 'sa_' || i, 'org_' || (1 + i % 20), 'a' || i, 'a' || i, '', '', 'team', 'team_' || (1 + i % 500), 'member', \
        'person_' || i % 900, '', i, 0 FROM n",
    "INSERT INTO tokens (id, kind, organization_id, service_account_id, name, description, allowed_addresses, created_by, \
        created_by_name, created_at, regenerated_at, expires_at, version) {series} \
     SELECT 'tok_' || i, 'service_account', 'org_' || (1 + i % 20), 'sa_' || i, '', '', '', 'person_' || i % 900, '', i, i, i, 0 \
     FROM n",
    "INSERT INTO tokens (id, kind, organization_id, service_account_id, acts_as, source_id, source_value, parent_id, name, \
        description, allowed_addresses, created_by, created_by_name, created_at, regenerated_at, expires_at, version) \
        {series} SELECT 'tok_x' || i, 'access', 'org_' || (1 + i % 20), 'sa_' || i, 'service_account', 'tok_' || i, {bytes}, 'tok_' || i, '', \
        '', '', '', '', i, i, i, 0 FROM n WHERE i <= 5000",
    "INSERT INTO token_values (hash, token_id, hint) {series} SELECT {bytes}, 'tok_' || i, 'hint ' || i FROM n",
    "INSERT INTO usage (principal_id, token_id, day, outcome, service_id, project_id, permission, address, is_old, \
        organization_id, calls) {series} \
     SELECT 'sa_' || i, 'tok_' || i, i % 30, 'allowed', '', '', '', '', FALSE, 'org_1', 1 FROM n",
    "INSERT INTO usage_totals (subject_id, day, outcome, organization_id, calls) {series} \
     SELECT 'sa_' || i, i % 30, 'allowed', 'org_1', 1 FROM n",
    "INSERT INTO attributions (service_account_id, day, username, team, calls, last_at) {series} \
     SELECT 'sa_' || i, i % 30, 'u', 't', 1, i FROM n",
    "INSERT INTO audit_events (id, organization_id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, \
        target_name, via, request_id) {series} \
     SELECT 'evt_' || i, 'org_' || (1 + i % 20), i, 'person', 'person_' || i % 900, '', 'token.created', 'token', 'tok_' || i, '', 'api', '' \
     FROM n",
    "INSERT INTO sessions (hash, person_id, data, created_at, last_seen_at) {series} \
     SELECT {bytes}, 'person_' || i, '', i, i FROM n",
    "INSERT INTO submissions (key, outcome, created_at) {series} SELECT {bytes}, '', i FROM n",
    "INSERT INTO reveals (session_hash, token_id, sealed, expires_at) {series} \
     SELECT {bytes}, 'tok_' || i, {bytes}, i FROM n",
    "INSERT INTO sign_in_networks (person_id, network, last_seen_at) {series} SELECT 'person_' || i, {bytes}, i FROM n",
    "INSERT INTO refused_sign_ins (key, account, address, failures, since, last_at) {series} \
     SELECT {bytes}, '', '', 1, i, i FROM n",
    "INSERT INTO throttles (key, failures, until) {series} SELECT {bytes}, 1, i FROM n",
    "INSERT INTO invitations (id, organization_id, code_hash, role, created_by, created_by_name, created_at, expires_at, \
        accepted_at) {series} SELECT 'inv_' || i, 'org_' || (1 + i % 20), {bytes}, 'member', '', '', i, i, i FROM n",
    "INSERT INTO invitation_teams (invitation_id, team_id, role) {series} \
     SELECT 'inv_' || i, 'team_' || (1 + i % 500), 'member' FROM n",
    "INSERT INTO tokens (id, kind, organization_id, team_id, name, description, allowed_addresses, created_by, \
        created_by_name, created_at, regenerated_at, version) {series} \
     SELECT 'tok_t' || i, 'team', 'org_' || (1 + i % 20), 'team_' || i, '', '', '', '', '', i, i, 0 FROM n WHERE i <= 500",
    "INSERT INTO grants (id, organization_id, principal_id, permission_set, created_by_name, created_at) {series} \
     SELECT 'grant_' || i, 'org_' || (1 + i % 20), 'sa_' || i, 'member', '', i FROM n",
];

const SERIES: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)";

async fn large() -> TestApp {
    let (house, _) = TestApp::set_up().await;
    let bytes = match &house.app.context.db {
        Db::Sqlite { .. } => "CAST('v' || i AS BLOB)",
        Db::Postgres { .. } => "convert_to('v' || i, 'UTF8')",
    };
    for text in ROWS {
        let text = text.replace("{series}", SERIES).replace("{bytes}", bytes);
        run(&house.app.context.db, &text).await.unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    run(&house.app.context.db, "ANALYZE").await.expect("counted");
    house
}

async fn run(db: &Db, text: &str) -> sqlx::Result<()> {
    let text = sqlx::AssertSqlSafe(text.to_owned());
    match db {
        Db::Sqlite { write, .. } => sqlx::raw_sql(text).execute(write).await.map(drop),
        Db::Postgres { pool, .. } => sqlx::raw_sql(text).execute(pool).await.map(drop),
    }
}

/// What of a statement's plan looks at all rows of a growing table.
async fn scans(db: &Db, statement: &str) -> Vec<String> {
    match db {
        Db::Sqlite { write, .. } => {
            let text = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(text).fetch_all(write).await.expect("a plan");
            let steps: Vec<String> = rows.iter().map(|row| row.get::<String, _>("detail")).collect();
            let aliases = aliases(statement);
            let of_growing = |step: &&String| {
                let Some(named) = step.strip_prefix("SCAN ") else { return false };
                let name = named.split(' ').next().unwrap_or_default();
                let table = aliases.iter().find(|(alias, _)| alias == name).map_or(name, |(_, table)| table);
                GROWING.contains(&table)
            };
            steps.iter().filter(of_growing).cloned().collect()
        }
        Db::Postgres { pool, .. } => {
            let most = (1..20).rev().find(|number| statement.contains(&format!("${number}"))).unwrap_or(0);
            let mut types = vec!["unknown"; most];
            // Lists are planned anew with their values: so many rows, and mostly no filter.
            let mut text = statement.to_owned();
            for (place, number) in (1..=most.min(3)).enumerate() {
                let limit = format!(" LIMIT ${number}");
                if text.ends_with(&limit) {
                    text = text.replace(&limit, " LIMIT 51");
                    types[place] = "bigint";
                    for filter in 4..=most {
                        for nothing in ["''", "'%%'"] {
                            let condition = format!("(${filter} = {nothing} OR");
                            if text.contains(&condition) {
                                text = text.replace(&condition, "(TRUE OR");
                                types[filter - 1] = "text";
                            }
                        }
                    }
                }
            }
            let types = match crate::house::types(statement) {
                Some(types) => format!("({types})"),
                None if most == 0 => String::new(),
                None => format!("({})", types.join(", ")),
            };
            let statement = text.as_str();
            let mut connection = pool.acquire().await.expect("a connection");
            let nothing = vec!["NULL"; most].join(", ");
            let values = if most == 0 { String::new() } else { format!("({nothing})") };
            for text in [
                "SET plan_cache_mode = force_generic_plan".to_owned(),
                format!("PREPARE looked_at{types} AS {statement}"),
            ] {
                sqlx::raw_sql(sqlx::AssertSqlSafe(text.clone()))
                    .execute(&mut *connection)
                    .await
                    .unwrap_or_else(|error| panic!("{error}: {text}"));
            }
            let text = sqlx::AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE looked_at{values}"));
            let rows = sqlx::raw_sql(text).fetch_all(&mut *connection).await.expect("a plan");
            sqlx::raw_sql("DEALLOCATE looked_at").execute(&mut *connection).await.expect("forgotten");
            let told = rows[0].try_get_raw(0).expect("a plan").as_str().expect("text").to_owned();
            let plan: serde_json::Value = serde_json::from_str(&told).expect("a plan in JSON");
            let mut found = Vec::new();
            nodes(&plan[0]["Plan"], &mut found);
            found
        }
    }
}

/// Nodes of PostgreSQL's plans that read a growing table from end to end.
fn nodes(node: &serde_json::Value, found: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let whole = kind == "Seq Scan" || (kind.starts_with("Index") && node["Index Cond"].is_null());
    if GROWING.contains(&table) && whole {
        found.push(format!("{kind} of {table}"));
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        nodes(below, found);
    }
}

/// The names that a statement gives to tables.
fn aliases(statement: &str) -> Vec<(String, String)> {
    let words: Vec<&str> =
        statement.split(|c: char| c.is_whitespace() || c == '(' || c == ')' || c == ',').collect();
    let pairs = words.windows(2).filter(|pair| GROWING.contains(&pair[0]));
    pairs.map(|pair| (pair[1].to_owned(), pair[0].to_owned())).collect()
}

#[tokio::test]
async fn no_statement_reads_a_growing_table_from_end_to_end() {
    let house = large().await;
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for statement in crate::statements::statements() {
        let first = statement.split(' ').next().unwrap_or_default();
        let known = ALL_ROWS.iter().any(|(part, _)| statement.contains(part));
        if !matches!(first, "SELECT" | "UPDATE" | "DELETE" | "WITH") || statement.contains('…') || known {
            continue;
        }
        looked_at += 1;
        let found = scans(&house.app.context.db, &statement).await;
        if !found.is_empty() {
            wrong.push(format!("{}\n    {statement}", found.join("; ")));
        }
    }
    assert!(looked_at > 100, "{looked_at}");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lists, each by a part of its statement, and the index that SQLite is to
/// read for it: a wrong one of several that would do costs seconds in a large
/// organization.
const BY_INDEX: [(&str, &str); 11] = [
    (
        "FROM audit_events e WHERE e.organization_id = $3 AND e.id >= $4 AND e.id <= $5 AND e.action = $6",
        "audit_events_action",
    ),
    (
        "FROM audit_events e WHERE e.organization_id = $3 AND e.id >= $4 AND e.id <= $5 AND e.actor_id = $6",
        "audit_events_actor",
    ),
    (
        "FROM audit_events e WHERE e.organization_id = $3 AND e.id >= $4 AND e.id <= $5 AND e.target_id = $6",
        "audit_events_target",
    ),
    (
        "FROM audit_events e WHERE e.organization_id = $3 AND e.id >= $4 AND e.id <= $5 AND $6 = ''",
        "audit_events_organization",
    ),
    ("a.organization_id = $5 AND $6 = '' AND a.disabled_at IS NOT NULL AND", "service_accounts_disabled"),
    ("a.organization_id = $5 AND $6 = '' AND a.expires_at <= $4 AND", "service_accounts_ending"),
    ("WHERE n.organization_id = $1 AND n.name_folded = $3", "n USING INDEX service_accounts_name"),
    ("WHERE m.organization_id = $4 AND m.role = $5", "memberships_role"),
    ("t.id >= $4 AND t.id <= $5 AND t.kind = $7", "tokens_organization"),
    ("t.kind = 'service_token' AND t.id >= $4 AND t.id <= $5 AND t.revoked_at IS NULL", "tokens_of_services"),
    (
        "g.organization_id = $4 AND g.list = 'people' AND g.gram = $6",
        "g USING PRIMARY KEY (organization_id=? AND list=? AND gram=?",
    ),
];

/// An SQLite file in a folder of its own, whichever database the suite runs on.
async fn sqlite(name: &str) -> (PathBuf, Db) {
    let folder = std::env::temp_dir().join(format!("tessera-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let db = Db::open(&DatabaseUrl::Sqlite(folder.join("tessera.db"))).await.expect("opened");
    (folder, db)
}

#[tokio::test]
async fn sqlite_reads_the_index_that_is_made_for_a_list() {
    let (folder, db) = sqlite("indexes").await;
    migrate(&db).await.expect("migrated");
    let Db::Sqlite { write, .. } = &db else { unreachable!() };
    let all = crate::statements::statements();
    for (part, index) in BY_INDEX {
        let of_list: Vec<&String> = all.iter().filter(|statement| statement.contains(part)).collect();
        assert!(!of_list.is_empty(), "{part}");
        for statement in of_list {
            let text = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(text).fetch_all(write).await.expect("a plan");
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(plan.iter().any(|step| step.contains(index)), "{index}: {plan:#?}\n{statement}");
        }
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn sqlite_is_built_with_a_cache_of_its_own_for_each_connection_and_lasting_plans() {
    let (folder, db) = sqlite("options").await;
    let Db::Sqlite { write, .. } = &db else { unreachable!() };
    let options: Vec<String> =
        sqlx::query_scalar("PRAGMA compile_options").fetch_all(write).await.expect("told");
    for wanted in ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0"] {
        assert!(options.iter().any(|option| option == wanted), "{wanted}: {options:?}");
    }
    for unwanted in ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_STAT4", "ENABLE_API_ARMOR"] {
        assert!(!options.iter().any(|option| option == unwanted), "{unwanted}: {options:?}");
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn the_rows_of_a_page_count_up_to_a_bound() {
    let mut counted = 0;
    for statement in crate::statements::statements() {
        if ![" LIMIT $3", " LIMIT $2", " LIMIT 200"].iter().any(|end| statement.ends_with(end)) {
            continue;
        }
        for count in statement.split("(SELECT COUNT(*) FROM ").skip(1) {
            counted += 1;
            let bounded = count.split_once(") counted)").is_some_and(|(what, _)| {
                what.starts_with("(SELECT 1 AS one FROM ")
                    && (what.ends_with(" LIMIT 101") || what.ends_with(" LIMIT 21"))
            });
            assert!(bounded, "{statement}");
        }
    }
    assert!(counted > 10, "{counted}");
}
