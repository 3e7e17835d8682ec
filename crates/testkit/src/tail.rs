//! Looking at what an engine hands out, as text that a test can compare; and images to hand to it.

use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{Ask, CaptureKind, ChangeStream, Endpoint, Prepared, Role, Source};
use tidelock_model::{Batch, Image, ImageWriter, Operation, Record, Rows, Slot, Table, TableName, Value};

const OWN: &str = "the engine under test";

/// Tables of the default schema, by name.
pub fn names(tables: &[&str]) -> Vec<TableName> {
    tables.iter().map(|t| TableName::new(*t)).collect()
}

/// These tables, as the endpoint describes them.
///
/// # Panics
/// When it cannot.
pub async fn tables(endpoint: &dyn Endpoint, tables: &[&str]) -> Vec<Arc<Table>> {
    let ask = Ask { role: Role::SnapshotSource, tables: Some(names(tables)) };
    endpoint.inspect(&ask).await.expect(OWN).tables
}

/// One table, as the endpoint describes it.
///
/// # Panics
/// When it is not there.
pub async fn table(endpoint: &dyn Endpoint, name: &str) -> Arc<Table> {
    tables(endpoint, &[name]).await.remove(0)
}

/// A source, prepared, and its stream from there.
pub struct Tail {
    /// The source.
    pub source: Box<dyn Source>,
    /// What was prepared.
    pub prepared: Prepared,
    /// The stream from its start.
    pub stream: Box<dyn ChangeStream>,
}

impl Tail {
    /// Follows the tables from now on, by the log.
    ///
    /// # Panics
    /// When the engine fails.
    pub async fn open(endpoint: &dyn Endpoint, tables: &[&str]) -> Tail {
        let mut source = endpoint.source(CaptureKind::Log).await.expect(OWN);
        let prepared = source.prepare(&names(tables)).await.expect(OWN);
        let stream = source.stream(&names(tables), &prepared.start, &prepared.server).await.expect(OWN);
        Tail { source, prepared, stream }
    }

    /// Everything up to the present end of the log.
    ///
    /// # Panics
    /// When the engine fails, or is silent for half a minute.
    pub async fn catch_up(&mut self, endpoint: &dyn Endpoint) -> Vec<Batch> {
        let head = self.source.head().await.expect(OWN);
        let mut batches = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(30), self.stream.next()).await;
            let batch = next.expect("a batch within half a minute").expect(OWN);
            let reached = batch.resume().is_some_and(|r| endpoint.compare(r, &head).expect(OWN).is_ge());
            batches.push(batch);
            if reached {
                return batches;
            }
        }
    }
}

/// Records as text: `insert t {id=1, name=a}`.
///
/// # Panics
/// When a record is damaged.
pub fn told(batches: &[Batch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for record in batch.records() {
            match record.expect(OWN) {
                Record::Begin { origin, .. } => lines.push(match origin {
                    Some(origin) => format!("begin from {origin}"),
                    None => "begin".to_owned(),
                }),
                Record::Commit { .. } => lines.push("commit".to_owned()),
                Record::Change(change) => {
                    let name = &change.table.name;
                    let image = |i: Option<Image<'_>>| i.map_or(String::new(), |i| shown(change.table, i));
                    lines.push(match change.operation {
                        Operation::Insert => format!("insert {name} {}", image(change.after)),
                        Operation::Delete => format!("delete {name} {}", image(change.before)),
                        Operation::Truncate => format!("truncate {name}"),
                        Operation::Rewrite => format!("rewrite {name}"),
                        Operation::Replace => format!("replace {name}"),
                        Operation::Update => {
                            format!("update {name} {} -> {}", image(change.before), image(change.after))
                        }
                    });
                }
            }
        }
    }
    lines
}

/// A row as text, without the columns that were not sent.
///
/// # Panics
/// When it is damaged.
pub fn shown(table: &Table, image: Image<'_>) -> String {
    let parts: Vec<String> = table
        .columns
        .iter()
        .zip(image.slots())
        .filter_map(|(c, slot)| match slot.expect(OWN) {
            Slot::NotSent => None,
            Slot::Value(v) => Some(format!("{}={}", c.name, text(&v))),
        })
        .collect();
    format!("{{{}}}", parts.join(", "))
}

/// A value as text.
pub fn text(value: &Value<'_>) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Int(i) => i.to_string(),
        Value::UInt(u) => u.to_string(),
        Value::Text(t) | Value::Json(t) | Value::Enum(t) | Value::Set(t) => (*t).to_owned(),
        Value::Decimal(d) => d.as_str().to_owned(),
        Value::Date(d) => d.to_string(),
        Value::DateTime(d) => d.to_string(),
        Value::Timestamp(d) => d.to_string(),
        Value::Time(d) => d.to_string(),
        Value::Bits(b) => b.to_text(),
        other => format!("{other:?}"),
    }
}

/// An image of these slots.
pub fn image(slots: &[Slot<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ImageWriter::new(&mut out);
    slots.iter().for_each(|s| writer.slot(s));
    out
}

/// An image of a whole row.
pub fn whole(values: &[Value<'_>]) -> Vec<u8> {
    image(&values.iter().map(|v| Slot::Value(*v)).collect::<Vec<_>>())
}

/// All rows of a table through a snapshot, in chunks of `rows`.
///
/// # Panics
/// When the engine fails.
pub async fn snapshot_rows(endpoint: &dyn Endpoint, table: &Arc<Table>, rows: u64) -> Vec<Rows> {
    let mut source = endpoint.source(CaptureKind::Log).await.expect(OWN);
    let snapshot = source.snapshot(std::slice::from_ref(table), 1).await.expect(OWN);
    let chunks = snapshot.chunks(table, rows).await.expect(OWN);
    let mut reader = snapshot.reader().await.expect(OWN);
    let mut all = Vec::new();
    for chunk in &chunks {
        reader.open(table, chunk).await.expect(OWN);
        while let Some(rows) = reader.next().await.expect(OWN) {
            all.push(rows);
        }
    }
    all
}
