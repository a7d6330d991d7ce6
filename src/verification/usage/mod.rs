//! The usage of tokens: last use (time, IP address, user agent, service), the number of calls with what was asked and
//! answered, and attributed calls. Usage is collected in memory and written in batches every ten seconds, so that no
//! request waits for a write. If the process crashes, the usage since the last flush is lost. Calls count for the day
//! on which they are written.

mod collector;
mod counted;
mod pending;
mod write;

pub use collector::Usage;
pub use counted::{Check, CountedCall, CountedPrincipal, CountedRow, CountedValue, Outcome};
pub use pending::day_number;
pub use write::add_counts;
