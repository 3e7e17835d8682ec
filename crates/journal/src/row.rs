//! One segment as a row of the file, with the checksum that guards it.

use crate::{JournalError, Segment, pieces};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidelock_model::{Batch, FORMAT_VERSION, Position, Table};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Tables known by their number are kept up to this many; then they are read anew.
const CACHED_TABLES: usize = 4096;

/// A segment as it stands in the file.
pub(crate) struct Row {
    pub(crate) id: u64,
    first: u64,
    last: u64,
    continues: bool,
    open: bool,
    time: i64,
    format: i64,
    resume: Option<String>,
    tables: String,
    bytes: Vec<u8>,
    checksum: i64,
}

/// The columns of a [`Row`], in the order in which [`Row::read`] takes them.
pub(crate) const COLUMNS: &str =
    "id, first, last, continues, open, time, format, resume, tables, checksum, bytes";

impl Row {
    /// Takes a row of [`COLUMNS`].
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
        Ok(Row {
            id: row.get::<_, i64>(0)? as u64,
            first: row.get::<_, i64>(1)? as u64,
            last: row.get::<_, i64>(2)? as u64,
            continues: row.get(3)?,
            open: row.get(4)?,
            time: row.get(5)?,
            format: row.get(6)?,
            resume: row.get(7)?,
            tables: row.get(8)?,
            checksum: row.get(9)?,
            bytes: row.get(10)?,
        })
    }

    /// Checks the row and makes the segment of it.
    pub(crate) fn segment(
        self,
        connection: &Connection,
        path: &Path,
        known: &Tables,
    ) -> Result<Segment, JournalError> {
        let place = || format!("segment {} (transactions {} to {})", self.id, self.first, self.last);
        let damaged = |what: String| JournalError::damaged(path, place(), what);
        if self.format != i64::from(FORMAT_VERSION) {
            let (found, known) = (self.format, i64::from(FORMAT_VERSION));
            return Err(JournalError::Version { path: path.to_owned(), found, known });
        }
        if self.sum() != self.checksum {
            return Err(damaged("its checksum does not match".into()));
        }
        let numbers: Vec<i64> =
            serde_json::from_str(&self.tables).map_err(|e| damaged(format!("its tables: {e}")))?;
        let mut tables = Vec::with_capacity(numbers.len());
        for number in numbers {
            tables.push(known.get(connection, path, number)?);
        }
        let batch = Batch::from_parts(tables, self.bytes, self.resume.map(Position::new));
        let batch =
            batch.map_err(|e| JournalError::damaged(path, format!("segment {}", self.id), e.to_string()))?;
        let Row { first, last, continues, open, .. } = self;
        if batch.commits() as u64 != (last + 1).wrapping_sub(first) {
            return Err(JournalError::damaged(
                path,
                format!("segment {}", self.id),
                "its commits are not as many as its head tells",
            ));
        }
        Ok(Segment { batch: Arc::new(batch), first, last, continues, open })
    }

    fn sum(&self) -> i64 {
        let flags = [self.continues, self.open];
        sum(
            self.id,
            self.first,
            self.last,
            flags,
            self.time,
            self.resume.as_deref(),
            &self.tables,
            &self.bytes,
        )
    }

    /// When it was written, microseconds since 1970.
    pub(crate) fn time(&self) -> i64 {
        self.time
    }

    /// The tables' numbers, as stored.
    pub(crate) fn tables(&self) -> &str {
        &self.tables
    }
}

#[allow(clippy::too_many_arguments, reason = "the columns, one by one")]
fn sum(
    id: u64,
    first: u64,
    last: u64,
    flags: [bool; 2],
    time: i64,
    resume: Option<&str>,
    tables: &str,
    bytes: &[u8],
) -> i64 {
    let mut hash = Xxh3Default::new();
    for number in
        [id, first, last, time as u64, resume.map_or(u64::MAX, |r| r.len() as u64), tables.len() as u64]
    {
        hash.update(&number.to_le_bytes());
    }
    hash.update(&flags.map(u8::from));
    hash.update(resume.unwrap_or_default().as_bytes());
    hash.update(tables.as_bytes());
    hash.update(bytes);
    hash.digest() as i64
}

