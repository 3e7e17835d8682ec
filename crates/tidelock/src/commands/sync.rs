use super::{Outcome, or_stopped};
use crate::app::App;
use crate::cli::{Global, SyncArgs};
use crate::config::nearest;
use crate::ui::{Ui, Usage, text};
use anyhow::Result;
use std::time::Instant;
use tidelock_model::TableName;
use tidelock_sync::job::matches;
use tidelock_sync::{SyncError, SyncOptions};
use tokio_util::sync::CancellationToken;

/// `sync`: what was never copied is copied, what was committed before the call is applied.
pub async fn run(global: &Global, args: &SyncArgs, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    app.known_job(args.job.as_deref())?;
    or_stopped(known_tables(&app, args), cancel).await?;
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

/// Refuses a table that no job has: copying nothing again in silence is not what was asked.
async fn known_tables(app: &App, args: &SyncArgs) -> Result<()> {
    if args.tables.is_empty() {
        return Ok(());
    }
    let reports = app.engine.check(args.job.as_deref(), false).await?;
    let tables: Vec<&str> = reports.iter().flat_map(|r| &r.tables).map(String::as_str).collect();
    let unknown = |pattern: &&String| !tables.iter().any(|t| matches(pattern, &TableName::new(*t)));
    let unknown: Vec<&String> = args.tables.iter().filter(unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let meant: Vec<&str> = unknown.iter().filter_map(|name| nearest(name, tables.iter().copied())).collect();
    let meant =
        if meant.is_empty() { String::new() } else { format!("did you mean `{}`? ", meant.join(",")) };
    let hint = format!("{meant}there are: {}", tables.join(", "));
    let names: Vec<&str> = unknown.iter().map(|name| name.as_str()).collect();
    let message = format!("no job has a table {}", names.join(", or "));
    Err(Usage { code: "TL-CLI-NO-TABLE", message, hint: Some(hint) }.into())
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
