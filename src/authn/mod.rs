//! Authentication of people: passwords, protection against guessing them
//! (`throttle`, `password_queue`, known browsers and networks), the audit events
//! of refused sign-ins, and sessions. The section `sign_in` has the pages and
//! actions. Programs authenticate through `verification`.

mod authenticator;
pub mod known_browser;
pub mod known_network;
pub mod password;
pub mod password_queue;
pub mod refused_sign_ins;
pub mod session;
pub mod session_store;
pub mod throttle;

pub use authenticator::Authenticator;
pub use password::Passwords;
