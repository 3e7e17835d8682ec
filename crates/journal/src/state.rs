//! The small things that tidelock remembers beside the journals: how snapshots were cut, what ran, what conflicted, how the jobs are.
//!
//! One SQLite file, called rarely: every method is one statement or one short transaction under a mutex, and durable when it
//! returns. What is JSON for `sync` is text here. Times are microseconds since 1970 UTC and are handed in.

use crate::file::begin;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;

const VERSION: i64 = 1;
/// `TLst`.
const APPLICATION: i64 = 0x544c_7374;

const SCHEMA: &str = "
    CREATE TABLE plan (job TEXT NOT NULL, table_name TEXT NOT NULL, chunks TEXT NOT NULL, PRIMARY KEY (job, table_name));
    CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER, outcome TEXT);
    CREATE INDEX run_job ON run (job, id);
    CREATE TABLE conflict (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, job TEXT NOT NULL, table_name TEXT NOT NULL, key TEXT NOT NULL,
        rule TEXT NOT NULL, winner TEXT NOT NULL, incoming TEXT, current TEXT
    );
    CREATE INDEX conflict_job ON conflict (job, id);
    CREATE TABLE job_status (job TEXT PRIMARY KEY, status TEXT NOT NULL, updated INTEGER NOT NULL);
";

/// What went wrong with the state file.
#[derive(Debug, Error)]
pub enum StateError {
    /// SQLite's answer.
    #[error(
        "{what} in the state {path}: {source} (TL-STATE-STORE); check that the file is writable and the disk has space"
    )]
    Store {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// Written by another version, or not a state file at all.
    #[error(
        "opening the state {path}: it is version {found}, this tidelock reads version {known} (TL-STATE-VERSION); use the tidelock that wrote it, or another state directory"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found; 0 for another program's file.
        found: i64,
        /// The version known.
        known: i64,
    },
}

/// The limits of a state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateOptions {
    /// How many conflicts are kept, the newest.
    pub conflicts: u64,
}

/// 100,000 conflicts.
impl Default for StateOptions {
    fn default() -> Self {
        StateOptions { conflicts: 100_000 }
    }
}

/// How a table's snapshot was cut, so that it goes on after a restart with the same chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePlan {
    /// The table, as the config writes it.
    pub table: String,
    /// Its chunks, as JSON text.
    pub chunks: String,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Grows with each run.
    pub id: i64,
    /// The job.
    pub job: String,
    /// When it began.
    pub started: i64,
    /// When it ended; none while it runs (or when it was killed).
    pub ended: Option<i64>,
    /// How it ended.
    pub outcome: Option<String>,
}

/// Two sides changed one row, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Given when it is added; before that it does not count.
    pub id: i64,
    /// When it was resolved.
    pub time: i64,
    /// The job.
    pub job: String,
    /// The table at the target.
    pub table: String,
    /// The row's key, as JSON text.
    pub key: String,
    /// The policy and rule that decided.
    pub rule: String,
    /// The endpoint whose version stays.
    pub winner: String,
    /// The row that came, as JSON text; none for a delete.
    pub incoming: Option<String>,
    /// The row that was there, as JSON text; none where it was gone.
    pub current: Option<String>,
}

/// How a job is, as it last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The job.
    pub job: String,
    /// JSON text.
    pub status: String,
    /// When it told.
    pub updated: i64,
}

/// The state file, open. May be opened to read by another process while one writes.
#[derive(Debug)]
pub struct StateStore {
    path: PathBuf,
    options: StateOptions,
    connection: Mutex<Connection>,
}

type Result<T> = std::result::Result<T, StateError>;

impl StateStore {
    /// Opens the file, or makes it.
    pub fn open(path: &Path, options: StateOptions) -> Result<StateStore> {
        let failed = |source| StateError::Store { what: "opening tables", path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(failed)?;
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(failed)?;
        create(&connection).map_err(failed)?;
        StateStore::checked(path, options, connection)
    }

    /// Opens a file that is there, only to read; its owner may be writing.
    pub fn open_to_read(path: &Path) -> Result<StateStore> {
        let failed = |source| StateError::Store { what: "opening tables", path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
        StateStore::checked(path, StateOptions::default(), connection)
    }

    fn checked(path: &Path, options: StateOptions, connection: Connection) -> Result<StateStore> {
        let store = StateStore { path: path.to_owned(), options, connection: Mutex::new(connection) };
        let (application, version) = store.with("reading the version", |c| {
            let pragma = |name| c.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0));
            Ok((pragma("application_id")?, pragma("user_version")?))
        })?;
        let found = if application == APPLICATION { version } else { 0 };
        if found != VERSION {
            return Err(StateError::Version { path: store.path, found, known: VERSION });
        }
        Ok(store)
    }

    fn with<T>(&self, what: &'static str, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connection: MutexGuard<'_, Connection> =
            self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        act(&connection).map_err(|source| StateError::Store { what, path: self.path.clone(), source })
    }

    /// Remembers how a table was cut, in place of what was remembered.
    pub fn save_plan(&self, job: &str, table: &str, chunks: &str) -> Result<()> {
        self.with("saving a snapshot plan", |c| {
            let sql = "INSERT OR REPLACE INTO plan (job, table_name, chunks) VALUES (?1, ?2, ?3)";
            c.execute(sql, [job, table, chunks]).map(drop)
        })
    }

    /// How a table was cut.
    pub fn plan(&self, job: &str, table: &str) -> Result<Option<String>> {
        self.with("reading a snapshot plan", |c| {
            let sql = "SELECT chunks FROM plan WHERE job = ?1 AND table_name = ?2";
            c.query_row(sql, [job, table], |r| r.get(0)).optional()
        })
    }

