use super::follower::Follower;
use super::{Subject, dialect};
use crate::kind::Dialect;
use crate::{Database, Kind};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidelock_endpoint::{
    Ask, CaptureKind, ChangeStream, Checkpoint, Chunk, Endpoint, EndpointConfig, EndpointError, ErrorKind,
    Inspection, Prepared, Role, Snapshot, Source, Target, TlsOptions,
};
use tidelock_model::{
    Column, Decimal, Image, ImageWriter, Position, Rows, RowsWriter, Slot, Table, TableName, Type, Value,
};

/// Where one check plays: a database of its own, and the endpoint under test on it.
pub(crate) struct Stage {
    pub(crate) subject: Subject,
    pub(crate) db: Database,
    pub(crate) endpoint: Arc<dyn Endpoint>,
}

impl Stage {
    pub(crate) async fn new(subject: Subject, name: &str) -> Result<Stage> {
        let db = subject.server.fresh_database(name).await;
        let endpoint = connect(&subject, &db.url)?;
        Ok(Stage { subject, db, endpoint })
    }

    /// A second database on the same server.
    pub(crate) async fn another(&self) -> Result<Stage> {
        Stage::new(self.subject.clone(), "another").await
    }

    /// With `items` tables of these names.
    pub(crate) async fn with(self, tables: &[&str]) -> Result<Stage> {
        if let Some(sql) = self.dialect().keep_log {
            self.sql(sql).await?;
        }
        for table in tables {
            self.sql(&dialect::items(self.kind(), table)).await?;
        }
        Ok(self)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.db.kind()
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.subject.dialect()
    }

    pub(crate) fn capture(&self) -> CaptureKind {
        self.subject.capture
    }

    pub(crate) fn engine(&self) -> &'static str {
        self.endpoint.capabilities().engine
    }

    /// A script, by a client that knows nothing of the code under test.
    pub(crate) async fn sql(&self, sql: &str) -> Result<()> {
        self.db.execute(sql).await
    }

    /// Several statements as one transaction.
    pub(crate) async fn transaction(&self, statements: &[String]) -> Result<()> {
        let mut session = self.db.session().await?;
        session.execute("BEGIN").await?;
        for statement in statements {
            session.execute(statement).await?;
        }
        session.execute("COMMIT").await
    }

    /// The rows of an `items` table, by id, as text.
    pub(crate) async fn items(&self, table: &str) -> Result<BTreeMap<i64, Plain>> {
        let mut items = BTreeMap::new();
        for mut row in self.db.query(&format!("SELECT id, note, qty FROM {table}")).await? {
            let (qty, note, id) = (row.pop().flatten(), row.pop().flatten(), row.pop().flatten());
            let qty = qty.map(|q| q.parse()).transpose()?;
            items.insert(id.context("an id")?.parse()?, (note, qty));
        }
        Ok(items)
    }

    pub(crate) async fn inspect(&self, role: Role, tables: Option<&[&str]>) -> Result<Inspection> {
        let tables = tables.map(names);
        Ok(self.endpoint.inspect(&Ask { role, tables }).await?)
    }

    /// The table as the endpoint sees it.
    pub(crate) async fn table(&self, name: &str) -> Result<Arc<Table>> {
        let inspection = self.inspect(Role::SnapshotSource, Some(&[name])).await?;
        let found = inspection.tables.into_iter().find(|t| t.name == TableName::new(name));
        found.with_context(|| format!("inspect does not tell of the table {name}"))
    }

    pub(crate) async fn tables(&self, names: &[&str]) -> Result<Vec<Arc<Table>>> {
        let mut tables = Vec::new();
        for name in names {
            tables.push(self.table(name).await?);
        }
        Ok(tables)
    }

    pub(crate) async fn source(&self) -> Result<Box<dyn Source>> {
        Ok(self.endpoint.source(self.capture()).await?)
    }

    pub(crate) async fn target(&self, job: &str) -> Result<Box<dyn Target>> {
        Ok(self.endpoint.target(job).await?)
    }

    /// A session that captures these tables.
    pub(crate) async fn captured(&self, tables: &[&str]) -> Result<(Box<dyn Source>, Prepared)> {
        let mut source = self.source().await?;
        let prepared = source.prepare(&names(tables)).await?;
        Ok((source, prepared))
    }

    /// Follows `tables` behind `after`.
    pub(crate) async fn follow(
        &self,
        tables: &[&str],
        after: &Position,
        prepared: &Prepared,
    ) -> Result<Follower> {
        let (stream, source) = self.stream(tables, after, prepared).await?;
        Ok(Follower::new(stream, source))
    }

    /// As `sync` does, it tries again while the server says that the stream before is still being let go.
    pub(crate) async fn stream(
        &self,
        tables: &[&str],
        after: &Position,
        prepared: &Prepared,
    ) -> Result<(Box<dyn ChangeStream>, Box<dyn Source>)> {
        let begun = tokio::time::Instant::now();
        loop {
            let mut source = self.source().await?;
            match source.stream(&names(tables), after, &prepared.server).await {
                Ok(stream) => return Ok((stream, source)),
                Err(error) if busy(&error) && begun.elapsed() < Duration::from_secs(20) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("opening the stream behind {after}"));
                }
            }
        }
    }
}

fn busy(error: &EndpointError) -> bool {
    matches!(error.kind, ErrorKind::Contention | ErrorKind::Unavailable)
}

