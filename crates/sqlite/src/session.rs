//! One connection on a thread of its own.
//!
//! SQLite's calls block: on a lock, on the disk, on a long query. None of them may do so on the async runtime, so each session has a
//! thread that owns the connection and runs what it is sent, one thing after the other. The thread ends with the last handle, and
//! what the connection had open is rolled back; a call still running then is interrupted.

use crate::error::{self, BUSY_SECONDS, ended};
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tidelock_endpoint::{EndpointError, ErrorKind, Result};
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// What is opened.
#[derive(Clone, Debug)]
pub enum Open {
    /// A file that must be there.
    Existing(PathBuf),
    /// A file that is made when it is not there.
    Create(PathBuf),
    /// Nothing: an empty database that stands for a file which is not there yet.
    Nothing,
}

/// A connection on a thread of its own; clones share it.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    work: Option<mpsc::Sender<Work>>,
    interrupt: InterruptHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.work.take();
        self.interrupt.interrupt();
    }
}

impl Session {
    /// Opens the file and starts the thread.
    pub async fn open(open: Open) -> Result<Session> {
        let (work, inbox) = mpsc::channel::<Work>();
        let (answer, opened) = oneshot::channel();
        let thread = move || match connect(&open) {
            Err(error) => drop(answer.send(Err(error))),
            Ok(mut connection) => {
                if answer.send(Ok(connection.get_interrupt_handle())).is_ok() {
                    inbox.into_iter().for_each(|work| work(&mut connection));
                }
            }
        };
        std::thread::Builder::new().name("tidelock-sqlite".into()).spawn(thread).map_err(|e| {
            EndpointError::new(ErrorKind::Unavailable, "TL-SQLITE-THREAD", format!("starting a thread: {e}"))
        })?;
        let interrupt = opened.await.map_err(|_| ended())??;
        Ok(Session { inner: Arc::new(Inner { work: Some(work), interrupt }) })
    }

    /// Runs `work` on the session's thread. When the future is dropped the work still runs to its end and its answer is lost.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, result) = oneshot::channel();
        let boxed: Work = Box::new(move |connection| drop(answer.send(work(connection))));
        self.inner.work.as_ref().and_then(|w| w.send(boxed).ok()).ok_or_else(ended)?;
        result.await.map_err(|_| ended())?
    }
}

/// Opens a connection with our settings. Blocks: only on a thread that may.
pub fn connect(open: &Open) -> Result<Connection> {
    let base = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match open {
        Open::Nothing => Connection::open_in_memory(),
        Open::Create(path) => Connection::open_with_flags(path, base | OpenFlags::SQLITE_OPEN_CREATE),
        Open::Existing(path) => {
            must_be_there(path)?;
            Connection::open_with_flags(path, base)
        }
    };
    let name = match open {
        Open::Existing(path) | Open::Create(path) => path.display().to_string(),
        Open::Nothing => "memory".into(),
    };
    let connection = opened.map_err(error::sql(format!("opening {name}")))?;
    configure(&connection).map_err(error::sql(format!("opening {name}")))?;
    Ok(connection)
}

fn must_be_there(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let message = format!("opening {}: there is no such file", path.display());
    Err(EndpointError::new(ErrorKind::Configuration, "TL-SQLITE-NO-FILE", message)
        .hint("check the path: in a configuration it is relative to its folder, else to the one tidelock was started in"))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "recursive_triggers", false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Reads the file's head, so that what is no database is found here.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Switches to write-ahead logging, without which readers and writers would wait for each other.
pub fn set_wal(connection: &Connection) -> Result<()> {
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(error::sql("switching the file to write-ahead logging"))?;
    if mode.eq_ignore_ascii_case("wal") || mode.eq_ignore_ascii_case("memory") {
        return Ok(());
    }
    let message = format!("switching the file to write-ahead logging: it stays in mode '{mode}'");
    Err(EndpointError::new(ErrorKind::Precondition, "TL-SQLITE-WAL", message)
        .hint("run PRAGMA journal_mode=WAL while no other process has the file open"))
}

/// A write transaction; rolled back unless `work` succeeds.
pub fn writing<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(error::sql("beginning a write transaction"))?;
    let done = work(connection)
        .and_then(|t| connection.execute_batch("COMMIT").map(|()| t).map_err(error::sql("committing")));
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(error::sql("rolling back"))?;
    }
    done
}
