//! One connection to any of the databases, as plain as can be: scripts in, text out.
//!
//! The tests' own view of a database must not go through the code under test, so this uses each driver's simplest path:
//! PostgreSQL's simple query protocol, MySQL's text protocol, SQLite's own rendering. A session is one connection: what is
//! begun on it stays open until it is committed on it.

use anyhow::{Context, Result, bail};

use crate::kind::{Connection, Family};

/// One row: the text of every value, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// One connection.
pub struct Session(Box<dyn Connection>);

impl Session {
    /// Connects to `url` (`postgres://…`, `mysql://…` or `sqlite:path`).
    pub async fn connect(url: &str) -> Result<Session> {
        let language = Family::of_url(url)?.language();
        Ok(Session(language.connect(url).await.with_context(|| said("connecting", url))?))
    }

    /// Runs a script of one or more statements and ignores their rows.
    ///
    /// PostgreSQL runs the statements of one script in one transaction unless the script begins its own.
    pub async fn execute(&mut self, sql: &str) -> Result<()> {
        self.0.execute(sql).await.with_context(|| format!("running: {}", head_of(sql)))
    }

    /// Runs one statement and gives the text of every value.
    ///
    /// Bytes that are no text come as `\x` and hexadecimal digits, as PostgreSQL writes them.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        self.0.query(sql).await.with_context(|| format!("running: {}", head_of(sql)))
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

pub(crate) fn text_or_hex(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), str::to_string)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_string(), |text, byte| text + &format!("{byte:02x}"))
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
