//! The sources themselves: every statement runs on both databases, both schemas
//! are the same, and writes that can give access name their effect.

use std::path::{Path, PathBuf};

use sqlx::Executor as _;
use tessera::platform::Db;
use tessera::platform::db::migrate;

use crate::harness::ByTest;
use crate::statements::statements;

/// Every source file of the library.
pub fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The string literal that a text starts with, its line continuations undone.
pub fn literal(text: &str) -> Option<String> {
    let (mut found, mut chars) = (String::new(), text.strip_prefix('"')?.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' if chars.peek() == Some(&'\n') => {
                while chars.peek().is_some_and(|c| c.is_whitespace()) {
                    chars.next();
                }
            }
            '\\' => found.extend(chars.next()),
            c => found.push(c),
        }
    }
    Some(found)
}

/// The types of the values that statements for many rows are given: in a list
/// of rows PostgreSQL learns them from the values alone.
pub fn types(statement: &str) -> Option<&'static str> {
    const OF_LISTS: [(&str, &str); 11] = [
        ("INSERT INTO search_grams", "text, text, text, text, text"),
        ("DELETE FROM search_grams", "text, text, text, text, text"),
        ("SELECT v.column3 AS gram", "text, text, text"),
        ("SELECT v.hash", "bytea"),
        ("UPDATE token_values SET last_used_at = v.", "bytea, bigint"),
        ("UPDATE tokens SET last_used_at = v.", "text, bigint, text, text, text"),
        ("UPDATE service_accounts SET last_used_at = v.", "text, bigint, text"),
        ("INSERT INTO usage (", "text, text, bigint, text, text, text, text, text, boolean, text, bigint"),
        ("INSERT INTO usage_totals", "text, bigint, text, text, bigint"),
        ("SELECT u.subject_id", "text, bigint, bigint"),
        ("INSERT INTO attributions", "text, bigint, text, text, bigint, bigint"),
    ];
    if !statement.contains("(VALUES ($1") {
        return None;
    }
    OF_LISTS.iter().find(|(start, _)| statement.starts_with(start)).map(|(_, types)| *types)
}

#[tokio::test]
async fn every_statement_is_understood_by_the_database() {
    let house = crate::harness::TestApp::empty().await;
    let all = statements();
    assert!(all.len() > 90, "{}", all.len());
    for statement in all.into_iter().filter(|statement| statement.contains(' ') && !statement.contains('…'))
    {
        let text = sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(statement.clone()));
        let prepared = match &house.app.context.db {
            Db::Sqlite { write, .. } => {
                write.acquire().await.expect("a connection").prepare(text).await.map(drop)
            }
            Db::Postgres { pool, .. } => match types(&statement) {
                Some(types) => {
                    let text = format!("PREPARE a_list({types}) AS {statement}; DEALLOCATE a_list");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(pool).await.map(drop)
                }
                None => pool.acquire().await.expect("a connection").prepare(text).await.map(drop),
            },
        };
        prepared.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}

#[test]
fn bodies_that_are_streamed_are_made_in_one_place() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).expect("a source");
        // The listener hands the request's own body on.
        let may = path.ends_with("platform/web/stream.rs") || path.ends_with("platform/server/serve.rs");
        for word in ["Body::new(", "from_stream(", "StreamBody", "channel::Channel"] {
            assert!(may || !text.contains(word), "{}: {word}: use web::streamed_body", path.display());
        }
    }
}

#[test]
fn no_source_makes_a_statement_out_of_anything_but_a_literal() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).expect("a source");
        // The one statement type repeats the list of one row of a literal.
        let builds = path.ends_with("platform/db/statement.rs");
        for word in ["AssertSqlSafe", "QueryBuilder", "raw_sql("] {
            assert!(builds && word == "QueryBuilder" || !text.contains(word), "{}: {word}", path.display());
        }
    }
}

