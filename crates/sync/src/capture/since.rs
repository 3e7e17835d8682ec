//! Since when each table of a source is captured without a gap.
//!
//! A job that was taken out of the configuration and put back would find a journal without a gap in its numbers and without its tables' changes; so would one
//! whose table was replaced at the source by another of the same name. So every beginning of a table's capture has a number like no other, and what was
//! copied under another number is told.

use crate::context::now_micros;
use crate::{Result, SyncError};
use serde::{Deserialize, Serialize};
use tidelock_endpoint::{EndpointError, ErrorKind, Prepared};
use tidelock_journal::{Journal, StateStore};
use tidelock_model::TableName;

/// The tables that a journal captures, each with the number of its beginning.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Since {
    journal: String,
    tables: Vec<Captured>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Captured {
    table: TableName,
    /// The number of the beginning.
    number: i64,
    /// The number of the last beginning before which changes were missed. Those since then began because another table had the name.
    #[serde(default)]
    gap: i64,
    /// Which table it is, as the engine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    which: Option<String>,
    /// What the engine tells of it (`Prepared::identities`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
}

fn entry(endpoint: &str) -> String {
    format!("captured {endpoint}")
}

impl Since {
    /// What was written down for this journal; nothing for a new one.
    pub fn read(state: &StateStore, endpoint: &str, journal: &Journal) -> Result<Since> {
        let fresh = || Since { journal: journal.id().to_owned(), tables: Vec::new() };
        let Some(entry) = state.job_status(&entry(endpoint))? else { return Ok(fresh()) };
        let since: Since = serde_json::from_str(&entry.status).map_err(|e| {
            let message = format!(
                "reading since when the tables of {endpoint} are captured: {e}; the state was changed by hand"
            );
            SyncError::stopped("TL-SYNC-STATE-UNREADABLE", message)
        })?;
        Ok(if since.journal == journal.id() { since } else { fresh() })
    }

    /// The number of a table's beginning; 0 for one that is not captured.
    pub fn of(&self, table: &TableName) -> i64 {
        self.tables.iter().find(|c| c.table == *table).map_or(0, |c| c.number)
    }

    /// Of tables, or parts of them, each with the number under which it was copied, those in whose place another table is captured since. Refuses those that were not
    /// captured all the time; with `strict` also the others.
    pub fn check<'t>(
        &self,
        copied: impl Iterator<Item = (&'t TableName, i64)>,
        strict: bool,
        job: &str,
        source: &str,
    ) -> Result<Vec<TableName>> {
        let late = copied.filter(|(table, number)| self.of(table) != *number);
        let gap =
            |table: &TableName| self.tables.iter().find(|c| c.table == *table).map_or(i64::MAX, |c| c.gap);
        let (missed, replaced): (Vec<_>, Vec<_>) =
            late.partition(|(table, number)| strict || *number < gap(table));
        let mut late: Vec<String> = missed.iter().map(|(table, _)| table.to_string()).collect();
        late.dedup();
        if late.is_empty() {
            let mut replaced: Vec<_> = replaced.into_iter().map(|(table, _)| table.clone()).collect();
            replaced.dedup();
            return Ok(replaced);
        }
        let message = format!(
            "{job} follows {source}, but {} {} not captured all the time since the copy; {} at the source may be missing, and rows that went there may still be here: \
             empty the target's table, then copy it anew with `tidelock sync {job} --full --tables {}`",
            late.join(", "),
            if late.len() == 1 { "was" } else { "were" },
            "what was changed there meanwhile, or with another table of that name,",
            late.join(",")
        );
        Err(SyncError::stopped("TL-SYNC-NOT-CAPTURED", message))
    }
}

/// `tables` are captured from now on. Those captured before keep their beginning, but for those that were taken out of the capture at the source and put back, or are
/// other tables now: these are answered. All others are forgotten.
pub fn remember(
    state: &StateStore,
    endpoint: &str,
    journal: &Journal,
    tables: &[TableName],
    prepared: &Prepared,
) -> Result<Vec<TableName>> {
    let before = Since::read(state, endpoint, journal)?;
    let (now, mut replaced) = (now_micros(), Vec::new());
    let mut captured = Vec::with_capacity(tables.len());
    for table in tables {
        let identity = prepared.identities.iter().find(|i| i.table == *table);
        let (which, identity) = (identity.map(|i| i.which.clone()), identity.map(|i| i.entry.clone()));
        let known = before.tables.iter().find(|c| c.table == *table);
        let number = known.filter(|c| c.identity == identity && c.which == which).map_or(now, |c| c.number);
        if known.is_some_and(|c| c.number != number) {
            replaced.push(table.clone());
        }
        // A table that is new was never written to before it was captured, as far as the job goes: what it holds is copied.
        let other = known.filter(|c| c.number != number && c.which.is_some() && c.which != which);
        let gap = other.or(known.filter(|c| c.number == number)).map_or(number, |c| c.gap);
        captured.push(Captured { table: table.clone(), number, gap, which, identity });
    }
    let since = Since { tables: captured, ..before };
    let text = serde_json::to_string(&since).expect("names and numbers are plain data");
    state.save_job_status(&entry(endpoint), &text, 0)?;
    Ok(replaced)
}

/// Told when it is found while jobs follow the tables.
pub fn replaced(endpoint: &str, tables: &[TableName]) -> SyncError {
    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let message = format!(
        "{} {} replaced, or taken out of the capture, while the connection was away: changes are missing",
        names.join(", "),
        if names.len() == 1 { "was" } else { "were" },
    );
    let error = EndpointError::new(ErrorKind::SchemaChanged, "TL-SYNC-NOT-CAPTURED", message);
    let hint = format!("copy anew with `tidelock sync --full --tables {}`", names.join(","));
    SyncError::at(endpoint)(error.hint(hint))
}
