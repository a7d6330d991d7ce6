//! Files and folders that nobody but their owner may read: the database, the
//! key, files with passwords. SQLite gives `-wal` and `-shm` the mode of the
//! database, so that file is made with its mode before SQLite opens it. What an
//! older release made for others to read is corrected at start. A file that
//! somebody else wrote (a key, a password) is refused with the command that
//! corrects it, because whoever read it may have kept it.

use std::fs::{OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What its owner may do with a private file.
const PRIVATE: u32 = 0o600;
/// What others than the owner may do.
const OTHERS: u32 = 0o077;

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

/// The database and the files that SQLite keeps beside it.
fn database_files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Makes the file of a database where there is none, and takes from others what
/// they may do with it and with the files beside it.
///
/// # Errors
/// When the file cannot be made, or belongs to another user and others may read it.
pub fn protect_database(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for file in database_files(path) {
        match mode(&file) {
            Ok(mode) if mode & OTHERS != 0 => {
                std::fs::set_permissions(&file, Permissions::from_mode(PRIVATE))?;
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a file that others than its owner may read or write.
///
/// # Errors
/// When it cannot be looked at, or others may: with the command that corrects it.
pub fn ensure_private(path: &Path) -> Result<()> {
    let mode = mode(path)?;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(Error::other(format!(
        "Other users can read this file (mode {mode:o}). Run: chmod 600 {}",
        path.display()
    )))
}

/// What is wrong with the modes of a database's files, if anything.
#[must_use]
pub fn exposed_database(path: &Path) -> Option<String> {
    let exposed = database_files(path).into_iter().find_map(|file| {
        let mode = mode(&file).ok().filter(|mode| mode & OTHERS != 0)?;
        Some((file, mode))
    });
    exposed.map(|(file, mode)| {
        format!(
            "Other users can read {0} (mode {mode:o}). Run “tessera serve”, which corrects it, or run: chmod 600 {0}",
            file.display()
        )
    })
}

/// What is wrong with a folder that others may enter, if anything.
#[must_use]
pub fn exposed_folder(path: &Path) -> Option<String> {
    let mode = mode(path).ok().filter(|mode| mode & OTHERS != 0)?;
    Some(format!("Other users can open {0} (mode {mode:o}). Run: chmod 700 {0}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_database_are_private_whether_they_are_there_or_not() {
        let folder = std::env::temp_dir().join(format!("tessera-private-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("t.db");
        protect_database(&path).expect("made");
        assert_eq!(mode(&path).expect("there"), PRIVATE);
        for file in database_files(&path) {
            std::fs::write(&file, "kept").expect("written");
            std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("chmod");
        }
        assert!(exposed_database(&path).expect("said").contains("chmod 600"));
        protect_database(&path).expect("corrected");
        for file in database_files(&path) {
            assert_eq!(mode(&file).expect("there"), PRIVATE);
            assert_eq!(std::fs::read_to_string(&file).expect("read"), "kept");
        }
        assert_eq!(exposed_database(&path), None);
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("chmod");
        assert!(exposed_folder(&folder).expect("said").contains("chmod 700"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