/// Table, column, whether it may be empty.
async fn columns(db: &Db) -> Vec<(String, String, bool)> {
    let rows: Vec<(String, String, i64)> = match db {
        Db::Sqlite { .. } => tessera::platform::sql(
            "SELECT m.name, c.name, c.\"notnull\" FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY 1, 2",
        ),
        Db::Postgres { .. } => tessera::platform::sql(
            "SELECT table_name::text, column_name::text, CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END::bigint \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%' ORDER BY 1, 2",
        ),
    }
    .all(db)
    .await
    .expect("columns");
    let mut all: Vec<_> =
        rows.into_iter().map(|(table, column, filled)| (table, column, filled == 0)).collect();
    // A primary key is never empty; SQLite says so only where it was written.
    for row in &mut all {
        row.2 &= row.1 != "id" && row.1 != "key" && row.1 != "hash";
    }
    all.retain(|row| !row.0.starts_with("sqlite"));
    all.sort();
    all
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let house = crate::harness::TestApp::empty().await;
    let folder = std::env::temp_dir().join(format!("tessera-schema-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let address = tessera::config::DatabaseUrl::Sqlite(folder.join("tessera.db"));
    let sqlite = Db::open(&address).await.expect("opened");
    migrate(&sqlite).await.expect("migrated");
    let (here, there) = (columns(&house.app.context.db).await, columns(&sqlite).await);
    assert!(here.len() > 100, "{}", here.len());
    assert_eq!(here, there);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_a_newer_schema_is_refused() {
    let house = crate::harness::TestApp::empty().await;
    migrate(&house.app.context.db).await.expect("nothing to do");
    let mut tx = house.app.context.db.begin().await.expect("begun");
    tessera::platform::sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', TRUE, $1, 0)")
        .bind(vec![0_u8])
        .execute(&mut tx, &ByTest)
        .await
        .expect("inserted");
    tx.commit().await.expect("committed");
    assert!(matches!(
        migrate(&house.app.context.db).await,
        Err(sqlx::migrate::MigrateError::VersionMissing(9999))
    ));
}

/// The tables that decide who can do what.
const ACCESS_TABLES: [&str; 11] = [
    "memberships",
    "team_members",
    "teams",
    "grants",
    "permission_sets",
    "projects",
    "service_accounts",
    "tokens",
    "token_values",
    "identity_providers",
    "invitations",
];

/// Writes to them that give nobody anything: they end, lock, count or rename.
const HARMLESS: [&str; 15] = [
    // No account is bound to a new one yet.
    "INSERT INTO identity_providers",
    "UPDATE tokens SET revoked_at",
    "UPDATE tokens SET version = version WHERE",
    "UPDATE tokens SET last_used_at",
    "UPDATE tokens SET created_by",
    "UPDATE token_values SET stops_at",
    "UPDATE token_values SET last_used_at",
    "UPDATE service_accounts SET version = version WHERE",
    "UPDATE service_accounts SET deleted_at",
    "UPDATE service_accounts SET last_used_at",
    "UPDATE service_accounts SET created_by",
    "UPDATE service_accounts SET identity_provider_id = NULL",
    "UPDATE identity_providers SET version = version WHERE",
    "UPDATE invitations SET revoked_at",
    "UPDATE invitations SET accepted_at",
];

#[test]
fn every_write_that_can_give_access_names_its_effect() {
    let mut checked = 0;
    for path in sources() {
        // The demo makes up how things were used, in a database that nobody else has.
        if path.ends_with("cli/demo.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source");
        for part in source.split("sql(").skip(1) {
            let Some(text) = literal(part.trim_start()) else { continue };
            let mut words = text.split_whitespace();
            let table = match (words.next(), words.next()) {
                (Some("INSERT"), Some("INTO")) => words.next(),
                (Some("UPDATE"), table) => table,
                _ => continue,
            };
            let concerns_access = table.is_some_and(|table| ACCESS_TABLES.contains(&table));
            if !concerns_access || HARMLESS.iter().any(|start| text.starts_with(start)) {
                continue;
            }
            checked += 1;
            let rest = part.split(";\n").next().expect("a statement");
            let direct =
                [".execute(", ".execute_batch(", ".execute_returning("].iter().any(|way| rest.contains(way));
            assert!(!direct, "{}: write it with Change::write and its effect: {text}", path.display());
        }
    }
    assert!(checked >= 20, "{checked} writes were found");
}
