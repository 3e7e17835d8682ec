use super::Outcome;
use crate::app::observed;
use crate::cli::CopyArgs;
use crate::registry;
use crate::ui::{Ui, Usage, report};
use anyhow::Result;
use std::sync::Arc;
use std::time::Instant;
use tidelock_endpoint::{Endpoint, EndpointError};
use tidelock_sync::SyncError;
use tidelock_sync::job::{TableRule, TableSelection};
use tokio_util::sync::CancellationToken;

/// `copy`: every table of one database into another, counted on both sides.
pub async fn run(args: &CopyArgs, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let (source, target) = pair(&args.from, &args.to, ["source", "target"])?;
    let tables = match args.tables.as_slice() {
        [] => TableSelection::All,
        names => TableSelection::Only(names.iter().map(TableRule::plain).collect()),
    };
    let watcher = ui.watcher();
    let began = Instant::now();
    let copied = tidelock_sync::copy(source, target, tables, observed(&watcher), cancel).await;
    watcher.finish();
    let copied = copied.map_err(|error| match error {
        SyncError::Cancelled => {
            let message = "stopped before it was done; what was copied stays, and the same command copies everything again, row by row over what is there";
            SyncError::stopped("TL-SYNC-STOPPED", message)
        }
        other => other,
    })?;
    let time = began.elapsed();
    let tables: Vec<_> =
        copied.tables.iter().map(|(t, rows)| serde_json::json!({ "table": t, "rows": rows })).collect();
    let json = serde_json::json!({
        "event": "done", "tables": tables, "remarks": copied.remarks, "seconds": time.as_secs_f64()
    });
    ui.result(&json, |_, colours| report::copied(&copied, time, colours))?;
    Ok(Outcome::Done)
}

/// Both endpoints of a command line, without connecting; mistakes in both URLs are told together.
pub fn pair(from: &str, to: &str, names: [&str; 2]) -> Result<(Arc<dyn Endpoint>, Arc<dyn Endpoint>)> {
    if from == to {
        let message = "FROM_URL and TO_URL are one database".to_owned();
        return Err(Usage { code: "TL-CLI-SAME", message, hint: None }.into());
    }
    let opened = (registry::endpoint_from_url(names[0], from), registry::endpoint_from_url(names[1], to));
    match opened {
        (Ok(from), Ok(to)) => Ok((from, to)),
        (from, to) => {
            let errors: Vec<(&str, EndpointError)> =
                [from.err().map(|e| ("FROM_URL", e)), to.err().map(|e| ("TO_URL", e))]
                    .into_iter()
                    .flatten()
                    .collect();
            let message = errors
                .iter()
                .map(|(what, e)| format!("{what}: {}", e.message))
                .collect::<Vec<_>>()
                .join("; ");
            let mut hints: Vec<String> = errors.iter().filter_map(|(_, e)| e.hint.clone()).collect();
            hints.dedup();
            let hint = (!hints.is_empty()).then(|| hints.join("; "));
            Err(Usage { code: errors.first().map_or("TL-CLI-URL", |(_, e)| e.code), message, hint }.into())
        }
    }
}
