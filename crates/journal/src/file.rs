//! The journal's file: its tables, how it is made and opened, and what is read of it at the start.

use crate::row::{self, Tables};
use crate::{JournalError, Origin};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tidelock_model::{FORMAT_VERSION, Position};

/// Version of the file's tables. The encoding of the segments has its own: [`FORMAT_VERSION`].
const LAYOUT_VERSION: i64 = 1;
/// `TLjr`, so that another SQLite file is not taken for a journal.
const APPLICATION: i64 = 0x544c_6a72;

const SCHEMA: &str = "
    CREATE TABLE head (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        id TEXT NOT NULL,
        encoding INTEGER NOT NULL,
        origin TEXT,
        sequence INTEGER NOT NULL,
        resume TEXT,
        trimmed INTEGER NOT NULL
    );
    CREATE TABLE segment (
        id INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        until INTEGER NOT NULL,
        continues INTEGER NOT NULL,
        open INTEGER NOT NULL,
        size INTEGER NOT NULL,
        time INTEGER NOT NULL,
        format INTEGER NOT NULL,
        resume TEXT,
        tables TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        bytes BLOB NOT NULL
    );
    CREATE INDEX segment_until ON segment (until);
    CREATE TABLE table_version (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash BLOB NOT NULL UNIQUE,
        json TEXT NOT NULL
    );
    CREATE TABLE reader (
        name TEXT PRIMARY KEY,
        confirmed INTEGER NOT NULL
    ) WITHOUT ROWID;
";

/// What the file told when it was opened.
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) origin: Option<Origin>,
    pub(crate) sequence: u64,
    pub(crate) resume: Option<Position>,
    pub(crate) trimmed: u64,
    pub(crate) last_id: u64,
    pub(crate) stored: u64,
    pub(crate) oldest: Option<i64>,
    pub(crate) readers: BTreeMap<String, u64>,
}

/// Opens the file for writing, makes it when it is absent or empty, and cuts an unfinished transaction off.
pub(crate) fn open(path: &Path, known: &Tables) -> Result<(Connection, Head), JournalError> {
    let failed = |e| JournalError::store("opening", path, e);
    let new = !path.metadata().is_ok_and(|m| m.len() > 0);
    let connection = Connection::open(path).map_err(failed)?;
    settings(&connection, new).map_err(failed)?;
    let made: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).map_err(failed)?;
    if made == 0 {
        create(&connection).map_err(failed)?;
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(|e| JournalError::file("syncing the directory", directory, e))?;
    }
    check_version(&connection, path)?;
    let transaction = begin(&connection).map_err(failed)?;
    row::cut(&transaction, path, known)?;
    transaction.commit().map_err(failed)?;
    let head = read_head(&connection, path)?;
    Ok((connection, head))
}

/// A transaction that may write from its first statement on: whoever writes at the same time is waited for, not run into.
pub(crate) fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// Opens the file once more, for reading what is committed there.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, JournalError> {
    let failed = |e| JournalError::store("opening", path, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
    Ok(connection)
}

fn settings(connection: &Connection, new: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(30))?;
    if new {
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;",
    )
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = begin(connection)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute(
        "INSERT INTO head (only, id, encoding, sequence, trimmed) VALUES (1, ?1, ?2, 0, 0)",
        params![uuid::Uuid::new_v4().to_string(), FORMAT_VERSION],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", LAYOUT_VERSION)?;
    transaction.commit()
}

fn check_version(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |e| JournalError::store("opening", path, e);
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0)).map_err(failed)
    };
    if pragma("application_id")? != APPLICATION {
        return Err(JournalError::damaged(path, "the head", "the file is a database, but not a journal"));
    }
    let refuse = |found, known| Err(JournalError::Version { path: path.to_owned(), found, known });
    let layout = pragma("user_version")?;
    if layout != LAYOUT_VERSION {
        return refuse(layout, LAYOUT_VERSION);
    }
    let encoding: i64 =
        connection.query_row("SELECT encoding FROM head", [], |r| r.get(0)).map_err(failed)?;
    if encoding != i64::from(FORMAT_VERSION) {
        return refuse(encoding, i64::from(FORMAT_VERSION));
    }
    Ok(())
}

fn read_head(connection: &Connection, path: &Path) -> Result<Head, JournalError> {
    let failed = |e| JournalError::store("opening", path, e);
    let number = |r: &rusqlite::Row<'_>, i| r.get::<_, i64>(i).map(|n| n as u64);
    let (id, origin, sequence, resume, trimmed) = connection
        .query_row("SELECT id, origin, sequence, resume, trimmed FROM head", [], |r| {
            Ok((
                r.get(0)?,
                r.get::<_, Option<String>>(1)?,
                number(r, 2)?,
                r.get::<_, Option<String>>(3)?,
                number(r, 4)?,
            ))
        })
        .map_err(failed)?;
    let origin = match origin {
        Some(text) => Some(
            serde_json::from_str(&text)
                .map_err(|e| JournalError::damaged(path, "the head", format!("its origin: {e}")))?,
        ),
        None => None,
    };
    let (last_id, stored, last) = connection
        .query_row(
            "SELECT coalesce(max(id), 0), coalesce(sum(size), 0), coalesce(max(last), 0) FROM segment",
            [],
            |r| Ok((number(r, 0)?, number(r, 1)?, number(r, 2)?)),
        )
        .map_err(failed)?;
    if last_id > 0 && last != sequence {
        let what = format!("it tells {sequence} transactions, the segments end with {last}");
        return Err(JournalError::damaged(path, "the head", what));
    }
    let readers = connection
        .prepare("SELECT name, confirmed FROM reader")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, number(r, 1)?)))?.collect())
        .map_err(failed)?;
    let resume = resume.map(Position::new);
    Ok(Head {
        id,
        origin,
        sequence,
        resume,
        trimmed,
        last_id,
        stored,
        oldest: oldest(connection).map_err(failed)?,
        readers,
    })
}

/// When the oldest segment was written, microseconds since 1970.
pub(crate) fn oldest(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT time FROM segment ORDER BY id LIMIT 1")?
        .query_row([], |r| r.get(0))
        .optional()
}
