//! Since when each table of a source is captured, in the journal's sequence.
//!
//! A job that was taken out of the configuration and put back would find a journal without a gap in its numbers and without its tables' changes. So a table that
//! leaves the capture and comes back is captured since then, and a job that stands before that is told.

use crate::{Result, SyncError};
use std::collections::BTreeMap;
use tidelock_journal::StateStore;
use tidelock_model::TableName;

type Since = BTreeMap<String, u64>;

fn entry(endpoint: &str) -> String {
    format!("captured {endpoint}")
}

fn read(state: &StateStore, endpoint: &str) -> Result<Since> {
    let Some(entry) = state.job_status(&entry(endpoint))? else { return Ok(Since::new()) };
    serde_json::from_str(&entry.status).map_err(|e| {
        let message = format!(
            "reading since when the tables of {endpoint} are captured: {e}; the state was changed by hand"
        );
        SyncError::stopped("TL-SYNC-STATE-UNREADABLE", message)
    })
}

/// These tables are captured from now on, at `sequence` of the journal; those captured before keep their beginning, all others are forgotten.
pub fn remember(state: &StateStore, endpoint: &str, tables: &[TableName], sequence: u64) -> Result<()> {
    let before = read(state, endpoint)?;
    let name = |t: &TableName| t.to_string();
    let now: Since = tables
        .iter()
        .map(name)
        .map(|t| (before.get(&t).copied().unwrap_or(sequence), t))
        .map(|(s, t)| (t, s))
        .collect();
    let text = serde_json::to_string(&now).expect("a map of numbers is plain data");
    state.save_job_status(&entry(endpoint), &text, 0)?;
    Ok(())
}

/// Refuses to go on behind `sequence` with tables that were not captured all the time since.
pub fn check(
    state: &StateStore,
    endpoint: &str,
    tables: &[TableName],
    sequence: u64,
    job: &str,
) -> Result<()> {
    let since = read(state, endpoint)?;
    let late = |t: &&TableName| since.get(&t.to_string()).is_none_or(|s| *s > sequence);
    let late: Vec<String> = tables.iter().filter(late).map(ToString::to_string).collect();
    if late.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{job} stands at transaction {sequence} of {endpoint}, but {} {} not captured all the time since; copy anew with `tidelock sync {job} --full`",
        late.join(", "),
        if late.len() == 1 { "was" } else { "were" }
    );
    Err(SyncError::stopped("TL-SYNC-NOT-CAPTURED", message))
}
