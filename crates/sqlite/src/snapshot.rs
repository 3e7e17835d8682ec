//! A view of the file, held open, and reading it in chunks.
//!
//! A read transaction in WAL mode *is* a view; several readers get the same one when nobody commits between their beginnings, which a short write lock takes care of.
//!
//! Chunks are ranges of the key, cut by walking its index. Rowids would be cheaper to cut, but those of a table without an `INTEGER PRIMARY KEY` change with VACUUM, and bounds
//! must hold under a later view. A reader does not keep a statement open: each step asks for what lies behind the last key it saw, and takes as much as a step may hold. A table
//! without a key is one chunk, read by rowid within one view. A view of the schema has no rowids: what it shows is put aside first, in a temporary table.

use crate::names::{PREFIX, ident, list};
use crate::session::{Open, Session};
use crate::source::head;
use crate::{catalogue, error, keys, rows};
use async_trait::async_trait;
use keys::{Bounds, Cell};
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidelock_endpoint::{Chunk, ChunkReader, EndpointError, ErrorKind, Result, Snapshot};
use tidelock_model::{Position, Rows, RowsWriter, Table};

/// Bytes in one step of a reader, about.
const STEP: usize = 1 << 20;

/// See [`Snapshot`].
pub struct FileSnapshot {
    mark: Position,
    sessions: Vec<Session>,
    next: AtomicUsize,
}

