//! A consistent view, its place in the log, and the readers on it.
//!
//! InnoDB gives each connection a view of its own, whether the server writes a log or not. They are the same view, and their place in the log is known exactly, when they begin while nothing
//! commits: `FLUSH TABLES WITH READ LOCK` for the milliseconds in which the readers begin. Without the privilege for it:
//!
//! * MariaDB tells the place of one view by itself (`binlog_snapshot_file`): one connection, which all readers share, and no lock at all;
//! * MySQL: `LOCK TABLES … READ` waits for the transactions that wrote these tables, so the place is exact for them;
//! * neither: one connection, which all readers share, and a mark that is inexact (see `position.rs`).

use crate::Result;
use crate::catalog::{Layout, Which, describe, sql_name};
use crate::chunks::{self, Bounds};
use crate::codec::Scratch;
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::error::{from_driver, precondition, protocol};
use crate::places::{head, own_place};
use crate::position::{LogPosition, no_log};
use crate::read::{PIECE, Reading};
use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidelock_endpoint::{Chunk, ChunkReader, ErrorKind, Snapshot};
use tidelock_model::{Position, Rows, RowsWriter, Table, TableName};
use tokio::sync::{Mutex, mpsc};

const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

type Shared = Arc<Mutex<Session>>;

/// The view.
pub(crate) struct View {
    mark: Position,
    layouts: HashMap<TableName, Arc<Layout>>,
    /// Cuts chunks; in a view of a single connection also reads them.
    control: Shared,
    readers: Vec<Shared>,
    handed_out: AtomicUsize,
}

/// Opens a view for up to `readers` readers.
pub(crate) async fn open(config: &Config, tables: &[Arc<Table>], readers: usize) -> Result<View> {
    let mut control = Session::connect(config, Purpose::Snapshot).await?;
    let names: Vec<TableName> = tables.iter().map(|t| t.name.clone()).collect();
    let found = describe(&mut control, &config.database, Which::Read(&names)).await?;
    let layouts = found.into_iter().map(|l| (l.table.name.clone(), Arc::new(l))).collect();
    let logged = control.server.log_bin;
    let alone = readers <= 1 && (control.server.is_mariadb() || !logged);
    let mut sessions = vec![control];
    // All of them are there before anybody is held back.
    for _ in 0..if alone { 0 } else { readers.max(1) } {
        sessions.push(Session::connect(config, Purpose::Snapshot).await?);
    }
    let mut guard = if alone { None } else { Freeze::take(config, &names).await? };
    if guard.is_none() {
        sessions.truncate(1);
    }
    for session in &mut sessions {
        session.run("opening a consistent view", BEGIN).await?;
    }
    let mark = match &mut guard {
        Some(_) if !logged => no_log(),
        Some(freeze) => match head(&mut freeze.session).await {
            Err(error) if error.kind == ErrorKind::Privilege => no_log(),
            place => place?.position(),
        },
        None => mark_alone(&mut sessions[0]).await?,
    };
    if let Some(freeze) = guard {
        freeze.release().await?;
    }
    let mut sessions = sessions.into_iter().map(|s| Arc::new(Mutex::new(s)));
    let control = sessions.next().ok_or_else(|| protocol("a view without a connection"))?;
    let mut readers: Vec<Shared> = sessions.collect();
    if readers.is_empty() {
        readers.push(control.clone());
    }
    Ok(View { mark, layouts, control, readers, handed_out: AtomicUsize::new(0) })
}

/// The place of a view that began without a lock.
async fn mark_alone(session: &mut Session) -> Result<Position> {
    if !session.server.log_bin {
        return Ok(no_log());
    }
    if session.server.is_mariadb()
        && let Some(exact) = own_place(session).await?
    {
        return Ok(exact.position());
    }
    match head(session).await {
        Ok(mark) => Ok(LogPosition { inexact: true, ..mark }.position()),
        // A copy needs no place in the log, and its user no right to ask for one.
        Err(error) if error.kind == ErrorKind::Privilege => Ok(no_log()),
        Err(error) => Err(error),
    }
}

/// Holds all commits (to these tables, at least) back, until it is released or dropped.
pub(crate) struct Freeze {
    pub session: Session,
}

