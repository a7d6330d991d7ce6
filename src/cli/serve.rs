//! `tessera serve`: starts the server and the background tasks (flushing usage,
//! clean-up, the search index, invalidation from other nodes), and stops them in
//! order after SIGTERM or SIGINT.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, demo, limits, open};
use crate::access::{System, SystemReason};
use crate::app::app_service;
use crate::cleanup;
use crate::config::{Config, Listen};
use crate::directory::search::Members;
use crate::organizations;
use crate::platform::db::{listen, missing_build_flags};
use crate::platform::search::renew;
use crate::platform::server::{Listener, serve};
use crate::platform::{Db, Error};
use crate::service_accounts::model::ServiceAccount;
use crate::state::AppState;

/// The search index follows the lists.
const INDEX: System = System::new(SystemReason::SearchIndex);

/// How often the usage of tokens is written to the database.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// How often expired data is deleted.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);

pub(super) async fn run(mut config: Config, is_demo: bool) -> Outcome {
    let listener =
        Listener::open(&config.listen).await.map_err(|error| format!("listen {}: {error}", config.listen))?;
    if let (false, Some(address)) = (config.public_url_is_set, listener.address()) {
        config.public_url = match &config.listen {
            Listen::Name(name, _) => format!("http://{name}:{}", address.port()),
            _ => format!("http://{address}"),
        };
    }
    config.is_demo = is_demo;
    let open_files = limits::raise_open_files();
    let connections = limits::connections(&config, open_files);
    tracing::info!("limits: {}", limits::describe(&connections, open_files));
    let app = open(config).await?;
    if let Ok(Some(missing)) = missing_build_flags(&app.context.db).await {
        tracing::warn!("{missing}");
    }
    if is_demo {
        demo::fill(&app).await?;
    }
    match &app.context.config.listen {
        Listen::Unix(_) => println!("Tessera listens on {}", app.context.config.listen),
        _ => println!("Tessera listens on {}", app.context.config.public_url),
    }
    if !organizations::store::is_set_up(&app.context.db).await.map_err(|error| error.to_string())? {
        let code = organizations::bootstrap::setup_code(&app.context);
        println!("Set up the first owner at {}/setup?code={code}", app.context.config.public_url);
    }
    let periodic_work = tokio::spawn(run_periodic_work(app.clone()));
    let indexing = tokio::spawn(build_search_index(app.context.db.clone()));
    let listening = tokio::spawn(listen(app.context.db.clone(), app.context.clock.clone()));
    let stop = stop_signal().map_err(|error| format!("The server cannot listen for signals: {error}."))?;
    serve(listener, app_service(app.clone()), connections, stop)
        .await
        .map_err(|error| format!("The threads of the server cannot be started: {error}."))?;
    periodic_work.abort();
    indexing.abort();
    listening.abort();
    if let Err(error) = app.verifier.usage.flush(&app.context).await {
        tracing::warn!(%error, "the last uses of tokens were not written");
    }
    app.context.db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// A future that completes with the first SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// Brings the search index of people and service accounts up to date, for rows
/// that an older release wrote.
async fn build_search_index(db: Db) {
    let added = async {
        Ok::<_, Error>(renew::<Members>(&db, &INDEX).await? + renew::<ServiceAccount>(&db, &INDEX).await?)
    };
    match added.await {
        Ok(0) => {}
        Ok(renewed) => {
            tracing::info!(renewed, "people and service accounts can be searched for as they are called now");
        }
        Err(error) => {
            tracing::warn!(%error, "not everything can be searched for; the next start tries again");
        }
    }
}

/// Flushes usage and deletes expired data at intervals. Errors are logged, and
/// the work is tried again at the next interval.
async fn run_periodic_work(app: AppState) {
    let mut flush = tokio::time::interval(FLUSH_INTERVAL);
    let mut cleanup = tokio::time::interval(CLEANUP_INTERVAL);
    loop {
        let done = tokio::select! {
            _ = flush.tick() => app.verifier.usage.flush_gently(&app.context).await,
            () = app.verifier.usage.needs_flush() => app.verifier.usage.flush_gently(&app.context).await,
            _ = cleanup.tick() => {
                app.rate_limits.purge_idle();
                cleanup::purge_expired(&app.context).await
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "housekeeping failed; it will be tried again");
        }
    }
}
