//! `copy`: one endpoint's tables into another, once, without a log, a journal or a config file.

use crate::context::FlowContext;
use crate::job::{Job, Route, SchemaChanges, TableSelection};
use crate::observe::Observer;
use crate::planning::{self, Purpose};
use crate::{Result, SyncError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
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

/// For removing the checkpoints of a copy that failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// No job of a configuration may be called so.
const NAME: &str = "copy!";

/// A job that copies all tables selected.
fn job(source: &str, target: &str, tables: TableSelection) -> Job {
    let route = Route::OneWay { source: source.to_owned(), target: target.to_owned() };
    Job {
        name: NAME.to_owned(),
        route,
        tables,
        capture: None,
        batch_size: 1000,
        types: Vec::new(),
        schema_changes: SchemaChanges::default(),
        conflicts: None,
    }
}

/// Copies, then holds what the view had, counted at the source, against what the target has. Our checkpoints go, also from a copy that failed, if the target still
/// answers.
pub async fn copy(
    source: Arc<dyn Endpoint>,
    target: Arc<dyn Endpoint>,
    tables: TableSelection,
    observer: Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Copied> {
    let job = job(source.name(), target.name(), tables);
    let planning = planning::direction(&job, Purpose::Copy, &[], &source, &target, &observer, cancel).await?;
    planning::refuse_errors(&job, std::slice::from_ref(&planning)).map_err(in_words)?;
    let (context, remarks) = (planning.context, planning.report.findings);
    let copied = load(&context).await;
    let cleanup = context.target.cleanup(Some(&context.flow.job), true);
    let counts = match copied {
        Ok(counts) => {
            cleanup.await.map_err(SyncError::at(&context.flow.target))?;
            counts
        }
        Err(error) => {
            if !matches!(tokio::time::timeout(PATIENCE, cleanup).await, Ok(Ok(_))) {
                tracing::warn!("the checkpoints of this copy stay at {}", context.flow.target);
            }
            return Err(error);
        }
    };
    let names = context.flow.tables.iter().map(|map| map.source.name.to_string());
    let (tables, there): (Vec<_>, Vec<u64>) =
        names.zip(counts).map(|(name, (here, there))| ((name, here), there)).unzip();
    let differ = tables.iter().zip(there).filter(|((_, here), there)| here != there);
    let differ: Vec<_> = differ
        .map(|((name, here), there)| {
            format!("{name} has {here} rows at the source and {there} at the target")
        })
        .collect();
    if differ.is_empty() {
        return Ok(Copied { tables, remarks });
    }
    let message = format!(
        "copied, but the counts differ: {}; rows that were at the target before stay there, and whatever else writes there is counted: \
         empty these tables at the target and copy them again, or compare both sides by `tidelock verify`",
        differ.join("; ")
    );
    Err(SyncError::stopped("TL-COPY-COUNT", message))
}

/// Nobody has typed the job's name.
fn in_words(error: SyncError) -> SyncError {
    let SyncError::Refused { findings, .. } = error else { return error };
    let job = "the copy".to_owned();
    SyncError::Refused { findings: findings.into_iter().map(|f| f.replace(NAME, &job)).collect(), job }
}

/// The rows of each table: in the view that was copied, and at the target when all is there.
async fn load(context: &FlowContext) -> Result<Vec<(u64, u64)>> {
    let flow = &context.flow;
    let at = SyncError::at(&flow.target);
    let mut session = context.target.target(&flow.job).await.map_err(&at)?;
    let engine = context.source.capabilities().engine;
    let targets: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
    session.prepare(engine, &targets).await.map_err(&at)?;
    let mut counts = Vec::new();
    crate::snapshot::run(
        context,
        &mut *session,
        &flow.tables,
        &[],
        (&[], &BTreeMap::new()),
        None,
        Some(&mut counts),
    )
    .await?;
    session.finish(engine, &targets).await.map_err(&at)?;
    drop(session);
    let there = crate::verify::count_at_target(context, &targets).await?;
    Ok(counts.into_iter().zip(there).collect())
}
