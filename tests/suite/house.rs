//! The house itself: imports run one way, every statement runs on both
//! databases, both schemas are the same.

use std::path::{Path, PathBuf};

use sqlx::Executor as _;
use tessera::platform::Db;
use tessera::platform::db::migrate;

/// In the order in which they may use one another.
const ORDER: &[&str] = &[
    "config",
    "platform",
    "access",
    "audit",
    "identity",
    "shell",
    "tokens",
    "organizations",
    "teams",
    "service_accounts",
    "people",
    "sign_in",
    "filters",
    "app",
    "cli",
];

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

#[test]
fn imports_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = |module: &str| ORDER.iter().position(|known| *known == module);
    for path in sources() {
        let inside =
            path.strip_prefix(&root).expect("inside").iter().next().expect("a name").to_string_lossy();
        let module = inside.trim_end_matches(".rs");
        if matches!(module, "main" | "lib") {
            continue;
        }
        let own = place(module).unwrap_or_else(|| panic!("{module} is not in the order"));
        let text = std::fs::read_to_string(&path).expect("a source");
        for used in text.split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            // The settings name their database by platform's type; filters are found by templates.
            let allowed = (module, name.as_str()) == ("config", "platform") || name == "filters";
            let Some(theirs) = place(&name) else { continue };
            assert!(theirs <= own || allowed, "{}: {module} uses {name}", path.display());
        }
    }
}

/// Every `sql("…")` of the sources, its line continuations undone.
fn statements() -> Vec<String> {
    let mut found = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(path).expect("a source");
        for part in text.split("sql(").skip(1) {
            let Some(literal) = part.trim_start().strip_prefix('"') else { continue };
            let (mut statement, mut chars) = (String::new(), literal.chars().peekable());
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' if chars.peek() == Some(&'\n') => {
                        while chars.peek().is_some_and(|c| c.is_whitespace()) {
                            chars.next();
                        }
                    }
                    '\\' => statement.extend(chars.next()),
                    c => statement.push(c),
                }
            }
            found.push(statement);
        }
    }
    found
}

#[tokio::test]
async fn every_statement_is_understood_by_the_database() {
    let house = crate::harness::House::empty().await;
    let all = statements();
    assert!(all.len() > 50, "{}", all.len());
    for statement in all.into_iter().filter(|statement| statement.contains(' ') && !statement.contains('…'))
    {
        let text = sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(statement.clone()));
        let prepared = match &house.app.db {
            Db::Sqlite { write, .. } => {
                write.acquire().await.expect("a connection").prepare(text).await.map(drop)
            }
            Db::Postgres(pool) => pool.acquire().await.expect("a connection").prepare(text).await.map(drop),
        };
        prepared.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}

#[test]
fn no_source_makes_a_statement_out_of_anything_but_a_literal() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).expect("a source");
        for word in ["AssertSqlSafe", "QueryBuilder", "raw_sql("] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn both_schemas_have_the_same_tables_and_columns() {
    let read = |which: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(which);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        let names: Vec<_> = files.iter().map(|path| path.file_name().expect("a name").to_owned()).collect();
        let text: String =
            files.iter().map(|path| std::fs::read_to_string(path).expect("a migration")).collect();
        let lines: Vec<String> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .map(|line| line.replace("BYTEA", "BLOB"))
            .collect();
        (names, lines)
    };
    assert_eq!(read("sqlite"), read("postgres"));
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_a_newer_schema_is_refused() {
    let house = crate::harness::House::empty().await;
    migrate(&house.app.db).await.expect("nothing to do");
    let mut tx = house.app.db.begin().await.expect("begun");
    tessera::platform::sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', TRUE, $1, 0)")
        .bind(vec![0_u8])
        .execute(&mut tx)
        .await
        .expect("inserted");
    tx.commit().await.expect("committed");
    assert!(matches!(migrate(&house.app.db).await, Err(sqlx::migrate::MigrateError::VersionMissing(9999))));
}
