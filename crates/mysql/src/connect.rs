//! Connections: TLS as asked, the session pinned so that every value is rendered the same everywhere, and small helpers for queries.

use crate::Result;
use crate::charset::Table;
use crate::config::Config;
use crate::error::{from_driver, protocol};
use crate::server::Server;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, FromValueError, Row, Value, from_value_opt};
use std::collections::HashMap;
use std::sync::Arc;
use tidelock_endpoint::{ErrorKind, TlsMode};

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Looking around, and reading rows by key.
    Look,
    /// A consistent view, held for as long as the copy takes.
    Snapshot,
    /// A lock that holds others back, for moments.
    Lock,
    /// The stream of the binary log.
    Log,
    /// Applying and loading.
    Write,
}

/// One connection, its session pinned.
pub(crate) struct Session {
    pub conn: Conn,
    pub server: Arc<Server>,
    /// Those that were asked for, by name.
    pub charsets: HashMap<String, Arc<Table>>,
}

/// What MySQL sources may hold can be written with it, and nothing is changed silently: zero, partial and impossible dates are taken as they
/// are; what does not fit is an error; 0 is a value also in an AUTO_INCREMENT column.
const SQL_MODE: &str = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES";
/// How often the server tells a reader of its log that it is still there.
const HEARTBEAT_SECONDS: u32 = 2;
/// A year, in seconds: a consumer may stall for as long as it likes.
pub(crate) const PATIENCE: u32 = 31_536_000;
/// Seconds after which the server gives up a transaction that writes, and its locks, when nothing more comes: its client is dead.
pub(crate) const WRITING: u32 = 600;
/// The same for a lock on all tables.
const LOCKED: u32 = 10;

impl Session {
    pub async fn connect(config: &Config, purpose: Purpose) -> Result<Session> {
        let doing = format!(
            "connecting to {} ({}:{})",
            config.name,
            config.plain.ip_or_hostname(),
            config.plain.tcp_port()
        );
        let mut conn = dial(config).await.map_err(|e| from_driver(&doing, e))?;
        let server = Arc::new(Server::ask(&mut conn, &config.database).await?);
        let mut session = Session { conn, server, charsets: HashMap::new() };
        let sql = session.settings(purpose);
        session.run("setting up the session", sql).await?;
        if purpose == Purpose::Write {
            // So that warnings can be told. MySQL asks for a privilege; without it a warning is an error all the same.
            match session.run("setting up the session", "SET max_error_count=64").await {
                Err(error) if error.kind == ErrorKind::Privilege => {}
                done => done?,
            }
        }
        Ok(session)
    }

    fn settings(&self, purpose: Purpose) -> String {
        let wait = if purpose == Purpose::Lock { LOCKED } else { PATIENCE };
        let mut sql = format!(
            "SET NAMES utf8mb4; SET time_zone='+00:00', sql_mode='{SQL_MODE}', autocommit=1, sql_select_limit=18446744073709551615, \
             wait_timeout={wait}, lock_wait_timeout=60, net_read_timeout={PATIENCE}, net_write_timeout={PATIENCE}"
        );
        sql += if self.server.is_mariadb() { ", max_statement_time=0" } else { ", max_execution_time=0" };
        if self.server.is_mariadb() && self.server.at_least(10, 3) {
            sql += ", idle_transaction_timeout=0";
        }
        match purpose {
            // What is sent is at hand: a client that stops in the middle is dead, and its locks must go.
            Purpose::Write => {
                sql += &format!(
                    ", foreign_key_checks=0, unique_checks=1, net_read_timeout={WRITING}, net_write_timeout={WRITING}"
                );
            }
            Purpose::Snapshot => sql += "; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            Purpose::Log => {
                let nanos = u64::from(HEARTBEAT_SECONDS) * 1_000_000_000;
                sql += &format!("; SET @master_heartbeat_period={nanos}, @source_heartbeat_period={nanos}");
                if self.server.is_mariadb() {
                    sql += ", @mariadb_slave_capability=4";
                }
            }
            Purpose::Lock => sql += ", lock_wait_timeout=3",
            Purpose::Look => {}
        }
        sql
    }

    /// Runs statements and ignores their rows.
    pub async fn run(&mut self, doing: &str, sql: impl AsRef<str>) -> Result<()> {
        self.conn.query_drop(sql.as_ref()).await.map_err(|e| from_driver(doing, e))
    }

    /// The rows of one statement, by the text protocol.
    pub async fn query(&mut self, doing: &str, sql: impl AsRef<str>) -> Result<Vec<Answer>> {
        let rows: Vec<Row> = self.conn.query(sql.as_ref()).await.map_err(|e| from_driver(doing, e))?;
        Ok(rows.into_iter().map(Answer).collect())
    }

    /// The first row, where there is one.
    pub async fn first(&mut self, doing: &str, sql: impl AsRef<str>) -> Result<Option<Answer>> {
        Ok(self.query(doing, sql).await?.into_iter().next())
    }
}

async fn dial(config: &Config) -> std::result::Result<Conn, Error> {
    let Some(secure) = &config.secure else { return Conn::new(config.plain.clone()).await };
    match Conn::new(secure.clone()).await {
        Err(Error::Server(refused)) => Err(Error::Server(refused)),
        Err(failed) if config.mode == TlsMode::Prefer => match Conn::new(config.plain.clone()).await {
            Ok(conn) => {
                tracing::debug!(endpoint = config.name, error = %failed, "no TLS, going on without");
                Ok(conn)
            }
            Err(error) => Err(error),
        },
        other => other,
    }
}

/// A row of a text answer.
pub(crate) struct Answer(pub Row);

impl Answer {
    /// A column's text; none for NULL and for columns that are not there.
    pub fn text(&self, column: usize) -> Option<String> {
        match self.0.as_ref(column)? {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
        }
    }

    /// A column's text, empty for NULL.
    pub fn string(&self, column: usize) -> String {
        self.text(column).unwrap_or_default()
    }

    /// A column that must hold a number.
    pub fn number(&self, column: usize) -> Result<u64> {
        let value = self.0.as_ref(column).cloned().unwrap_or(Value::NULL);
        from_value_opt(value)
            .map_err(|e: FromValueError| protocol(format!("the server's answer is no number: {e}")))
    }

    /// The place of a column by its name, letter case apart.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.0.columns_ref().iter().position(|c| c.name_str().eq_ignore_ascii_case(name))
    }
}

/// An identifier in backquotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text literal for statements that look around.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
