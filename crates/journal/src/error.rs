use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// What went wrong with a journal or the state directory.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// Another process (or another handle of this one) has it open.
    #[error(
        "opening {path}: it is in use{by} (TL-JOURNAL-LOCKED); stop the other tidelock, or give this one another state directory"
    )]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// ` by process N`, where known.
        by: String,
    },
    /// A file operation failed.
    #[error(
        "{what} {path}: {source} (TL-JOURNAL-FILE); check that the directory exists, is writable and has space"
    )]
    File {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: Arc<std::io::Error>,
    },
    /// SQLite failed for a reason other than damage.
    #[error(
        "{what} journal {path}: {source} (TL-JOURNAL-STORE); check the disk's space and health, then start again: nothing durable is lost"
    )]
    Store {
        /// What was being done.
        what: &'static str,
        /// The journal.
        path: PathBuf,
        /// SQLite's answer.
        source: Arc<rusqlite::Error>,
    },
    /// Written by another version of tidelock.
    #[error(
        "opening journal {path}: its format is version {found}, this tidelock reads version {known} (TL-JOURNAL-VERSION); use the tidelock that wrote it, or let that one deliver everything first"
    )]
    Version {
        /// The journal.
        path: PathBuf,
        /// The version found.
        found: i64,
        /// The version known.
        known: i64,
    },
    /// What is stored is not what was written.
    #[error(
        "reading {place} of journal {path}: {what} (TL-JOURNAL-DAMAGED); the disk or somebody changed the file: keep a copy of it, move it away, and run the jobs of this source again with `tidelock sync --full`"
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// `segment 17`, `the head`.
        place: String,
        /// What was found.
        what: String,
    },
    /// The size limit is reached and no reader can be passed. Nothing was taken; the same batch may be offered again later.
    #[error(
        "the journal is full: {bytes} bytes of at most {max} are held for {slowest} (TL-JOURNAL-FULL); let it catch up, remove it, or raise the journal's limit"
    )]
    Full {
        /// Bytes held.
        bytes: u64,
        /// The limit.
        max: u64,
        /// The slowest reader, and how far it is.
        slowest: String,
    },
    /// The reader's place is not in the journal.
    #[error(
        "job '{reader}' stands behind transaction {after}, but the journal holds {first} to {last} (TL-JOURNAL-POSITION-LOST); it is not the journal from which the job was delivered: run the job again with `tidelock sync --full`"
    )]
    PositionLost {
        /// The reader.
        reader: String,
        /// Where it stands.
        after: u64,
        /// The first sequence held.
        first: u64,
        /// The last sequence held.
        last: u64,
    },
    /// The transaction of which this reader was handed pieces was given up: roll it back. Reading goes on behind the commit before it.
    #[error("the source broke off inside a transaction; its pieces were removed (TL-JOURNAL-ABANDONED)")]
    Abandoned,
    /// The appender broke the order of records.
    #[error(
        "appending to the journal: {0} (TL-JOURNAL-ORDER); this is a fault in the capture of this source, please report it"
    )]
    Order(String),
    /// The journal already has a beginning.
    #[error("this journal already begins at {start} (TL-JOURNAL-NOT-EMPTY)")]
    NotEmpty {
        /// Where it begins, or `an unknown place`.
        start: String,
    },
    /// The journal was closed.
    #[error("the journal is closed (TL-JOURNAL-CLOSED)")]
    Closed,
    /// The writer stopped at an earlier error; nothing more is accepted until the journal is opened again.
    #[error("the journal stopped: {0} (TL-JOURNAL-FAILED)")]
    Failed(String),
}

impl JournalError {
    /// The stable code, as it stands in the message.
    pub fn code(&self) -> &'static str {
        match self {
            JournalError::Locked { .. } => "TL-JOURNAL-LOCKED",
            JournalError::File { .. } => "TL-JOURNAL-FILE",
            JournalError::Store { .. } => "TL-JOURNAL-STORE",
            JournalError::Version { .. } => "TL-JOURNAL-VERSION",
            JournalError::Damaged { .. } => "TL-JOURNAL-DAMAGED",
            JournalError::Full { .. } => "TL-JOURNAL-FULL",
            JournalError::PositionLost { .. } => "TL-JOURNAL-POSITION-LOST",
            JournalError::Abandoned => "TL-JOURNAL-ABANDONED",
            JournalError::Order(_) => "TL-JOURNAL-ORDER",
            JournalError::NotEmpty { .. } => "TL-JOURNAL-NOT-EMPTY",
            JournalError::Closed => "TL-JOURNAL-CLOSED",
            JournalError::Failed(_) => "TL-JOURNAL-FAILED",
        }
    }

    pub(crate) fn file(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        JournalError::File { what, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(path: &Path, place: impl Into<String>, what: impl Into<String>) -> Self {
        JournalError::Damaged { path: path.to_owned(), place: place.into(), what: what.into() }
    }

    /// SQLite's error, told as damage where it is that.
    pub(crate) fn store(what: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        use rusqlite::types::FromSqlError;
        let broken = match &source {
            rusqlite::Error::SqliteFailure(e, _) => matches!(e.code, DatabaseCorrupt | NotADatabase),
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..) => true,
            rusqlite::Error::Utf8Error(..) => true,
            rusqlite::Error::ToSqlConversionFailure(e) => e.is::<FromSqlError>(),
            _ => false,
        };
        if broken {
            return JournalError::damaged(path, "the tables", format!("{what} it: {source}"));
        }
        JournalError::Store { what, path: path.to_owned(), source: Arc::new(source) }
    }
}
