//! The health of the database: whether writes succeed, and which connections must
//! be discarded.
//!
//! Every transaction reports its outcome here. A fault of the database (a full
//! disk, a server that became read-only, a lost connection) is distinguished from
//! an error of a statement, such as a unique violation. Only after a fault is the
//! connection discarded. The readiness check (`write_probe`) uses the last outcome.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// How long after a successful write the readiness check makes none of its own.
const SUCCESS_HOLDS: Duration = Duration::from_secs(5);
/// How long after a failed write the readiness check makes none of its own.
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
    /// The fault of the database that an error reports; `None` for an error of the
    /// statement, after which the connection can still be used.
    pub(super) fn from_error(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Database(error) => {
                if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                    Self::from_sqlstate(error.code())
                } else if error.try_downcast_ref::<SqliteError>().is_some() {
                    Self::from_result_code(error.code()?.parse().ok()?)
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
    fn from_sqlstate(state: &str) -> Option<Self> {
        match state {
            "25006" => Some(Self::ReadOnly),
            "53100" => Some(Self::Full),
            // The server is stopping or starting, crashed, or closed the idle session.
            "57P01" | "57P02" | "57P03" | "57P05" => Some(Self::Unreachable),
            state if state.starts_with("08") => Some(Self::Unreachable),
            state if state.starts_with("53") => Some(Self::Busy),
            state if state.starts_with("58") || state.starts_with("XX") => Some(Self::Refused),
            _ => None,
        }
    }

    /// By result code; the low byte is the primary one.
    fn from_result_code(code: u32) -> Option<Self> {
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

/// The state of a database, shared by its pools and transactions.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Connections that were opened before this time, in microseconds after
    /// `started`, are closed instead of used. Zero for none.
    usable_since: AtomicU64,
    /// The number of writing connections that were opened (SQLite).
    opened: AtomicI64,
    last_write: Mutex<Option<Outcome>>,
    /// Locked during a probe, so that concurrent checks make only one.
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

    /// Marks all open connections to be closed before their next use. After a
    /// failover they may lead to a server that is no longer the primary.
    pub(super) fn discard_connections(&self) {
        self.usable_since.fetch_max(self.micros().max(1), Ordering::SeqCst);
    }

    /// Whether a connection of this age must be closed instead of used.
    pub(super) fn is_discarded(&self, age: Duration) -> bool {
        let since = self.usable_since.load(Ordering::SeqCst);
        since != 0 && self.micros().saturating_sub(micros(age)) < since
    }

    /// Counts a writing connection that was opened.
    pub(super) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::SeqCst);
    }

    /// The number of writing connections that were opened.
    pub(super) fn opened(&self) -> i64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// Records the outcome of a write.
    pub(super) fn record(&self, result: Result<(), WriteFault>) {
        let mut last = self.last_write.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Outcome { at: monotonic_now(), result });
    }

    /// Records the fault that an error reports, and returns it. Does nothing for
    /// an error of a statement.
    pub(super) fn record_error(&self, error: &sqlx::Error) -> Option<WriteFault> {
        let fault = WriteFault::from_error(error)?;
        self.record(Err(fault));
        if matches!(fault, WriteFault::ReadOnly | WriteFault::Unreachable) {
            self.discard_connections();
        }
        Some(fault)
    }

    /// The outcome of the last write, if it is recent.
    pub(super) fn recent(&self) -> Option<Result<(), WriteFault>> {
        let last = (*self.last_write.lock().unwrap_or_else(PoisonError::into_inner))?;
        let holds = if last.result.is_ok() { SUCCESS_HOLDS } else { FAILURE_HOLDS };
        (last.at.elapsed() < holds).then_some(last.result)
    }
}

/// The monotonic clock, with which the driver measures the age of connections.
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
            assert_eq!(WriteFault::from_sqlstate(state), fault, "{state}");
        }
        for (code, fault) in [
            (13, Some(WriteFault::Full)),
            (0x408, Some(WriteFault::ReadOnly)),
            (0x30a, Some(WriteFault::Refused)),
            (5, Some(WriteFault::Busy)),
            (0x813, None),
            (1, None),
        ] {
            assert_eq!(WriteFault::from_result_code(code), fault, "{code}");
        }
        assert_eq!(WriteFault::from_error(&sqlx::Error::RowNotFound), None);
    }

    #[test]
    fn connections_from_before_a_fault_are_not_used_again() {
        let health = Health::new();
        assert!(!health.is_discarded(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(2));
        health.discard_connections();
        std::thread::sleep(Duration::from_millis(2));
        assert!(health.is_discarded(Duration::from_secs(60)));
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
