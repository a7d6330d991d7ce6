//! The log filter: the setting `log`, without the level `trace` of libraries. At
//! that level some libraries log paths and headers, which contain set-up codes,
//! invitation codes and tokens. Tessera's own events contain none at any level.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE
        || metadata.target() == "tessera"
        || metadata.target().starts_with("tessera::")
}

/// The filter for the setting `log`.
pub fn filter<S: Subscriber + for<'a> LookupSpan<'a>>(setting: &str) -> impl Filter<S> + use<S> {
    // With this hint, the setting alone decides which levels are enabled.
    let safe = filter_fn(may_be_logged).with_max_level_hint(LevelFilter::TRACE);
    EnvFilter::new(setting).and(safe)
}