impl Freeze {
    /// `None` when this user may not, or when a long statement is in the way.
    pub async fn take(config: &Config, tables: &[TableName]) -> Result<Option<Freeze>> {
        let mut session = Session::connect(config, Purpose::Lock).await?;
        match session.run("holding commits back", "FLUSH TABLES WITH READ LOCK").await {
            Ok(()) => return Ok(Some(Freeze { session })),
            Err(e) if in_the_way(e.kind) => {
                tracing::debug!(endpoint = config.name, error = %e, "no global read lock");
            }
            Err(e) => return Err(e),
        }
        if session.server.is_mariadb() || tables.is_empty() {
            return Ok(None);
        }
        let one = |t: &TableName| {
            format!("{} READ", sql_name(t.schema.as_deref().unwrap_or(&config.database), &t.name))
        };
        let list = tables.iter().map(one).collect::<Vec<_>>().join(", ");
        match session.run("locking the tables against writes", format!("LOCK TABLES {list}")).await {
            Ok(()) => Ok(Some(Freeze { session })),
            Err(e) if in_the_way(e.kind) || e.kind == ErrorKind::Target => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub async fn release(mut self) -> Result<()> {
        self.session.run("letting commits go on", "UNLOCK TABLES").await
    }
}

/// Amazon RDS refuses the global lock to everybody, as if it were the password that is wrong (1045).
fn in_the_way(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Privilege | ErrorKind::Authentication | ErrorKind::Contention)
}

#[async_trait]
impl Snapshot for View {
    fn mark(&self) -> &Position {
        &self.mark
    }

    async fn chunks(&self, table: &Arc<Table>, rows: u64) -> Result<Vec<Chunk>> {
        let layout = self.layout(&table.name)?;
        chunks::cut(&mut *self.control.lock().await, &layout, rows).await
    }

    async fn count(&self, table: &Arc<Table>) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.layout(&table.name)?.sql_name());
        let row = self.control.lock().await.first(&format!("counting {}", table.name), &sql).await?;
        row.ok_or_else(|| protocol("a count without a row"))?.number(0)
    }

    async fn reader(&self) -> Result<Box<dyn ChunkReader>> {
        let place = self.handed_out.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        let layouts = self.layouts.clone();
        Ok(Box::new(Reader { session: self.readers[place].clone(), layouts, rows: None }))
    }
}

impl View {
    fn layout(&self, name: &TableName) -> Result<Arc<Layout>> {
        layout(&self.layouts, name)
    }
}

fn layout(layouts: &HashMap<TableName, Arc<Layout>>, name: &TableName) -> Result<Arc<Layout>> {
    layouts.get(name).cloned().ok_or_else(|| {
        precondition("TL-MY-TABLE-MISSING", format!("table {name} is not there, or the user may not see it"))
    })
}

/// Reads a chunk ahead in a task of its own, a few pieces far; so `next` can be cancelled.
struct Reader {
    session: Shared,
    layouts: HashMap<TableName, Arc<Layout>>,
    rows: Option<mpsc::Receiver<Result<Option<Rows>>>>,
}

#[async_trait]
impl ChunkReader for Reader {
    async fn open(&mut self, table: &Arc<Table>, chunk: &Chunk) -> Result<()> {
        let layout = layout(&self.layouts, &table.name)?;
        let reading = Reading::new(table, &layout)?;
        let sql = reading.select(&Bounds::parse(&chunk.bounds)?.condition());
        let (send, receive) = mpsc::channel(3);
        self.rows = Some(receive);
        let session = self.session.clone();
        tokio::spawn(async move {
            let mut session = session.lock().await;
            if let Err(error) = read(&mut session, &reading, &sql, &send).await {
                // The receiver is gone only when nobody wants to know.
                drop(send.send(Err(error)).await);
            }
        });
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Rows>> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        match rows.recv().await {
            Some(Ok(Some(rows))) => Ok(Some(rows)),
            Some(Ok(None)) => {
                self.rows = None;
                Ok(None)
            }
            Some(Err(error)) => Err(error),
            None => Err(protocol("reading a chunk ended before the chunk did")),
        }
    }
}

/// Ends with `Ok(None)`: a channel that closes without it is a reader that broke.
async fn read(
    session: &mut Session,
    reading: &Reading,
    sql: &str,
    send: &mpsc::Sender<Result<Option<Rows>>>,
) -> Result<()> {
    let doing = format!("reading {}", reading.table.name);
    let mut writer = RowsWriter::new(reading.table.clone());
    let mut scratch = Scratch::default();
    let mut answer = session.conn.exec_iter(sql, ()).await.map_err(|e| from_driver(&doing, e))?;
    while let Some(row) = answer.next().await.map_err(|e| from_driver(&doing, e))? {
        reading.row(&row, &mut scratch, &mut writer)?;
        if writer.bytes() >= PIECE && send.send(Ok(Some(writer.take()))).await.is_err() {
            return Ok(());
        }
    }
    if !writer.is_empty() && send.send(Ok(Some(writer.take()))).await.is_err() {
        return Ok(());
    }
    // The receiver is gone only when nobody wants to know.
    drop(send.send(Ok(None)).await);
    Ok(())
}
