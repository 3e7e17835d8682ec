use super::Outcome;
use crate::app::App;
use crate::cli::{Global, SyncArgs};
use crate::ui::{Ui, text};
use anyhow::Result;
use std::time::Instant;
use tidelock_sync::{SyncError, SyncOptions};
use tokio_util::sync::CancellationToken;

/// `sync`: what was never copied is copied, what was committed before the call is applied.
pub async fn run(global: &Global, args: &SyncArgs, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    app.known_job(args.job.as_deref())?;
    let began = Instant::now();
    let options = SyncOptions { full: args.full, tables: args.tables.clone() };
    let done = app.engine.sync(args.job.as_deref(), &options, cancel).await;
    app.watcher.finish();
    done.map_err(stopped)?;
    let seconds = began.elapsed().as_secs_f64();
    ui.result(&serde_json::json!({ "event": "done", "seconds": seconds }), |_, colours| {
        colours.green(&format!(
            "in step with everything committed before the start, in {}",
            text::duration(began.elapsed())
        ))
    })?;
    Ok(Outcome::Done)
}

/// What a person reads who pressed Ctrl-C.
pub fn stopped(error: SyncError) -> anyhow::Error {
    match error {
        SyncError::Cancelled => SyncError::stopped(
            "TL-SYNC-STOPPED",
            "stopped before it was done; what was delivered stays, and the next run goes on from there",
        )
        .into(),
        other => other.into(),
    }
}
