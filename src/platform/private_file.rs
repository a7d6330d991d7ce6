//! Permissions of private files: the database, the key, and files with passwords
//! must not be readable by other users.
//!
//! SQLite gives its `-wal` and `-shm` files the mode of the database, so the
//! database file is created with mode 0600 before SQLite opens it; wrong modes are
//! corrected at the start. A key or password file that others can read is refused
//! instead, because it may already have been read.

use std::fs::{OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The mode of a private file.
const PRIVATE: u32 = 0o600;
/// The mode bits of the group and of others.
const OTHERS: u32 = 0o077;

fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

/// The database and the files that SQLite keeps beside it.
fn database_file_paths(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Creates the file of an SQLite database if it does not exist, and removes the
/// permissions of others from it and from its `-wal` and `-shm` files.
///
/// # Errors
/// If the file cannot be created, or its mode cannot be changed.
pub fn protect_database(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for file in database_file_paths(path) {
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

/// Checks that only the owner has permissions on a file.
///
/// # Errors
/// If others have permissions, with the command that corrects it; if the file
/// does not exist or cannot be inspected.
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

/// Describes a file of an SQLite database on which others have permissions, if
/// there is one.
#[must_use]
pub fn exposed_database(path: &Path) -> Option<String> {
    let exposed = database_file_paths(path).into_iter().find_map(|file| {
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

/// Describes the folder if others have permissions on it.
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
        for file in database_file_paths(&path) {
            std::fs::write(&file, "kept").expect("written");
            std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("chmod");
        }
        assert!(exposed_database(&path).expect("said").contains("chmod 600"));
        protect_database(&path).expect("corrected");
        for file in database_file_paths(&path) {
            assert_eq!(mode(&file).expect("there"), PRIVATE);
            assert_eq!(std::fs::read_to_string(&file).expect("read"), "kept");
        }
        assert_eq!(exposed_database(&path), None);
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("chmod");
        assert!(exposed_folder(&folder).expect("said").contains("chmod 700"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
