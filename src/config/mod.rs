//! Settings: each is a flag, an environment variable `TESSERA_*` and a key of
//! `tessera.toml`, in that order of precedence.

mod checked;
mod database_url;
mod ip_range;
mod listen;
mod settings;
mod sources;

pub use checked::{Config, Limits, LogFormat, OrganizationCreation};
pub use database_url::DatabaseUrl;
pub use ip_range::parse_ip_range;
pub use listen::Listen;
pub use settings::{SETTINGS, Setting};
pub(crate) use settings::{flag, variable};
pub use sources::Sources;
