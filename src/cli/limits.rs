//! The limit of open files, and what it leaves for connections.
//!
//! A connection takes a file. The soft limit is raised to the hard one at the
//! start; some files are kept for the database, the log and requests to others.

use crate::config::Config;
use crate::platform::server::ConnectionLimits;

/// Files that are not for connections.
const RESERVED_FILES: u64 = 256;

/// Raises the soft limit of open files as far as this process may. Gives the
/// limit that holds then.
pub(super) fn raise_open_files() -> u64 {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => {
            let limit = rlimit::Resource::NOFILE.get_soft().unwrap_or(1024);
            tracing::warn!(%error, limit, "the limit of open files cannot be raised");
            limit
        }
    }
}

/// How much less of a core a thread for pages and management gets than one
/// that verifies tokens, where both want it (the `nice` value: about a tenth).
const NICENESS: i32 = 10;

/// Lets verification go first: pages, management and passwords are computed by
/// threads of a lower priority than those that attend to connections and verify
/// tokens. Whoever asks for them without end takes little from verification.
pub(super) fn lower_priority() {
    // Elsewhere it would be the priority of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

/// The limits of connections with so many open files.
pub(super) fn connections(config: &Config, open_files: u64) -> ConnectionLimits {
    let reserved = RESERVED_FILES.min(open_files / 2);
    let room = usize::try_from(open_files.saturating_sub(reserved)).unwrap_or(usize::MAX).max(1);
    ConnectionLimits {
        total: usize::try_from(config.limits.get("connections")).unwrap_or(usize::MAX).min(room),
        per_network: usize::try_from(config.limits.get("connections_per_network")).unwrap_or(usize::MAX),
        exempt: config.trusted_proxies.clone(),
    }
}

/// For the log and `doctor`.
pub(super) fn describe(limits: &ConnectionLimits, open_files: u64) -> String {
    format!(
        "{} connections, {} from one network, {open_files} open files",
        limits.total,
        limits.per_network.min(limits.total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn there_are_never_more_connections_than_the_limit_of_open_files_allows() {
        let config = Config::from_sources(&Sources::default()).expect("valid");
        assert_eq!(connections(&config, 1_048_576).total, 8192);
        assert_eq!(connections(&config, 1024).total, 768);
        assert_eq!(connections(&config, 100).total, 50);
    }
}
