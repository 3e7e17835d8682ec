//! Loading chunks of a snapshot.
//!
//! A chunk's rows come over the network; the file's write lock should not be held while waiting for them. So rows are collected and written when the chunk ends, or when
//! they are many: only a chunk larger than that holds the lock for longer than it takes to write.

use crate::apply::{Failed, OnKey, Writer};
use crate::error;
use crate::identity::Opened;
use crate::session::Session;
use crate::target::{begin, commit};
use async_trait::async_trait;
use rusqlite::Connection;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, EndpointError, ErrorKind, Loader, Result, WriteMode};
use tidelock_model::{Rows, Table};

/// Bytes of rows that are collected before the transaction begins.
const COLLECTED: usize = 16 << 20;

/// See [`Loader`].
pub struct FileLoader {
    session: Session,
    file: Opened,
    chunk: Option<Chunk>,
}

struct Chunk {
    table: Arc<Table>,
    mode: WriteMode,
    origin: String,
    collected: Vec<Rows>,
    bytes: usize,
    /// The transaction has begun.
    writing: bool,
}

impl Chunk {
    /// The rows collected so far, and whether the transaction must be begun first.
    fn take(&mut self) -> Work {
        self.bytes = 0;
        Work {
            table: self.table.clone(),
            mode: self.mode,
            begin: (!std::mem::replace(&mut self.writing, true)).then(|| self.origin.clone()),
            rows: std::mem::take(&mut self.collected),
        }
    }
}

struct Work {
    table: Arc<Table>,
    mode: WriteMode,
    begin: Option<String>,
    rows: Vec<Rows>,
}

impl FileLoader {
    /// On a session of its own.
    pub fn new(session: Session, file: Opened) -> FileLoader {
        FileLoader { session, file, chunk: None }
    }

    fn chunk(&mut self) -> Result<&mut Chunk> {
        self.chunk.as_mut().ok_or_else(|| {
            let message = "loading rows: no chunk was begun";
            EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-NO-CHUNK", message)
        })
    }
}

#[async_trait]
impl Loader for FileLoader {
    async fn begin(&mut self, table: &Arc<Table>, mode: WriteMode, origin: &str) -> Result<()> {
        self.chunk = Some(Chunk {
            table: table.clone(),
            mode,
            origin: origin.to_owned(),
            collected: Vec::new(),
            bytes: 0,
            writing: false,
        });
        Ok(())
    }

    async fn load(&mut self, rows: &Rows) -> Result<()> {
        let chunk = self.chunk()?;
        chunk.bytes += rows.bytes();
        chunk.collected.push(rows.clone());
        if chunk.bytes < COLLECTED {
            return Ok(());
        }
        let (work, file) = (chunk.take(), self.file.clone());
        self.session.run(move |db| write(db, &file, work)).await
    }

    async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let work = self.chunk()?.take();
        self.chunk = None;
        let (checkpoint, file) = (checkpoint.clone(), self.file.clone());
        self.session
            .run(move |db| {
                write(db, &file, work)?;
                commit(db, &checkpoint, &[])
            })
            .await
    }
}

/// Writes rows; when that fails the whole chunk is given up.
fn write(db: &Connection, file: &Opened, work: Work) -> Result<()> {
    if let Some(origin) = &work.begin {
        begin(db, file, origin)?;
    }
    let done = insert(db, &work);
    if done.is_err() && !db.is_autocommit() {
        db.execute_batch("ROLLBACK").map_err(error::sql("rolling back"))?;
    }
    done
}

fn insert(db: &Connection, work: &Work) -> Result<()> {
    let writer = Writer::new(db, &work.table)?;
    for rows in &work.rows {
        let images = rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::damaged)?;
        let done = match work.mode {
            WriteMode::Insert => writer.insert(OnKey::Fail, images.iter().copied()).map(drop),
            WriteMode::Upsert => writer.upsert(images.iter().copied()),
        };
        match done {
            Ok(()) => {}
            Err(Failed::Unique(_)) if work.mode == WriteMode::Upsert => {
                writer.replace(&images).map_err(Failed::into_error)?;
            }
            Err(failed) => return Err(failed.into_error()),
        }
    }
    Ok(())
}
