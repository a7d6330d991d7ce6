//! Checks how the embedded SQLite was compiled.
//!
//! `.cargo/config.toml` passes flags to its compiler that make verification
//! faster (docs/performance.md has the figures). cargo reads that file in a
//! checkout only: a program from `cargo install` lacks the flags unless its
//! builder set them. It works all the same, but says so at start.

use super::Db;

/// What the flags remove, as `PRAGMA compile_options` lists it.
const UNWANTED: [&str; 3] = ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_API_ARMOR", "ENABLE_STAT4"];
/// What the flags add.
const WANTED: [&str; 2] = ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0"];

/// A sentence about the flags that the embedded SQLite lacks. `None` if it has
/// all of them, and on PostgreSQL.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn missing_build_flags(db: &Db) -> sqlx::Result<Option<String>> {
    let Db::Sqlite { read, .. } = db else { return Ok(None) };
    let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options").fetch_all(read).await?;
    let flags = flags_missing_in(&options);
    Ok((!flags.is_empty()).then(|| {
        format!(
            "SQLite was compiled without {}, and verifies fewer tokens per second. Build in a checkout, or \
             set LIBSQLITE3_FLAGS as .cargo/config.toml does.",
            flags.join(" ")
        )
    }))
}

fn flags_missing_in(options: &[String]) -> Vec<String> {
    let has = |name: &&str| options.iter().any(|option| option == name);
    let removed = UNWANTED.into_iter().filter(has);
    let added = WANTED.into_iter().filter(|name| !has(name));
    removed
        .map(|name| format!("-USQLITE_{name}"))
        .chain(added.map(|name| format!("-DSQLITE_{name}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::flags_missing_in;

    #[test]
    fn a_build_without_the_flags_names_each_of_them() {
        let plain = ["ENABLE_STAT4", "ENABLE_API_ARMOR", "ENABLE_MEMORY_MANAGEMENT", "THREADSAFE=1"];
        let missing = flags_missing_in(&plain.map(str::to_owned));
        let asked = include_str!("../../../.cargo/config.toml");
        assert_eq!(missing.len(), 5);
        for flag in missing {
            assert!(asked.contains(&flag), "{flag} is not among the flags of a checkout");
        }
    }

    #[test]
    fn a_build_with_the_flags_lacks_none() {
        assert!(flags_missing_in(&["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0"].map(str::to_owned)).is_empty());
    }
}
