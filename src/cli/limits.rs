//! The limits of the process: open files, the number of connections that they
//! allow, and the priority of threads.
//!
//! Each connection uses an open file. At the start, the soft limit of open files
//! is raised to the hard limit. Some files are reserved for the database, the log
//! and outgoing requests.

use crate::config::Config;
use crate::platform::server::ConnectionLimits;

/// The number of files that connections cannot use.
const RESERVED_FILES: u64 = 256;

/// Raises the soft limit of open files as far as possible. Returns the new limit.
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

/// The `nice` value of threads for pages and management. If both compete for a
/// core, they get about a tenth of the time of threads that verify tokens.
const NICENESS: i32 = 10;

/// Lowers the priority of the current thread. Pages, management and password
/// hashing run on such threads, so that many of these requests do not slow down
/// connections and verification, which run on threads with normal priority.
pub(super) fn lower_priority() {
    // On other systems this would change the priority of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

/// The limits of connections from the settings, lowered to what the limit of open
/// files allows.
pub(super) fn connections(config: &Config, open_files: u64) -> ConnectionLimits {
    let reserved = RESERVED_FILES.min(open_files / 2);
    let room = usize::try_from(open_files.saturating_sub(reserved)).unwrap_or(usize::MAX).max(1);
    ConnectionLimits {
        total: usize::try_from(config.limits.get("connections")).unwrap_or(usize::MAX).min(room),
        per_network: usize::try_from(config.limits.get("connections_per_network")).unwrap_or(usize::MAX),
        exempt: config.trusted_proxies.clone(),
    }
}

/// The limits in words, for the log and for `doctor`.
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