pub(crate) fn connect(subject: &Subject, url: &str) -> Result<Arc<dyn Endpoint>> {
    let config =
        EndpointConfig { name: "subject".to_owned(), url: url.to_owned(), tls: TlsOptions::default() };
    Ok((subject.connect)(config)?)
}

pub(crate) fn names(tables: &[&str]) -> Vec<TableName> {
    tables.iter().map(|name| TableName::new(*name)).collect()
}

/// A checkpoint in the lane of the stream.
pub(crate) fn checkpoint(job: &str, state: &str) -> Checkpoint {
    Checkpoint { job: job.to_owned(), lane: "stream".to_owned(), state: state.to_owned() }
}

/// An `items` image: the slots are what the row says; `None` is a column that was not sent.
pub(crate) fn item(id: Option<i64>, note: Option<Option<&str>>, qty: Option<Option<i64>>) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut image = ImageWriter::new(&mut buffer);
    let mut put = |slot: Option<Value<'_>>| image.slot(&slot.map_or(Slot::NotSent, Slot::Value));
    put(id.map(Value::Int));
    put(note.map(|n| n.map_or(Value::Null, Value::Text)));
    put(qty.map(|q| q.map_or(Value::Null, Value::Int)));
    buffer
}

/// A whole `items` row.
pub(crate) fn whole(id: i64, note: &str, qty: i64) -> Vec<u8> {
    item(Some(id), Some(Some(note)), Some(Some(qty)))
}

/// Only the key of an `items` row.
pub(crate) fn key(id: i64) -> Vec<u8> {
    item(Some(id), None, None)
}

pub(crate) fn rows(table: &Arc<Table>, images: &[Vec<u8>]) -> Rows {
    let mut writer = RowsWriter::new(table.clone());
    images.iter().for_each(|image| writer.image(Image::from_bytes(image)));
    writer.take()
}

/// The id of an `items` image.
pub(crate) fn id(image: Image<'_>) -> Result<i64> {
    match image.slot(0)?.value() {
        Some(value) => number(&value),
        None => bail!("the key was not sent"),
    }
}

/// A whole number, whatever kind of number it is told as.
pub(crate) fn number(value: &Value<'_>) -> Result<i64> {
    Ok(match value {
        Value::Int(n) => *n,
        Value::UInt(n) => i64::try_from(*n)?,
        Value::Decimal(n) => n.as_str().parse()?,
        other => bail!("expected a number, found {other:?}"),
    })
}

/// `note` and `qty` as the plain client sees them.
pub(crate) type Plain = (Option<String>, Option<i64>);

/// `note` and `qty` of an `items` image; the outer `None` is a column that was not sent.
pub(crate) type Item = (Option<Option<String>>, Option<Option<i64>>);

pub(crate) fn told(image: Image<'_>) -> Result<Item> {
    let note = match image.slot(1)?.value() {
        None => None,
        Some(Value::Null) => Some(None),
        Some(Value::Text(text)) => Some(Some(text.to_owned())),
        Some(other) => bail!("expected a text, found {other:?}"),
    };
    let qty = match image.slot(2)?.value() {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => Some(Some(number(&value)?)),
    };
    Ok((note, qty))
}

/// All rows of `tables` in a snapshot, read by `readers` readers at once: `(table, image)`.
pub(crate) async fn read_all(
    snapshot: &dyn Snapshot,
    tables: &[Arc<Table>],
    readers: usize,
    rows: u64,
) -> Result<Vec<(usize, Vec<u8>)>> {
    let mut work: Vec<(usize, Chunk)> = Vec::new();
    for (n, table) in tables.iter().enumerate() {
        let chunks = snapshot.chunks(table, rows).await?;
        ensure!(!chunks.is_empty(), "even an empty table has one chunk");
        for (number, chunk) in chunks.iter().enumerate() {
            ensure!(
                chunk.number as usize == number && chunk.table == table.name,
                "chunks are numbered from 0: {chunk:?}"
            );
        }
        work.extend(chunks.into_iter().map(|chunk| (n, chunk)));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..readers {
        let mut reader = snapshot.reader().await?;
        let part: Vec<_> = work.iter().skip(first).step_by(readers).cloned().collect();
        let tables = tables.to_vec();
        tasks.spawn(async move {
            let mut images = Vec::new();
            for (n, chunk) in part {
                reader.open(&tables[n], &chunk).await?;
                while let Some(rows) = reader.next().await? {
                    for image in rows.images() {
                        images.push((n, image?.as_bytes().to_vec()));
                    }
                }
            }
            anyhow::Ok(images)
        });
    }
    let mut all = Vec::new();
    while let Some(part) = tasks.join_next().await {
        all.extend(part??);
    }
    Ok(all)
}

/// Tells a writer beside the check to stop, also when the check ends early.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn new() -> (Stop, Arc<AtomicBool>) {
        let flag = Arc::new(AtomicBool::new(false));
        (Stop(flag.clone()), flag)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A value as the plain client would print it, for values that every server prints alike.
pub(crate) fn plain(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) => (*text).to_owned(),
        Value::Decimal(n) => Decimal::as_str(*n).to_owned(),
        other => number(other).map_or_else(|_| format!("{other:?}"), |n| n.to_string()),
    })
}

/// A column of an `items` table, whatever the engine calls its type.
pub(crate) fn is_number(column: &Column) -> bool {
    matches!(column.data_type, Type::Int { .. } | Type::Decimal { .. })
}