/// Writes a segment under `id`; `tables` are the numbers of its tables as JSON. Replaces the row that is there.
pub(crate) fn write(
    connection: &Connection,
    id: u64,
    segment: &Segment,
    tables: &str,
    time: i64,
) -> rusqlite::Result<()> {
    let Segment { batch, first, last, continues, open } = segment;
    let resume = batch.resume().map(Position::as_str);
    let sum = sum(id, *first, *last, [*continues, *open], time, resume, tables, batch.bytes());
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO segment (id, first, last, until, continues, open, size, time, format, resume, tables, checksum, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    statement.execute(params![
        id as i64,
        *first as i64,
        *last as i64,
        segment.until() as i64,
        continues,
        open,
        segment.size() as i64,
        time,
        FORMAT_VERSION,
        resume,
        tables,
        sum,
        batch.bytes(),
    ])?;
    Ok(())
}

/// What a cut removed.
pub(crate) struct Cut {
    /// The first id that was removed.
    pub(crate) from: u64,
    /// The segment that ended inside the removed transaction, up to its last commit.
    pub(crate) shortened: Option<(u64, Segment)>,
}

/// Removes the unfinished transaction at the end; `None` when there is none.
pub(crate) fn cut(connection: &Connection, path: &Path, known: &Tables) -> Result<Option<Cut>, JournalError> {
    let failed = |e| JournalError::store("cutting the unfinished transaction off", path, e);
    let open: Option<bool> = connection
        .query_row("SELECT open FROM segment ORDER BY id DESC LIMIT 1", [], |r| r.get(0))
        .optional()
        .map_err(failed)?;
    if open != Some(true) {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM segment WHERE last >= first ORDER BY id DESC LIMIT 1");
    let boundary = connection.query_row(&sql, [], Row::read).optional().map_err(failed)?;
    let kept = boundary.as_ref().map_or(0, |row| row.id as i64);
    let from: Option<i64> = connection
        .query_row("SELECT min(id) FROM segment WHERE id > ?1", [kept], |r| r.get(0))
        .map_err(failed)?;
    connection.execute("DELETE FROM segment WHERE id > ?1", [kept]).map_err(failed)?;
    let shortened = match boundary {
        Some(row) if row.open => Some(shorten(connection, path, known, row)?),
        _ => None,
    };
    Ok(Some(Cut { from: from.unwrap_or(kept + 1) as u64, shortened }))
}

fn shorten(
    connection: &Connection,
    path: &Path,
    known: &Tables,
    row: Row,
) -> Result<(u64, Segment), JournalError> {
    let (id, time, tables) = (row.id, row.time(), row.tables().to_owned());
    let segment = row.segment(connection, path, known)?;
    let damaged = |what: &str| JournalError::damaged(path, format!("segment {id}"), what);
    let end = pieces::commit_end(&segment.batch, segment.batch.commits() as u64);
    let end = end.ok().flatten().ok_or_else(|| damaged("no commit in it"))?;
    let batch = pieces::head(&segment.batch, end).map_err(|e| damaged(&e.to_string()))?;
    let segment = Segment { batch: Arc::new(batch), open: false, ..segment };
    write(connection, id, &segment, &tables, time)
        .map_err(|e| JournalError::store("cutting the unfinished transaction off", path, e))?;
    Ok((id, segment))
}

/// The tables of the file, by number, so that a table is the same `Arc` however its segment comes to the reader.
#[derive(Debug, Default)]
pub(crate) struct Tables(Mutex<HashMap<i64, Arc<Table>>>);

impl Tables {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Arc<Table>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, connection: &Connection, path: &Path, number: i64) -> Result<Arc<Table>, JournalError> {
        if let Some(table) = self.lock().get(&number) {
            return Ok(table.clone());
        }
        let damaged = |what: String| JournalError::damaged(path, format!("table version {number}"), what);
        let found: Option<(Vec<u8>, String)> = connection
            .prepare_cached("SELECT hash, json FROM table_version WHERE id = ?1")
            .and_then(|mut s| s.query_row([number], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(|e| JournalError::store("reading", path, e))?;
        let (hash, json) = found.ok_or_else(|| damaged("it is missing".into()))?;
        if hash != xxh3_128(json.as_bytes()).to_be_bytes() {
            return Err(damaged("its checksum does not match".into()));
        }
        let table: Table = serde_json::from_str(&json).map_err(|e| damaged(e.to_string()))?;
        let table = Arc::new(table);
        self.remember(number, &table);
        Ok(table)
    }

    fn remember(&self, number: i64, table: &Arc<Table>) {
        let mut known = self.lock();
        if known.len() >= CACHED_TABLES {
            known.clear();
        }
        known.insert(number, table.clone());
    }
}

/// The numbers of the tables that the writer has met: the same `Arc` costs one look-up, an equal table one hash of its JSON.
#[derive(Default)]
pub(crate) struct Numbers(HashMap<usize, (Arc<Table>, i64)>);

impl Numbers {
    /// The number of `table`, given to it now when it is new.
    pub(crate) fn of(
        &mut self,
        connection: &Connection,
        known: &Tables,
        table: &Arc<Table>,
    ) -> rusqlite::Result<i64> {
        let address = Arc::as_ptr(table) as usize;
        if let Some((_, number)) = self.0.get(&address) {
            return Ok(*number);
        }
        let json =
            serde_json::to_string(&**table).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        let hash = xxh3_128(json.as_bytes()).to_be_bytes();
        let found: Option<i64> = connection
            .prepare_cached("SELECT id FROM table_version WHERE hash = ?1")?
            .query_row([&hash[..]], |r| r.get(0))
            .optional()?;
        let number = match found {
            Some(number) => number,
            None => {
                connection
                    .prepare_cached("INSERT INTO table_version (hash, json) VALUES (?1, ?2)")?
                    .execute(params![&hash[..], json])?;
                connection.last_insert_rowid()
            }
        };
        if self.0.len() >= CACHED_TABLES {
            self.0.clear();
        }
        self.0.insert(address, (table.clone(), number));
        known.remember(number, table);
        Ok(number)
    }

    /// Forgets all: table versions were removed from the file.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}