impl FileSnapshot {
    /// Opens the same view `readers` times; once, for all readers, where the file cannot be locked because it is read-only.
    pub async fn open(path: &Path, readers: usize) -> Result<FileSnapshot> {
        let open = || Session::open(Open::Existing(path.to_owned()));
        let mut readers = readers.max(1);
        let guard = if readers > 1 { Some(open().await?) } else { None };
        let begin = |db: &mut Connection| {
            db.execute_batch("BEGIN IMMEDIATE").map_err(error::sql("holding writers off for a moment"))
        };
        if let Some(guard) = &guard {
            match guard.run(begin).await {
                Err(e) if e.code == "TL-SQLITE-READ-ONLY" => readers = 1,
                other => other?,
            }
        }
        let mut sessions = Vec::new();
        for _ in 0..readers {
            let session = open().await?;
            session
                .run(|db| {
                    let sql = "BEGIN; SELECT count(*) FROM sqlite_schema";
                    db.execute_batch(sql).map_err(error::sql("opening a view"))
                })
                .await?;
            sessions.push(session);
        }
        if let Some(guard) = guard {
            let end = |db: &mut Connection| match db.is_autocommit() {
                true => Ok(()),
                false => db.execute_batch("ROLLBACK").map_err(error::sql("letting writers go on")),
            };
            guard.run(end).await?;
        }
        let mark = sessions[0].run(|db| head(db)).await?.position();
        Ok(FileSnapshot { mark, sessions, next: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Snapshot for FileSnapshot {
    fn mark(&self) -> &Position {
        &self.mark
    }

    async fn chunks(&self, table: &Arc<Table>, rows: u64) -> Result<Vec<Chunk>> {
        let table = rows::carried(table);
        self.sessions[0].run(move |db| cut(db, &table, rows.max(1))).await
    }

    async fn count(&self, table: &Arc<Table>) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", ident(&table.name.name));
        let what = error::sql(format!("counting table {}", table.name));
        let count: i64 =
            self.sessions[0].run(move |db| db.query_row(&sql, [], |row| row.get(0)).map_err(what)).await?;
        Ok(count.unsigned_abs())
    }

    async fn reader(&self) -> Result<Box<dyn ChunkReader>> {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.sessions.len();
        Ok(Box::new(FileReader { session: self.sessions[place].clone(), chunk: None }))
    }
}

fn cut(db: &Connection, table: &Table, rows: u64) -> Result<Vec<Chunk>> {
    let what = || error::sql(format!("cutting table {} into chunks", table.name));
    let own = ident(&table.name.name);
    let chunk = |number: usize, bounds: &Bounds, estimate| Chunk {
        table: table.name.clone(),
        number: number as u32,
        bounds: bounds.to_text(),
        estimate,
    };
    if table.key.is_empty() {
        let count: i64 =
            db.query_row(&format!("SELECT count(*) FROM {own}"), [], |row| row.get(0)).map_err(what())?;
        return Ok(vec![chunk(0, &Bounds::default(), count.unsigned_abs())]);
    }
    no_null_key(db, table)?;
    let terms = keys::ordered(db, table)?;
    let key = terms.join(", ");
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut from: Option<Vec<Cell>> = None;
    loop {
        let condition = from.as_ref().map(|_| keys::compare(&terms, ">", 1)).unwrap_or_else(|| "1".into());
        let sql =
            format!("SELECT {key} FROM {own} WHERE {condition} ORDER BY {key} LIMIT 1 OFFSET {}", rows - 1);
        let mut statement = db.prepare_cached(&sql).map_err(what())?;
        let mut found = statement.query(params_from_iter(from.iter().flatten())).map_err(what())?;
        let Some(row) = found.next().map_err(what())? else { break };
        let to = keys::take(row, 0..table.key.len()).map_err(what())?;
        chunks.push(chunk(chunks.len(), &Bounds { from: from.take(), to: Some(to.clone()) }, rows));
        from = Some(to);
    }
    let condition = from.as_ref().map(|_| keys::compare(&terms, ">", 1)).unwrap_or_else(|| "1".into());
    let sql = format!("SELECT count(*) FROM {own} WHERE {condition}");
    let rest: i64 =
        db.query_row(&sql, params_from_iter(from.iter().flatten()), |row| row.get(0)).map_err(what())?;
    // The last chunk has no end, so that rows which come under a later view are in it.
    chunks.push(chunk(chunks.len(), &Bounds { from, to: None }, rest.unsigned_abs()));
    Ok(chunks)
}

/// A row with NULL in its key compares with nothing: it would be in no chunk.
fn no_null_key(db: &Connection, table: &Table) -> Result<()> {
    for column in table.key_columns() {
        let (own, name) = (ident(&table.name.name), ident(&column.name));
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {own} WHERE {name} IS NULL)");
        let found: bool = db
            .query_row(&sql, [], |row| row.get(0))
            .map_err(error::sql(format!("reading table {}", table.name)))?;
        if found {
            let message =
                format!("reading table {}: a row has NULL in its key column {}", table.name, column.name);
            return Err(EndpointError::new(ErrorKind::Row, "TL-SQLITE-NULL-KEY", message)
                .hint(format!("UPDATE or DELETE the rows WHERE {name} IS NULL")));
        }
    }
    Ok(())
}

struct FileReader {
    session: Session,
    chunk: Option<Rest>,
}

/// What is left of a chunk: `from` is the last key seen, so that a step that was given up is taken again.
#[derive(Clone)]
struct Rest {
    table: Arc<Table>,
    bounds: Bounds,
    /// Where the rows stand, as a name in statements.
    own: String,
}

#[async_trait]
impl ChunkReader for FileReader {
    async fn open(&mut self, table: &Arc<Table>, chunk: &Chunk) -> Result<()> {
        let bounds = Bounds::parse(&chunk.bounds, table.key.len())?;
        let table = rows::carried(table);
        let asked = table.clone();
        let own = self.session.run(move |db| put_aside(db, &asked)).await?;
        self.chunk = Some(Rest { table, bounds, own });
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Rows>> {
        let Some(rest) = self.chunk.clone() else { return Ok(None) };
        let (rows, from) = self.session.run(move |db| step(db, rest)).await?;
        match (&mut self.chunk, from) {
            (Some(chunk), Some(from)) => chunk.bounds.from = Some(from),
            _ => self.chunk = None,
        }
        Ok(rows)
    }
}

/// Where the table's rows are read: of a view in a temporary table, which the connection drops at its end.
fn put_aside(db: &Connection, table: &Table) -> Result<String> {
    let name = &table.name.name;
    let what = || error::sql(format!("reading the view {name}"));
    if !table.key.is_empty() || catalogue::find_view(db, name).map_err(what())?.is_none() {
        return Ok(ident(name));
    }
    let aside = format!("temp.{}", ident(&format!("{PREFIX}{name}")));
    let columns = list(table.columns.iter().map(|c| c.name.as_str()));
    let sql = format!(
        "DROP TABLE IF EXISTS {aside}; CREATE TEMP TABLE {} AS SELECT {columns} FROM main.{}",
        &aside[5..],
        ident(name)
    );
    db.execute_batch(&sql).map_err(what())?;
    Ok(aside)
}

/// The next rows, and the last key when there may be more.
fn step(db: &Connection, rest: Rest) -> Result<(Option<Rows>, Option<Vec<Cell>>)> {
    let Rest { table, bounds, own } = rest;
    let what = || error::sql(format!("reading table {}", table.name));
    let columns = list(table.columns.iter().map(|c| c.name.as_str()));
    let terms = keys::ordered(db, &table)?;
    let (order, key, picked) = if table.key.is_empty() {
        let rowid = keys::rowid(&table)?;
        (rowid.to_owned(), vec![table.columns.len()], format!("{columns}, {rowid}"))
    } else {
        (terms.join(", "), table.key.clone(), columns)
    };
    let mut conditions = Vec::new();
    if bounds.from.is_some() {
        let above =
            if table.key.is_empty() { format!("{order} > ?1") } else { keys::compare(&terms, ">", 1) };
        conditions.push(above);
    }
    let given = bounds.from.as_ref().map_or(0, Vec::len);
    if bounds.to.is_some() {
        conditions.push(keys::compare(&terms, "<=", given + 1));
    }
    let condition = if conditions.is_empty() { "1".into() } else { conditions.join(" AND ") };
    let sql = format!("SELECT {picked} FROM {own} WHERE {condition} ORDER BY {order}");
    let mut statement = db.prepare_cached(&sql).map_err(what())?;
    let values = bounds.from.iter().flatten().chain(bounds.to.iter().flatten());
    let mut found = statement.query(params_from_iter(values)).map_err(what())?;
    let mut writer = RowsWriter::new(table.clone());
    let mut scratch = String::new();
    while let Some(row) = found.next().map_err(what())? {
        writer.row(|out| rows::image(&table, row, 0, &mut scratch, out))?;
        if writer.bytes() >= STEP {
            let last = keys::take(row, key.iter().copied()).map_err(what())?;
            return Ok((Some(writer.take()), Some(last)));
        }
    }
    Ok(((!writer.is_empty()).then(|| writer.take()), None))
}
