//! One connection to any of the databases, as plain as can be: scripts in, text out.
//!
//! The tests' own view of a database must not go through the code under test, so this uses each driver's simplest path:
//! PostgreSQL's simple query protocol, MySQL's text protocol, SQLite's own rendering. A session is one connection: what is
//! begun on it stays open until it is committed on it.

use anyhow::{Context, Result, anyhow, bail};
use mysql_async::prelude::Queryable;
use rusqlite::types::ValueRef;
use tokio::task::JoinHandle;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::kind::Family;

/// One row: the text of every value, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// One connection.
pub struct Session(Connection);

enum Connection {
    Postgres { client: tokio_postgres::Client, driver: JoinHandle<()> },
    Mysql(Box<mysql_async::Conn>),
    Sqlite(rusqlite::Connection),
}

impl Session {
    /// Connects to `url` (`postgres://…`, `mysql://…` or `sqlite:path`).
    pub async fn connect(url: &str) -> Result<Session> {
        let connection = match family_of(url)? {
            Family::Postgres => {
                let (client, connection) =
                    tokio_postgres::connect(url, NoTls).await.with_context(|| said("connecting", url))?;
                // The driver ends with the connection; its error reaches the caller through the next statement.
                let driver = tokio::spawn(async move { drop(connection.await) });
                Connection::Postgres { client, driver }
            }
            Family::Mysql => Connection::Mysql(Box::new(
                mysql_async::Conn::from_url(url).await.with_context(|| said("connecting", url))?,
            )),
            Family::Sqlite => {
                let path = url.trim_start_matches("sqlite:");
                let connection = rusqlite::Connection::open(path).with_context(|| said("opening", url))?;
                connection.busy_timeout(std::time::Duration::from_secs(30))?;
                // A test's own writes need not survive a power cut; waiting for the disk makes scripts of many statements slow.
                connection.pragma_update(None, "synchronous", "OFF")?;
                Connection::Sqlite(connection)
            }
        };
        Ok(Session(connection))
    }

    /// Runs a script of one or more statements and ignores their rows.
    ///
    /// PostgreSQL runs the statements of one script in one transaction unless the script begins its own.
    pub async fn execute(&mut self, sql: &str) -> Result<()> {
        match &mut self.0 {
            Connection::Postgres { client, .. } => client.batch_execute(sql).await.map_err(postgres_error),
            Connection::Mysql(conn) => conn.query_drop(sql).await.map_err(Into::into),
            Connection::Sqlite(connection) => blocking(|| connection.execute_batch(sql).map_err(Into::into)),
        }
        .with_context(|| format!("running: {}", head_of(sql)))
    }

    /// Runs one statement and gives the text of every value.
    ///
    /// Bytes that are no text come as `\x` and hexadecimal digits, as PostgreSQL writes them.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        match &mut self.0 {
            Connection::Postgres { client, .. } => query_postgres(client, sql).await,
            Connection::Mysql(conn) => {
                let rows: Vec<mysql_async::Row> = conn.query(sql).await?;
                Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(mysql_text).collect()).collect())
            }
            Connection::Sqlite(connection) => blocking(|| query_sqlite(connection, sql)),
        }
        .with_context(|| format!("running: {}", head_of(sql)))
    }

    /// Runs one statement and gives the single value of its single row.
    pub async fn value(&mut self, sql: &str) -> Result<Option<String>> {
        let mut rows = self.query(sql).await?;
        match rows.pop() {
            Some(mut row) if rows.is_empty() && row.len() == 1 => Ok(row.remove(0)),
            _ => bail!("expected one row with one value from: {}", head_of(sql)),
        }
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

impl Drop for Session {
    fn drop(&mut self) {
        if let Connection::Postgres { driver, .. } = &self.0 {
            driver.abort();
        }
    }
}

fn family_of(url: &str) -> Result<Family> {
    match url.split(':').next() {
        Some("postgres" | "postgresql") => Ok(Family::Postgres),
        Some("mysql" | "mariadb") => Ok(Family::Mysql),
        Some("sqlite") => Ok(Family::Sqlite),
        _ => bail!("no database is known for the url {url}; it must begin with postgres:, mysql: or sqlite:"),
    }
}

async fn query_postgres(client: &tokio_postgres::Client, sql: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for message in client.simple_query(sql).await.map_err(postgres_error)? {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect());
        }
    }
    Ok(rows)
}

fn query_sqlite(connection: &rusqlite::Connection, sql: &str) -> Result<Vec<Row>> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|i| row.get_ref(i).map(sqlite_text));
        found.push(values.collect::<Result<Row, _>>()?);
    }
    Ok(found)
}

fn sqlite_text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(n) => Some(n.to_string()),
        ValueRef::Text(bytes) => Some(text_or_hex(bytes)),
        ValueRef::Blob(bytes) => Some(hex(bytes)),
    }
}

fn mysql_text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(text_or_hex(&bytes)),
        // The text protocol sends nothing else.
        other => Some(other.as_sql(true)),
    }
}

fn text_or_hex(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), str::to_string)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_string(), |text, byte| text + &format!("{byte:02x}"))
}

/// tokio-postgres says only "db error"; the server's own words are one level down.
fn postgres_error(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(said) => anyhow!("{} ({})", said.message(), said.code().code()),
        None => error.into(),
    }
}

/// The beginning of a statement, for messages.
fn head_of(sql: &str) -> String {
    let line = sql.trim().lines().next().unwrap_or_default();
    if line.chars().count() > 160 {
        line.chars().take(160).chain("…".chars()).collect()
    } else {
        line.to_string()
    }
}

/// A message with the url, its password left out.
fn said(doing: &str, url: &str) -> String {
    let shown = url::Url::parse(url).map_or_else(
        |_| url.to_string(),
        |mut url| {
            if url.password().is_some() {
                // Fails only for urls that cannot have a password.
                let _ = url.set_password(Some("…"));
            }
            url.to_string()
        },
    );
    format!("{doing} to {shown}")
}
