//! How people prove who they are: passwords, the limits on guessing them, the
//! browsers and networks that an account knows, and sessions.

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
