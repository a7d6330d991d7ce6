//! The callers of requests, as axum extractors: a signed-in person in the
//! console, or the principal of a token in the API, each in the organization that
//! the path names. Handlers extract a caller and pass it to an action. A caller
//! contains data, not decisions; the action asks `access` what the caller may do.

mod caller;
mod extractors;
mod memberships;
mod signed_in;

pub use caller::Caller;
pub use extractors::{ApiCaller, AuthenticatedService, ConsoleCaller, ensure_personal_tokens_allowed};
pub use memberships::{all_memberships, membership_in};
pub use signed_in::SignedIn;
