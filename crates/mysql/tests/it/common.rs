//! What the tests share: an endpoint on a fresh database, a stream that is read to its end, rows of a snapshot.

use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{
    Ask, CaptureKind, ChangeStream, Endpoint, EndpointConfig, Prepared, Role, Source, TlsOptions,
};
use tidelock_model::{Batch, Image, Operation, Record, Rows, Slot, Table, TableName, Value};
use tidelock_testkit::{Database, Kind, server};

pub const KINDS: [Kind; 2] = [Kind::Mariadb1011, Kind::Mysql97];

/// A fresh database of a kind, where there is a server.
pub async fn database(kind: Kind, test: &str) -> Option<Database> {
    Some(server(kind)?.fresh_database(test).await)
}

pub fn endpoint(url: &str) -> Arc<dyn Endpoint> {
    let config = EndpointConfig { name: "shop".into(), url: url.into(), tls: TlsOptions::default() };
    tidelock_mysql::open(config).unwrap()
}

pub fn names(tables: &[&str]) -> Vec<TableName> {
    tables.iter().map(|t| TableName::new(*t)).collect()
}

pub async fn tables(endpoint: &dyn Endpoint, tables: &[&str]) -> Vec<Arc<Table>> {
    let ask = Ask { role: Role::SnapshotSource, tables: Some(names(tables)) };
    endpoint.inspect(&ask).await.unwrap().tables
}

pub async fn table(endpoint: &dyn Endpoint, name: &str) -> Arc<Table> {
    tables(endpoint, &[name]).await.remove(0)
}

/// A source, prepared, and its stream from there.
pub struct Tail {
    pub source: Box<dyn Source>,
    pub prepared: Prepared,
    pub stream: Box<dyn ChangeStream>,
}

impl Tail {
    pub async fn open(endpoint: &dyn Endpoint, tables: &[&str]) -> Tail {
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(tables)).await.unwrap();
        let stream = source.stream(&names(tables), &prepared.start, &prepared.server).await.unwrap();
        Tail { source, prepared, stream }
    }

    /// Everything up to the present end of the log.
    pub async fn catch_up(&mut self, endpoint: &dyn Endpoint) -> Vec<Batch> {
        let head = self.source.head().await.unwrap();
        let mut batches = Vec::new();
        loop {
            let batch =
                tokio::time::timeout(Duration::from_secs(30), self.stream.next()).await.unwrap().unwrap();
            let reached = batch.resume().is_some_and(|r| endpoint.compare(r, &head).unwrap().is_ge());
            batches.push(batch);
            if reached {
                return batches;
            }
        }
    }
}

/// A change as text: `insert t {id=1, name=a}`.
pub fn told(batches: &[Batch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for record in batch.records() {
            match record.unwrap() {
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

pub fn shown(table: &Table, image: Image<'_>) -> String {
    let parts: Vec<String> = table
        .columns
        .iter()
        .zip(image.slots())
        .filter_map(|(c, slot)| match slot.unwrap() {
            Slot::NotSent => None,
            Slot::Value(v) => Some(format!("{}={}", c.name, text(&v))),
        })
        .collect();
    format!("{{{}}}", parts.join(", "))
}

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

/// All rows of a table through a snapshot, in chunks of `rows`, by `readers`.
pub async fn snapshot_rows(endpoint: &dyn Endpoint, table: &Arc<Table>, rows: u64) -> Vec<Rows> {
    let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
    let snapshot = source.snapshot(std::slice::from_ref(table), 1).await.unwrap();
    let chunks = snapshot.chunks(table, rows).await.unwrap();
    let mut reader = snapshot.reader().await.unwrap();
    let mut all = Vec::new();
    for chunk in &chunks {
        reader.open(table, chunk).await.unwrap();
        while let Some(rows) = reader.next().await.unwrap() {
            all.push(rows);
        }
    }
    all
}
