//! What a running job tells whoever watches: the terminal, a log, the dashboard.

use crate::{SchemaChange, SyncError};
use serde::Serialize;

/// Watches jobs. Called from many tasks; must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A job enters a phase: `starting`, `snapshot`, `catching up`, `following`, `stopped`.
    Phase {
        /// The job.
        job: String,
        /// The direction, `source → target`.
        flow: String,
        /// The phase.
        phase: &'static str,
    },
    /// A table is going to be read.
    TablePlanned {
        /// The job.
        job: String,
        /// The source's table.
        table: String,
        /// Rows expected; an estimate.
        rows: u64,
    },
    /// Rows of a table were read (and, for a copy, are at the target).
    Rows {
        /// The job.
        job: String,
        /// The source's table.
        table: String,
        /// How many, since the last such event.
        rows: u64,
    },
    /// A table was read to its end.
    TableDone {
        /// The job.
        job: String,
        /// The source's table.
        table: String,
        /// How many rows it had.
        rows: u64,
    },
    /// Source transactions are durable at the target.
    Applied {
        /// The job.
        job: String,
        /// The direction, `source → target`.
        flow: String,
        /// How many transactions.
        transactions: u64,
        /// How many row changes they had.
        changes: u64,
        /// From the last one's commit at the source until now, by both clocks.
        lag_micros: i64,
    },
    /// Two sides changed one row.
    Conflict {
        /// The job.
        job: String,
        /// The table.
        table: String,
        /// The row's key.
        key: String,
        /// The conflict's name.
        conflict: String,
        /// What decided.
        rule: String,
        /// The endpoint whose version stays.
        winner: String,
    },
    /// Something failed and is tried again.
    Retrying {
        /// The job.
        job: String,
        /// The direction, `source → target`; none when the job as a whole waits.
        flow: Option<String>,
        /// What failed, with its code.
        error: String,
        /// The pause before the next try.
        milliseconds: u64,
    },
    /// A job, or one of its directions, cannot go on; the others do.
    Failed {
        /// The job.
        job: String,
        /// The direction, `source → target`; none when it is the job as a whole.
        flow: Option<String>,
        /// What failed, with its code and what to do.
        error: String,
    },
    /// The capture of an endpoint reads, or failed.
    Capture {
        /// The endpoint.
        endpoint: String,
        /// What failed, with its code; none when it reads.
        error: Option<String>,
        /// The pause before the next try; none when it reads, or cannot go on.
        milliseconds: Option<u64>,
    },
    /// A table of the source changed, or a table of the target was altered for it.
    SchemaChange(SchemaChange),
    /// One table was compared.
    Verified {
        /// The job.
        job: String,
        /// The source's table.
        table: String,
        /// Rows equal on both sides.
        matched: u64,
        /// Rows with one key and other values.
        different: u64,
        /// Rows that only the source has.
        missing: u64,
        /// Rows that only the target has.
        extra: u64,
    },
}

impl Event {
    /// The job that it is about; none for a capture, which serves several.
    pub fn job(&self) -> Option<&str> {
        match self {
            Event::Phase { job, .. }
            | Event::TablePlanned { job, .. }
            | Event::Rows { job, .. }
            | Event::TableDone { job, .. }
            | Event::Applied { job, .. }
            | Event::Conflict { job, .. }
            | Event::Retrying { job, .. }
            | Event::Failed { job, .. }
            | Event::Verified { job, .. } => Some(job),
            Event::SchemaChange(change) => Some(&change.job),
            Event::Capture { .. } => None,
        }
    }
}

/// What can fail by itself.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// A job.
    Job(&'a str),
    /// A direction of a job.
    Flow {
        /// The job.
        job: &'a str,
        /// The direction, `source → target`.
        flow: &'a str,
    },
    /// The capture of an endpoint.
    Capture(&'a str),
}

impl Part<'_> {
    /// It failed: it is tried again after a pause, or cannot go on.
    pub fn failed(self, error: &SyncError, milliseconds: Option<u64>) -> Event {
        let error = error.to_string();
        let (job, flow) = match self {
            Part::Job(job) => (job.to_owned(), None),
            Part::Flow { job, flow } => (job.to_owned(), Some(flow.to_owned())),
            Part::Capture(endpoint) => {
                return Event::Capture { endpoint: endpoint.to_owned(), error: Some(error), milliseconds };
            }
        };
        match milliseconds {
            Some(milliseconds) => Event::Retrying { job, flow, error, milliseconds },
            None => Event::Failed { job, flow, error },
        }
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}
