use std::time::Duration;
use thiserror::Error;
use tidelock_endpoint::{EndpointError, ErrorKind, Finding};
use tidelock_journal::{JournalError, StateError};
use tidelock_model::{CodecError, TableName};

/// What went wrong in a job: which endpoint or part, and why.
#[derive(Debug, Error)]
pub enum SyncError {
    /// An endpoint refused or failed.
    #[error("{endpoint}: {source}")]
    Endpoint {
        /// The endpoint's name in the config.
        endpoint: String,
        /// What it said.
        source: EndpointError,
    },
    /// The journal.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// The embedded state.
    #[error("state: {0}")]
    State(#[from] StateError),
    /// Encoded rows that cannot be read: damage or a fault of ours.
    #[error("reading rows: {0} (TL-SYNC-ENCODING)")]
    Codec(#[from] CodecError),
    /// What keeps a job from starting: each line one finding, all of them.
    #[error("{job} cannot start: {}", .findings.join("; "))]
    Refused {
        /// The job.
        job: String,
        /// One sentence each.
        findings: Vec<String>,
    },
    /// Anything else that stops a job, with a stable code.
    #[error("{message} ({code})")]
    Stopped {
        /// Stable and searchable.
        code: &'static str,
        /// What was being done, what was found, what to do.
        message: String,
    },
    /// A table changed while it is followed: what a flow does about it is decided by the job's policy.
    #[error("{}", .0.message())]
    Reshaped(Reshaped),
    /// Asked to stop. Not a failure.
    #[error("stopped")]
    Cancelled,
}

/// A table of the source that is not what it was when the job was planned, or whose rows must be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshaped {
    /// The source's table.
    pub table: TableName,
    /// Transactions of the journal before the one that tells it.
    pub sequence: u64,
    /// The rows at the target are still those of this table; else all of them went at the source.
    pub kept: bool,
    /// It is older than the view that the table was copied from again.
    pub held: bool,
    /// What was found.
    pub what: String,
}

impl Reshaped {
    fn message(&self) -> String {
        format!(
            "table {0} changed while it is followed, or before that: {1}; give the target's table the same columns and start again (with `schema_changes: apply` \
             tidelock does that by itself), or copy it anew with `tidelock sync --full --tables {0}` (TL-SYNC-SCHEMA-CHANGED)",
            self.table, self.what
        )
    }
}

/// What is done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// At once, with new sessions.
    RetryNow,
    /// Later, with growing pauses.
    RetryLater,
    /// At once, after another look at both sides, where the job's policy for schema changes lets it.
    Replan,
    /// A person must act: the job stops and says so.
    Stop,
}

impl SyncError {
    /// With the endpoint's name, for `map_err`.
    pub fn at(endpoint: &str) -> impl Fn(EndpointError) -> SyncError {
        let endpoint = endpoint.to_owned();
        move |source| SyncError::Endpoint { endpoint: endpoint.clone(), source }
    }

    /// Stops a job.
    pub fn stopped(code: &'static str, message: impl Into<String>) -> SyncError {
        SyncError::Stopped { code, message: message.into() }
    }

    /// As a finding about `subject`, where a person must act; else the error itself.
    pub fn finding(self, subject: &str) -> Result<Finding> {
        match &self {
            SyncError::Endpoint { source, .. } if self.judge() == Judgement::Stop => {
                Ok(source.finding(subject))
            }
            _ => Err(self),
        }
    }

    /// All judgement about retries stands here, and nowhere else.
    pub fn judge(&self) -> Judgement {
        match self {
            SyncError::Endpoint { source, .. } => match source.kind {
                ErrorKind::Contention => Judgement::RetryNow,
                ErrorKind::Unavailable | ErrorKind::Target => Judgement::RetryLater,
                ErrorKind::SchemaChanged => Judgement::Replan,
                ErrorKind::Authentication
                | ErrorKind::Privilege
                | ErrorKind::PositionLost
                | ErrorKind::Precondition
                | ErrorKind::Row
                | ErrorKind::Protocol
                | ErrorKind::Unsupported
                | ErrorKind::Configuration => Judgement::Stop,
            },
            SyncError::Journal(JournalError::Abandoned) => Judgement::RetryNow,
            SyncError::Journal(JournalError::Full { .. }) => Judgement::RetryLater,
            SyncError::Journal(_) | SyncError::State(_) | SyncError::Codec(_) => Judgement::Stop,
            SyncError::Reshaped(_) => Judgement::Replan,
            SyncError::Refused { .. } | SyncError::Stopped { .. } | SyncError::Cancelled => Judgement::Stop,
        }
    }
}

/// The pause before the next try: 0.5 s, doubling up to 30 s; after contention the first three are some milliseconds.
pub fn backoff(judgement: Judgement, attempt: u32) -> Duration {
    match judgement {
        Judgement::RetryNow | Judgement::Replan if attempt < 3 => Duration::from_millis(5 << attempt.min(6)),
        _ => Duration::from_millis(500 << attempt.min(6)).min(Duration::from_secs(30)),
    }
}

/// What every function of this crate answers.
pub type Result<T> = std::result::Result<T, SyncError>;

#[cfg(test)]
mod tests;
