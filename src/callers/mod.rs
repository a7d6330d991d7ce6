//! Who makes a request: a person in the console, or a token of the API, in the
//! organization that the path names. Handlers take these as extractors and give
//! them to actions; what a caller may do is decided anew each time.

mod caller;
mod extractors;
mod memberships;
mod signed_in;

pub use caller::Caller;
pub use extractors::{ApiCaller, AuthenticatedService, ConsoleCaller, ensure_personal_tokens_allowed};
pub use memberships::{all_memberships, membership_in};
pub use signed_in::SignedIn;
