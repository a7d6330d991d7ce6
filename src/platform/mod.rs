//! The platform on which the product is built: database, clock, randomness, ids,
//! secrets, errors, rate limits, search, the web layer and the HTTP server. It
//! knows nothing about the product and imports only from `config`.

pub mod clock;
pub mod context;
pub mod db;
pub mod digest;
pub mod error;
pub mod id;
pub mod key;
pub mod log;
pub mod outbound;
pub mod private_file;
pub mod random;
pub mod rate_limits;
pub mod search;
pub mod secret;
pub mod server;
pub mod text;
pub mod web;

pub use clock::{Clock, Timestamp};
pub use context::Context;
pub use db::{Db, Tx, sql};
pub use error::{Error, Result, ValidationErrors};
pub use random::{Label, Random};
