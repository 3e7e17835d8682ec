//! SQLite: a database is a file.

use anyhow::Result;
use async_trait::async_trait;
use rusqlite::types::ValueRef;

#[cfg(feature = "conformance")]
use super::language::Dialect;
use super::language::{Connection, Language, Servers};
use crate::session::{Row, hex, text_or_hex};

pub(super) struct Sqlite;

#[async_trait]
impl Language for Sqlite {
    fn schemes(&self) -> &'static [&'static str] {
        &["sqlite"]
    }

    fn version(&self) -> &'static str {
        "SELECT sqlite_version()"
    }

    async fn connect(&self, url: &str) -> Result<Box<dyn Connection>> {
        let connection = rusqlite::Connection::open(url.trim_start_matches("sqlite:"))?;
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        // A test's own writes need not survive a power cut; waiting for the disk makes scripts of many statements slow.
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(Box::new(connection))
    }

    fn servers(&self) -> Option<&'static dyn Servers> {
        None
    }

    #[cfg(feature = "conformance")]
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

#[async_trait]
impl Connection for rusqlite::Connection {
    async fn execute(&mut self, sql: &str) -> Result<()> {
        blocking(|| Ok(self.execute_batch(sql)?))
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        blocking(|| rows(self, sql))
    }
}

/// Waits for a file's lock without holding up the others of the runtime: one of them may have it.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn rows(connection: &rusqlite::Connection, sql: &str) -> Result<Vec<Row>> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|i| row.get_ref(i).map(text));
        found.push(values.collect::<Result<Row, _>>()?);
    }
    Ok(found)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(n) => Some(n.to_string()),
        ValueRef::Text(bytes) => Some(text_or_hex(bytes)),
        ValueRef::Blob(bytes) => Some(hex(bytes)),
    }
}

#[cfg(feature = "conformance")]
const DIALECT: Dialect = Dialect {
    long_text: "text",
    key_text: "text",
    numbering: "integer PRIMARY KEY AUTOINCREMENT",
    backslash: "\\",
    keep_log: Some("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0"),
    log_is_there: false,
    single_writer: true,
    truncates: false,
    wide: &[
        ("integer", ["-9223372036854775808", "9223372036854775807", "NULL"]),
        ("real", ["0.1", "1e300", "NULL"]),
        ("text", ["'ä😀 \\ \"'", "''", "NULL"]),
        ("blob", ["x'00ff5c'", "x''", "NULL"]),
        ("numeric(12,2)", ["12.5", "-3", "NULL"]),
        ("varchar(40)", ["'trailing  '", "char(10)", "NULL"]),
        ("bigint", ["0", "1", "NULL"]),
        ("double", ["-0.5", "3", "NULL"]),
    ],
};
