//! A session that reads: setting up the capture, and opening stream and snapshot.

use crate::identity::Opened;
use crate::position::Place;
use crate::session::{Open, Session, set_wal, writing};
use crate::snapshot::FileSnapshot;
use crate::stream::FileStream;
use crate::{capture, catalogue, error, identity, plan, rows};
use async_trait::async_trait;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidelock_endpoint::{
    CaptureKind, ChangeStream, EndpointError, ErrorKind, Prepared, Result, ServerIdentity, Snapshot, Source,
};
use tidelock_model::{Position, Rows, Table, TableName};

/// See [`Source`].
pub struct FileSource {
    path: PathBuf,
    session: Session,
}

impl FileSource {
    /// Opens the file, which must be there.
    pub async fn open(path: &Path, kind: CaptureKind) -> Result<FileSource> {
        if kind == CaptureKind::Log {
            let message = "SQLite keeps no log that can be followed; its changes are captured by triggers";
            return Err(EndpointError::new(ErrorKind::Unsupported, "TL-SQLITE-CAPTURE", message)
                .hint("write `capture: trigger` into the job, or leave it out"));
        }
        let session = Session::open(Open::Existing(path.to_owned())).await?;
        Ok(FileSource { path: path.to_owned(), session })
    }
}

#[async_trait]
impl Source for FileSource {
    async fn prepare(&mut self, tables: &[TableName]) -> Result<Prepared> {
        let (tables, path) = (tables.to_vec(), self.path.clone());
        self.session
            .run(move |db| {
                set_wal(db)?;
                writing(db, |db| {
                    let created = capture::set_up(db, &tables)?;
                    let server = identity::of(&path);
                    let extent = capture::extent(db)?.ok_or_else(gone)?;
                    // What a table's triggers missed was recorded again.
                    let start = extent.start.position();
                    Ok(Prepared { server, created, identities: vec![], start })
                })
            })
            .await
    }

    async fn plan(&mut self, tables: &[TableName]) -> Result<Vec<String>> {
        let tables = tables.to_vec();
        self.session.run(move |db| plan::statements(db, &tables)).await
    }

    async fn forget(&mut self) -> Result<()> {
        let forget = |db: &mut Connection| {
            let Some(extent) = capture::extent(db)? else { return Ok(()) };
            let what = || error::sql("giving up what was captured");
            while capture::trim(db, extent.head.seq, 100_000).map_err(what())? {}
            Ok(())
        };
        self.session.run(forget).await
    }

    async fn head(&mut self) -> Result<Position> {
        self.session.run(|db| Ok(head(db)?.position())).await
    }

    async fn stream(
        &mut self,
        tables: &[TableName],
        after: &Position,
        server: &ServerIdentity,
    ) -> Result<Box<dyn ChangeStream>> {
        let after = Place::parse(after.as_str())?;
        let file = Opened::as_known(&self.path, server.id.clone());
        let (path, server) = (self.path.clone(), server.clone());
        self.session.run(move |db| reading(db, |db| resumable(db, &path, after, &server))).await?;
        Ok(Box::new(FileStream::open(&self.path, file, tables, after).await?))
    }

    async fn snapshot(&mut self, tables: &[Arc<Table>], readers: usize) -> Result<Box<dyn Snapshot>> {
        for table in tables {
            let name = table.name.clone();
            self.session
                .run(move |db| {
                    let found = catalogue::find_readable(db, &name.name)
                        .map_err(error::sql("looking at the tables"))?;
                    let message = format!("reading table {name}: it is not there");
                    found.map(drop).ok_or_else(|| {
                        EndpointError::new(ErrorKind::Precondition, "TL-SQLITE-NO-TABLE", message)
                    })
                })
                .await?;
        }
        Ok(Box::new(FileSnapshot::open(&self.path, readers).await?))
    }

    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        let keys = keys.clone();
        self.session
            .run(move |db| reading(db, |db| rows::by_key(db, &crate::real::find(db, keys.table())?, &keys)))
            .await
    }
}

/// The end of the history; before the first change where nothing is captured yet.
pub fn head(db: &Connection) -> Result<Place> {
    Ok(reading(db, capture::extent)?.map_or(Place::default(), |e| e.head))
}

/// A read transaction: all that `work` reads stands on one view.
pub fn reading<T>(db: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    if !db.is_autocommit() {
        return work(db);
    }
    db.execute_batch("BEGIN").map_err(error::sql("beginning to read"))?;
    let done = work(db);
    db.execute_batch("ROLLBACK").map_err(error::sql("ending to read"))?;
    done
}

fn gone() -> EndpointError {
    lost("the change table is not there".into())
}

fn lost(found: String) -> EndpointError {
    EndpointError::new(
        ErrorKind::PositionLost,
        "TL-SQLITE-POSITION-LOST",
        format!("resuming the stream: {found}"),
    )
    .hint("what happened since cannot be known; copy anew with `tidelock sync --full`")
}

/// Whether the history still leads on from `after`, in the file where it was recorded.
pub fn resumable(db: &Connection, path: &Path, after: Place, server: &ServerIdentity) -> Result<()> {
    let here = identity::of(path);
    if here.id != server.id {
        return Err(lost(format!(
            "the position was recorded in file {}, and this is file {}",
            server.id, here.id
        )));
    }
    let extent = capture::extent(db)?.ok_or_else(gone)?;
    if after.seq == 0 && extent.trimmed == 0 {
        return Ok(());
    }
    if after.seq > extent.head.seq {
        return Err(lost(format!(
            "{after} is behind the end {}: the file was replaced by an older copy, or lost its last commits",
            extent.head
        )));
    }
    let sql = format!("SELECT time FROM {} WHERE seq = ?1", crate::names::CHANGE);
    let time: Option<i64> =
        rusqlite::OptionalExtension::optional(db.query_row(&sql, [after.seq], |row| row.get(0)))
            .map_err(error::sql("reading the change table"))?;
    match time {
        Some(time) if after.time == 0 || time == after.time => Ok(()),
        Some(_) => {
            Err(lost(format!("change {} is another one than it was: the file was replaced", after.seq)))
        }
        None => Err(lost(format!(
            "the changes behind {after} are gone; the oldest place left is {}",
            extent.start
        ))),
    }
}