    /// How all tables of a job were cut, by name.
    pub fn plans(&self, job: &str) -> Result<Vec<TablePlan>> {
        self.with("reading the snapshot plans", |c| {
            let mut statement =
                c.prepare("SELECT table_name, chunks FROM plan WHERE job = ?1 ORDER BY table_name")?;
            statement.query_map([job], |r| Ok(TablePlan { table: r.get(0)?, chunks: r.get(1)? }))?.collect()
        })
    }

    /// Forgets how the tables of a job were cut.
    pub fn forget_plans(&self, job: &str) -> Result<()> {
        self.with("removing snapshot plans", |c| {
            c.execute("DELETE FROM plan WHERE job = ?1", [job]).map(drop)
        })
    }

    /// A run begins; its id.
    pub fn begin_run(&self, job: &str, started: i64) -> Result<i64> {
        self.with("writing the run history", |c| {
            c.execute("INSERT INTO run (job, started) VALUES (?1, ?2)", params![job, started])?;
            Ok(c.last_insert_rowid())
        })
    }

    /// A run ends.
    pub fn end_run(&self, id: i64, ended: i64, outcome: &str) -> Result<()> {
        self.with("writing the run history", |c| {
            let sql = "UPDATE run SET ended = ?2, outcome = ?3 WHERE id = ?1";
            match c.execute(sql, params![id, ended, outcome])? {
                0 => Err(rusqlite::Error::QueryReturnedNoRows),
                _ => Ok(()),
            }
        })
    }

    /// The newest runs, the newest first, of one job or of all.
    pub fn runs(&self, job: Option<&str>, limit: u32) -> Result<Vec<Run>> {
        self.with("reading the run history", |c| {
            let sql = "SELECT id, job, started, ended, outcome FROM run WHERE ?1 IS NULL OR job = ?1 ORDER BY id DESC LIMIT ?2";
            let run = |r: &Row<'_>| {
                Ok(Run { id: r.get(0)?, job: r.get(1)?, started: r.get(2)?, ended: r.get(3)?, outcome: r.get(4)? })
            };
            c.prepare(sql)?.query_map(params![job, limit], run)?.collect()
        })
    }

    /// Adds conflicts, all or none, and drops the oldest above the limit.
    pub fn add_conflicts(&self, conflicts: &[Conflict]) -> Result<()> {
        self.with("writing the conflict log", |connection| {
            let transaction = begin(connection)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO conflict (time, job, table_name, key, rule, winner, incoming, current)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for c in conflicts {
                insert.execute(params![
                    c.time, c.job, c.table, c.key, c.rule, c.winner, c.incoming, c.current
                ])?;
            }
            drop(insert);
            let kept = i64::try_from(self.options.conflicts).unwrap_or(i64::MAX);
            transaction
                .execute("DELETE FROM conflict WHERE id <= (SELECT max(id) FROM conflict) - ?1", [kept])?;
            transaction.commit()
        })
    }

    /// One conflict.
    pub fn conflict(&self, id: i64) -> Result<Option<Conflict>> {
        self.with("reading the conflict log", |c| {
            c.query_row(&format!("{CONFLICTS} WHERE id = ?1"), [id], conflict).optional()
        })
    }

    /// The newest conflicts, the newest first, of one job or of all; with `before`, those that are older than that one.
    pub fn conflicts(&self, job: Option<&str>, before: Option<i64>, limit: u32) -> Result<Vec<Conflict>> {
        self.with("reading the conflict log", |c| {
            let sql = format!("{CONFLICTS} WHERE (?1 IS NULL OR job = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3");
            c.prepare(&sql)?.query_map(params![job, before, limit], conflict)?.collect()
        })
    }

    /// Remembers how a job is, in place of what was remembered.
    pub fn save_job_status(&self, job: &str, status: &str, updated: i64) -> Result<()> {
        self.with("writing a job's status", |c| {
            let sql = "INSERT OR REPLACE INTO job_status (job, status, updated) VALUES (?1, ?2, ?3)";
            c.execute(sql, params![job, status, updated]).map(drop)
        })
    }

    /// How a job is.
    pub fn job_status(&self, job: &str) -> Result<Option<JobStatus>> {
        self.with("reading a job's status", |c| {
            c.query_row("SELECT job, status, updated FROM job_status WHERE job = ?1", [job], job_status)
                .optional()
        })
    }

    /// How all jobs are, by name.
    pub fn job_statuses(&self) -> Result<Vec<JobStatus>> {
        self.with("reading the jobs' status", |c| {
            c.prepare("SELECT job, status, updated FROM job_status ORDER BY job")?
                .query_map([], job_status)?
                .collect()
        })
    }
}

const CONFLICTS: &str =
    "SELECT id, time, job, table_name, key, rule, winner, incoming, current FROM conflict";

fn conflict(r: &Row<'_>) -> rusqlite::Result<Conflict> {
    Ok(Conflict {
        id: r.get(0)?,
        time: r.get(1)?,
        job: r.get(2)?,
        table: r.get(3)?,
        key: r.get(4)?,
        rule: r.get(5)?,
        winner: r.get(6)?,
        incoming: r.get(7)?,
        current: r.get(8)?,
    })
}

fn job_status(r: &Row<'_>) -> rusqlite::Result<JobStatus> {
    Ok(JobStatus { job: r.get(0)?, status: r.get(1)?, updated: r.get(2)? })
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = begin(connection)?;
    let made: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if made == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}
