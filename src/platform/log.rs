//! What may be logged. The setting `log` chooses, but libraries never log at
//! the level trace: there some of them write paths and headers, which hold
//! set-up codes, invitation codes and tokens. Tessera's own events are written
//! with that in mind at every level.

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
    // The hint leaves it to the setting which levels cost anything.
    let safe = filter_fn(may_be_logged).with_max_level_hint(LevelFilter::TRACE);
    EnvFilter::new(setting).and(safe)
}
