//! Who is calling: passwords, sessions, tokens, and the callers made of them.

mod app;
pub mod assertion;
pub mod attribution;
pub mod bearer;
pub mod caller;
pub mod device;
mod facts;
pub mod issuer;
pub mod limits;
mod lookup;
pub mod memory;
pub mod once;
pub mod password;
pub mod password_queue;
pub mod refused_sign_ins;
mod refused_tokens;
pub mod reveal;
pub mod same_origin;
pub mod service;
pub mod session;
pub mod session_store;
pub mod signature;
pub mod throttle;
pub mod token;
pub mod usage;

pub use crate::principals::{Membership, OrganizationFacts};
pub use app::App;
pub use bearer::Bearer;
pub use caller::{ApiCaller, Caller, ConsoleCaller};
pub use session::SignedIn;
pub use token::{PlainToken, TokenHash};
