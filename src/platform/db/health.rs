//! Whether the database takes writes, and which of its connections can be used.
//!
//! Every transaction reports here how it ended. A fault of the database (a full
//! disk, a server that became read-only, a lost connection) is told apart from
//! an error of a statement, such as a unique violation: only after a fault is a
//! connection discarded. The readiness check asks here, and writes one row where
//! nothing was written lately, so that it never reports an old state.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// For how long a write that succeeded proves that writes succeed.
const SUCCESS_HOLDS: Duration = Duration::from_secs(5);
/// For how long a write that failed is reported before another one is tried.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// Why writes fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteFault {
    /// No space is left.
    Full,
    /// A standby, or a server or file that was made read-only.
    ReadOnly,
    /// The connection is lost.
    Unreachable,
    /// Another writer holds the database for too long, or it takes no more
    /// connections.
    Busy,
    /// Anything else, such as an I/O error.
    Refused,
}

impl fmt::Display for WriteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the disk of the database is full",
            Self::ReadOnly => "the database is read-only",
            Self::Unreachable => "the database does not answer",
            Self::Busy => "the database is busy, or does not answer in time",
            Self::Refused => "the database refuses writes",
        })
    }
}

impl WriteFault {
    /// The fault that an error tells of; none where a statement was at fault,
    /// and the connection is as good as before.
    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Database(error) => {
                if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                    Self::of_postgres(error.code())
                } else if error.try_downcast_ref::<SqliteError>().is_some() {
                    Self::of_sqlite(error.code()?.parse().ok()?)
                } else {
                    None
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Some(Self::Unreachable),
            sqlx::Error::PoolTimedOut => Some(Self::Busy),
            sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement => Some(Self::Refused),
            _ => None,
        }
    }

    /// By SQLSTATE (PostgreSQL's documentation, appendix A).
    fn of_postgres(state: &str) -> Option<Self> {
        match state {
            "25006" => Some(Self::ReadOnly),
            "53100" => Some(Self::Full),
            // The server stops, stopped, starts, or ended the session.
            "57P01" | "57P02" | "57P03" | "57P05" => Some(Self::Unreachable),
            state if state.starts_with("08") => Some(Self::Unreachable),
            state if state.starts_with("53") => Some(Self::Busy),
            state if state.starts_with("58") || state.starts_with("XX") => Some(Self::Refused),
            _ => None,
        }
    }

    /// By result code; the low byte is the primary one.
    fn of_sqlite(code: u32) -> Option<Self> {
        match code & 0xff {
            13 => Some(Self::Full),
            8 => Some(Self::ReadOnly),
            5 => Some(Self::Busy),
            // I/O error, corrupt, cannot open, protocol of locks, not a database.
            10 | 11 | 14 | 15 | 26 => Some(Self::Refused),
            _ => None,
        }
    }
}

/// How the last write ended.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    at: Instant,
    result: Result<(), WriteFault>,
}

/// What is known of a database, shared by its pools and transactions.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Connections that were opened before this, in microseconds after
    /// `started`, are closed instead of used. Zero: none.
    usable_since: AtomicU64,
    /// How many connections for writing were opened (SQLite).
    opened: AtomicI64,
    last_write: Mutex<Option<Outcome>>,
    /// Held while a write is tried, so that checks do not add up.
    pub(super) probing: tokio::sync::Mutex<()>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            started: monotonic_now(),
            usable_since: AtomicU64::new(0),
            opened: AtomicI64::new(0),
            last_write: Mutex::new(None),
            probing: tokio::sync::Mutex::new(()),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Has every connection that is open now closed before its next use: they
    /// may lead to a server that is no longer the one that takes writes.
    pub(super) fn discard_connections(&self) {
        self.usable_since.fetch_max(self.micros().max(1), Ordering::SeqCst);
    }

    /// Whether a connection of this age is to be closed instead of used.
    pub(super) fn is_discarded(&self, age: Duration) -> bool {
        let since = self.usable_since.load(Ordering::SeqCst);
        since != 0 && self.micros().saturating_sub(micros(age)) < since
    }

    /// A connection for writing was opened.
    pub(super) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::SeqCst);
    }

    /// How many connections for writing were opened.
    pub(super) fn opened(&self) -> i64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// A write was committed, or failed for this reason.
    pub(super) fn record(&self, result: Result<(), WriteFault>) {
        let mut last = self.last_write.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Outcome { at: monotonic_now(), result });
    }

    /// Notes the fault that an error tells of, if it tells of one.
    pub(super) fn record_error(&self, error: &sqlx::Error) -> Option<WriteFault> {
        let fault = WriteFault::of(error)?;
        self.record(Err(fault));
        if matches!(fault, WriteFault::ReadOnly | WriteFault::Unreachable) {
            self.discard_connections();
        }
        Some(fault)
    }

    /// How the last write ended, where that is not too long ago.
    pub(super) fn recent(&self) -> Option<Result<(), WriteFault>> {
        let last = (*self.last_write.lock().unwrap_or_else(PoisonError::into_inner))?;
        let holds = if last.result.is_ok() { SUCCESS_HOLDS } else { FAILURE_HOLDS };
        (last.at.elapsed() < holds).then_some(last.result)
    }
}

/// The driver measures the ages of connections on this clock, which nobody sets.
#[expect(clippy::disallowed_methods, reason = "the context's clock can be set, and fixed")]
fn monotonic_now() -> Instant {
    Instant::now()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_of_the_database_are_told_as_faults() {
        for (state, fault) in [
            ("25006", Some(WriteFault::ReadOnly)),
            ("53100", Some(WriteFault::Full)),
            ("57P01", Some(WriteFault::Unreachable)),
            ("08006", Some(WriteFault::Unreachable)),
            ("XX001", Some(WriteFault::Refused)),
            ("23505", None),
            ("40001", None),
            ("57014", None),
        ] {
            assert_eq!(WriteFault::of_postgres(state), fault, "{state}");
        }
        for (code, fault) in [
            (13, Some(WriteFault::Full)),
            (0x408, Some(WriteFault::ReadOnly)),
            (0x30a, Some(WriteFault::Refused)),
            (5, Some(WriteFault::Busy)),
            (0x813, None),
            (1, None),
        ] {
            assert_eq!(WriteFault::of_sqlite(code), fault, "{code}");
        }
        assert_eq!(WriteFault::of(&sqlx::Error::RowNotFound), None);
    }

    #[test]
    fn connections_from_before_a_fault_are_not_used_again() {
        let health = Health::new();
        assert!(!health.is_discarded(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(2));
        health.discard_connections();
        std::thread::sleep(Duration::from_millis(2));
        assert!(health.is_discarded(Duration::from_millis(3)));
        assert!(!health.is_discarded(Duration::ZERO));
    }

    #[test]
    fn a_failed_write_is_what_is_known_until_another_one_is_tried() {
        let health = Health::new();
        assert_eq!(health.recent(), None);
        health.record(Ok(()));
        assert_eq!(health.recent(), Some(Ok(())));
        assert_eq!(health.record_error(&sqlx::Error::PoolTimedOut), Some(WriteFault::Busy));
        assert_eq!(health.recent(), Some(Err(WriteFault::Busy)));
        assert_eq!(health.record_error(&sqlx::Error::RowNotFound), None);
    }
}
