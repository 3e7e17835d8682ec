//! A file of the test's own, a writer that knows nothing of us, and what the stream told, as text.

use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{
    Ask, CaptureKind, ChangeStream, Endpoint, EndpointConfig, Prepared, Result, Role, Source, TlsOptions,
};
use tidelock_model::{Image, Operation, Position, Record, Rows, Slot, Table, TableName};
use tidelock_testkit::until;

pub struct World {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub endpoint: Arc<dyn Endpoint>,
}

impl World {
    pub fn new(sql: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let world = World::at(folder.path().join("till.db"), folder);
        if !sql.is_empty() {
            world.writer().execute_batch(sql).unwrap();
        }
        world
    }

    fn at(path: PathBuf, folder: tempfile::TempDir) -> World {
        let endpoint = endpoint(&path);
        World { _folder: folder, path, endpoint }
    }

    /// A connection like any other program's.
    pub fn writer(&self) -> Connection {
        let db = Connection::open(&self.path).unwrap();
        db.busy_timeout(Duration::from_secs(20)).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        // Who waits for a lock is not woken in turn: with a disk to wait for, the last of many writers would wait too long.
        db.pragma_update(None, "synchronous", "OFF").unwrap();
        db
    }

    pub async fn captured(&self, tables: &[&str]) -> (Box<dyn Source>, Prepared) {
        let mut source = self.endpoint.source(CaptureKind::Trigger).await.unwrap();
        let prepared = source.prepare(&names(tables)).await.unwrap();
        (source, prepared)
    }

    pub async fn follow(&self, tables: &[&str]) -> Follower {
        let (source, prepared) = self.captured(tables).await;
        let mut follower = Follower::of(source, tables, &prepared.start, &prepared).await.unwrap();
        follower.prepared = Some(prepared);
        follower
    }

    pub async fn tables(&self) -> Vec<Arc<Table>> {
        let ask = Ask { role: Role::SnapshotSource, tables: None };
        self.endpoint.inspect(&ask).await.unwrap().tables
    }

    pub async fn table(&self, name: &str) -> Arc<Table> {
        self.tables().await.into_iter().find(|t| t.name.name == name).unwrap()
    }

    /// All rows of a table through a snapshot, as text, in chunks of so many rows.
    pub async fn rows(&self, name: &str, chunk: u64) -> Result<Vec<String>> {
        let mut source = self.endpoint.source(CaptureKind::Trigger).await?;
        let table = self.table(name).await;
        let snapshot = source.snapshot(std::slice::from_ref(&table), 1).await?;
        let mut reader = snapshot.reader().await?;
        let mut found = Vec::new();
        for chunk in snapshot.chunks(&table, chunk).await? {
            reader.open(&table, &chunk).await?;
            while let Some(rows) = reader.next().await? {
                found.extend(texts(&rows));
            }
        }
        Ok(found)
    }
}

pub fn endpoint(path: &std::path::Path) -> Arc<dyn Endpoint> {
    let url = format!("sqlite:{}", path.display());
    tidelock_sqlite::open(EndpointConfig { name: "till".into(), url, tls: TlsOptions::default() }).unwrap()
}

/// Until a query gives true.
pub async fn until_true(db: &Connection, what: &str, sql: &str) {
    until(what, async || db.query_row(sql, [], |r| r.get::<_, bool>(0)).unwrap()).await;
}

pub fn names(tables: &[&str]) -> Vec<TableName> {
    tables.iter().map(|t| TableName::new(*t)).collect()
}

pub fn texts(rows: &Rows) -> Vec<String> {
    rows.images().map(|image| text(image.unwrap())).collect()
}

/// `Int(1), Text("a"), -`
pub fn text(image: Image<'_>) -> String {
    let slot = |slot| match slot {
        Slot::Value(value) => format!("{value:?}"),
        Slot::NotSent => "-".into(),
    };
    image.slots().map(|s| slot(s.unwrap())).collect::<Vec<_>>().join(", ")
}

/// Reads a stream.
pub struct Follower {
    pub stream: Box<dyn ChangeStream>,
    pub source: Box<dyn Source>,
    pub prepared: Option<Prepared>,
    /// `I t: row`, `U t: row → row`, `D t: row`, `T t`, of every transaction, with `@origin` in front where it has one.
    pub seen: Vec<String>,
    pub commits: Vec<Position>,
    pub resume: Option<Position>,
    pub times: Vec<i64>,
}

impl Follower {
    pub async fn of(
        mut source: Box<dyn Source>,
        tables: &[&str],
        after: &Position,
        prepared: &Prepared,
    ) -> Result<Follower> {
        let stream = source.stream(&names(tables), after, &prepared.server).await?;
        Ok(Follower {
            stream,
            source,
            prepared: None,
            seen: Vec::new(),
            commits: Vec::new(),
            resume: None,
            times: Vec::new(),
        })
    }

    /// One batch.
    pub async fn step(&mut self) -> Result<()> {
        let next = tokio::time::timeout(Duration::from_secs(30), self.stream.next());
        let batch = next.await.unwrap_or_else(|_| panic!("nothing came; so far {:?}", self.seen))?;
        let mut origin = String::new();
        for record in batch.records() {
            match record.unwrap() {
                Record::Begin { origin: of, time, .. } => {
                    origin = of.map(|o| format!("@{o} ")).unwrap_or_default();
                    self.times.push(time);
                }
                Record::Commit { position } => self.commits.push(Position::new(position)),
                Record::Change(change) => {
                    let (table, before, after) = (&change.table.name, change.before, change.after);
                    let images =
                        [before, after].into_iter().flatten().map(text).collect::<Vec<_>>().join(" → ");
                    let letter = match change.operation {
                        Operation::Insert => "I",
                        Operation::Update => "U",
                        Operation::Delete => "D",
                        Operation::Truncate => "T",
                        other => panic!("{other:?}"),
                    };
                    self.seen.push(format!("{origin}{letter} {table}: {images}"));
                }
            }
        }
        self.resume = batch.resume().cloned();
        Ok(())
    }

    /// Until so many changes came.
    pub async fn changes(&mut self, n: usize) -> Vec<String> {
        while self.seen.len() < n {
            self.step().await.unwrap();
        }
        assert_eq!(self.seen.len(), n, "{:#?}", self.seen);
        std::mem::take(&mut self.seen)
    }

    /// Until the end of what is there now.
    pub async fn all(&mut self, endpoint: &Arc<dyn Endpoint>) -> Vec<String> {
        let head = self.source.head().await.unwrap();
        while !self.resume.as_ref().is_some_and(|r| endpoint.compare(r, &head).unwrap().is_ge()) {
            self.step().await.unwrap();
        }
        std::mem::take(&mut self.seen)
    }
}
