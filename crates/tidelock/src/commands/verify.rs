use super::Outcome;
use super::sync::stopped;
use crate::app::App;
use crate::cli::Global;
use crate::ui::{Ui, report};
use anyhow::Result;
use tidelock_sync::TableReport;
use tokio_util::sync::CancellationToken;

/// How often what differs is read again, half a second apart, while a service may still be delivering it.
const RECHECKS: u32 = 4;

/// `verify`: both sides row by row; exit code 1 when they differ.
pub async fn run(global: &Global, job: &str, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    app.known_job(Some(job))?;
    let tables = app.engine.verify(job, RECHECKS, cancel).await;
    app.watcher.finish();
    let tables = tables.map_err(stopped)?;
    let equal = tables.iter().all(TableReport::is_clean);
    ui.result(&serde_json::json!({ "job": job, "equal": equal, "tables": tables }), |_, colours| {
        report::verify(&tables, colours)
    })?;
    Ok(if equal { Outcome::Done } else { Outcome::Unmet })
}
