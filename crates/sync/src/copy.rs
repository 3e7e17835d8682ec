//! `copy`: one endpoint's tables into another, once, without a log, a journal or a config file.

use crate::job::{Job, Route, TableSelection};
use crate::observe::Observer;
use crate::planning::{self, Purpose};
use crate::{Result, SyncError};
use std::sync::Arc;
use tidelock_endpoint::Endpoint;
use tokio_util::sync::CancellationToken;

/// What `copy` did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Copied {
    /// Tables and their rows, by the source's names.
    pub tables: Vec<(String, u64)>,
    /// Remarks that did not keep it from working.
    pub remarks: Vec<tidelock_endpoint::Finding>,
}

/// No job of a configuration may be called so.
const NAME: &str = "copy!";

/// A job that copies all tables selected.
fn job(source: &str, target: &str, tables: TableSelection) -> Job {
    let route = Route::OneWay { source: source.to_owned(), target: target.to_owned() };
    Job { name: NAME.to_owned(), route, tables, capture: None, batch_size: 1000, conflicts: None }
}

/// Copies, then counts both sides.
pub async fn copy(
    source: Arc<dyn Endpoint>,
    target: Arc<dyn Endpoint>,
    tables: TableSelection,
    observer: Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Copied> {
    let job = job(source.name(), target.name(), tables);
    let planning =
        planning::direction(&job, Purpose::ReadOnce, &[], &source, &target, &observer, cancel).await?;
    planning::refuse_errors(&job, std::slice::from_ref(&planning))?;
    let (context, remarks) = (planning.context, planning.report.findings);
    let flow = context.flow.clone();
    let at = SyncError::at(&flow.target);
    let mut session = context.target.target(&flow.job).await.map_err(&at)?;
    let engine = context.source.capabilities().engine;
    let targets: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
    session.prepare(engine, &targets).await.map_err(&at)?;
    crate::snapshot::run(&context, &mut *session, &flow.tables, &[], None).await?;
    session.finish(engine, &targets).await.map_err(&at)?;
    drop(session);
    let mut tables = Vec::new();
    for map in &flow.tables {
        let counted = crate::verify::count(&context, map).await?;
        if counted.0 != counted.1 {
            let message = format!(
                "table {}: {} rows at the source, {} at the target; rows that were at the target before stay there",
                map.source.name, counted.0, counted.1
            );
            return Err(SyncError::stopped("TL-COPY-COUNT", message));
        }
        tables.push((map.source.name.to_string(), counted.0));
    }
    context.target.cleanup(Some(&flow.job), true).await.map_err(&at)?;
    Ok(Copied { tables, remarks })
}
