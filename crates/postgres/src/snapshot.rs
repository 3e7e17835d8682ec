//! A consistent view, its place in the log, and the readers on it.
//!
//! One connection exports its snapshot and holds it; each reader takes it over. The mark is that snapshot as the server tells it, and a place in the log taken
//! after it: whatever commits behind that place is not in the view.

use crate::Result;
use crate::capture::{log_place, patiently};
use crate::catalog::{Layout, Which, describe};
use crate::chunks::{Bounds, cut};
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::error::{from_driver, precondition, protocol};
use crate::names::literal;
use crate::reading::{PIECE, Reading, Scratch};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use tidelock_endpoint::{Chunk, ChunkReader, Snapshot};
use tidelock_model::{Position, Rows, RowsWriter, Table, TableName};
use tokio_postgres::CopyOutStream;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

type Layouts = Arc<HashMap<TableName, Arc<Layout>>>;

/// The view.
pub(crate) struct View {
    config: Config,
    mark: Position,
    /// The exported snapshot's name.
    snapshot: String,
    /// What every reader runs first. It must not wait: an ALTER that waits for the others would be waited for, and nobody would ever go on.
    lock: String,
    layouts: Layouts,
    /// Holds the view open.
    control: Session,
}

/// Opens a view of `tables`.
pub(crate) async fn open(config: &Config, tables: &[Arc<Table>]) -> Result<View> {
    let control = Session::connect(config, Purpose::Read).await?;
    let names: Vec<TableName> = tables.iter().map(|t| t.name.clone()).collect();
    let there = describe(&control, Which::Read(&names)).await?;
    control.run("opening a consistent view", BEGIN).await?;
    // A table that is rewritten under the view (ALTER TABLE) would seem empty to it: so it is locked before the view is taken.
    let tables: Vec<String> = there.iter().filter(|l| !l.view).map(Layout::sql_name).collect();
    if !tables.is_empty() {
        let list = tables.join(", ");
        let locking = format!("LOCK TABLE {list} IN ACCESS SHARE MODE");
        patiently(control.run("locking the tables of a view against ALTER TABLE", &locking), || {
            tracing::warn!(
                "opening a consistent view waits for a lock on {list}; pg_locks tells who holds it"
            );
        })
        .await?;
    }
    let sql = "SELECT pg_export_snapshot(), pg_current_snapshot()";
    let seen = control
        .first("opening a consistent view", sql)
        .await?
        .ok_or_else(|| protocol("no snapshot was exported"))?;
    let place = log_place(&control).await?;
    let found = describe(&control, Which::Read(&names)).await?;
    Ok(View {
        config: config.clone(),
        mark: Position::new(format!("{} {}", seen.text(1), place)),
        snapshot: seen.text(0).to_owned(),
        lock: match tables.is_empty() {
            true => String::new(),
            false => format!("; LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT", tables.join(", ")),
        },
        layouts: Arc::new(found.into_iter().map(|l| (l.table.name.clone(), Arc::new(l))).collect()),
        control,
    })
}

fn reading(layouts: &Layouts, table: &Arc<Table>) -> Result<Reading> {
    let layout = layouts.get(&table.name).ok_or_else(|| {
        precondition(
            "TL-PG-NO-TABLE",
            format!("table {} is not in the view: it was not there, or not announced", table.name),
        )
    })?;
    Reading::new(table, layout)
}

#[async_trait]
impl Snapshot for View {
    fn mark(&self) -> &Position {
        &self.mark
    }

    async fn chunks(&self, table: &Arc<Table>, rows: u64) -> Result<Vec<Chunk>> {
        Ok(cut(&reading(&self.layouts, table)?, rows))
    }

    async fn count(&self, table: &Arc<Table>) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", reading(&self.layouts, table)?.from());
        let row = self.control.first(&format!("counting {}", table.name), &sql).await?;
        row.ok_or_else(|| protocol("a count without a row"))?.number(0)
    }

    async fn reader(&self) -> Result<Box<dyn ChunkReader>> {
        let session = Session::connect(&self.config, Purpose::Read).await?;
        let sql = format!("{BEGIN}; SET TRANSACTION SNAPSHOT {}{}", literal(&self.snapshot), self.lock);
        session.run("joining a consistent view", &sql).await?;
        Ok(Box::new(Reader {
            session,
            layouts: self.layouts.clone(),
            open: None,
            scratch: Scratch::default(),
        }))
    }
}

/// Reads one chunk at a time.
struct Reader {
    session: Session,
    layouts: Layouts,
    open: Option<Open>,
    scratch: Scratch,
}

struct Open {
    reading: Reading,
    copy: Pin<Box<CopyOutStream>>,
    rows: RowsWriter,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Open {
    fn take_in(&mut self, data: &Bytes, scratch: &mut Scratch) -> Result<()> {
        let mut data: &[u8] = data;
        while let Some(end) = memchr::memchr(b'\n', data) {
            let (line, behind) = data.split_at(end);
            data = &behind[1..];
            if self.rest.is_empty() {
                self.reading.line(line, scratch, &mut self.rows)?;
            } else {
                self.rest.extend_from_slice(line);
                self.reading.line(&self.rest, scratch, &mut self.rows)?;
                self.rest.clear();
            }
        }
        self.rest.extend_from_slice(data);
        Ok(())
    }
}

#[async_trait]
impl ChunkReader for Reader {
    async fn open(&mut self, table: &Arc<Table>, chunk: &Chunk) -> Result<()> {
        self.open = None;
        let reading = reading(&self.layouts, table)?;
        let bounds = Bounds::parse(&chunk.bounds)?;
        bounds.hold_in(&reading.layout)?;
        let (list, from) = (reading.list(""), reading.from());
        let sql = format!("COPY (SELECT {list} FROM {from} WHERE {}) TO STDOUT", bounds.condition());
        let doing = format!("reading {}", table.name);
        let copy = self.session.client.copy_out(&sql).await.map_err(|e| from_driver(&doing, e))?;
        let rows = RowsWriter::new(table.clone());
        self.open = Some(Open { reading, copy: Box::pin(copy), rows, rest: Vec::new() });
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Rows>> {
        let Some(open) = &mut self.open else { return Ok(None) };
        while let Some(data) = open.copy.next().await {
            let data = data.map_err(|e| from_driver(&format!("reading {}", open.reading.table.name), e))?;
            open.take_in(&data, &mut self.scratch)?;
            if open.rows.bytes() >= PIECE {
                return Ok(Some(open.rows.take()));
            }
        }
        if !open.rest.is_empty() {
            return Err(protocol("reading a chunk ended in the middle of a line"));
        }
        let last = open.rows.take();
        self.open = None;
        Ok((!last.is_empty()).then_some(last))
    }
}
