use super::Outcome;
use crate::app::App;
use crate::cli::Global;
use crate::ui::Ui;
use anyhow::Result;
use tidelock_sync::SyncError;
use tokio_util::sync::CancellationToken;

/// `run`: all jobs, until asked to stop.
pub async fn run(global: &Global, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    let done = app.engine.run(cancel).await;
    app.watcher.finish();
    match done {
        Err(SyncError::Cancelled) if cancel.is_cancelled() => {}
        other => other?,
    }
    ui.result(&serde_json::json!({ "event": "stopped" }), |_, _| {
        "stopped; the next run goes on from there".to_owned()
    })?;
    Ok(Outcome::Done)
}
