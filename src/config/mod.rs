//! The settings of a process. Each setting can be given as a flag, as an
//! environment variable `TESSERA_*` and as a key of `tessera.toml`, in this order
//! of precedence. `settings` lists them, `sources` reads their values, and
//! `checked` converts them to the typed [`Config`] and reports all errors at once.

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
