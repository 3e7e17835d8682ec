//! SQL connections: TLS as asked, the session pinned so that every value is rendered the same everywhere, and small helpers for queries.

use crate::Result;
use crate::config::Config;
use crate::error::{from_driver, precondition, protocol};
use crate::tls;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{ServerIdentity, TlsMode};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A host that confirms nothing of what it was sent for so long is gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// The oldest server that is supported.
pub(crate) const OLDEST: u32 = 140_000;

/// The settings that every connection begins with: how values are printed, no time limit that would end a session in mid-work, and an error in place of
/// rows that a policy would hide.
pub(crate) const PINNED: &str = "-c datestyle=ISO,YMD -c intervalstyle=iso_8601 -c extra_float_digits=3 -c timezone=UTC \
     -c bytea_output=hex -c xmloption=content -c lc_monetary=C -c standard_conforming_strings=on -c statement_timeout=0 -c lock_timeout=0 \
     -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c row_security=off -c array_nulls=on";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Looking around, and reading rows.
    Read,
    /// Applying and loading.
    Write,
}

/// What the server told of itself.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub identity: ServerIdentity,
    /// As `server_version_num`: 150004.
    pub version: u32,
    /// A standby: nothing can be written.
    pub recovery: bool,
}

/// One connection, its session pinned. It ends when it is dropped.
pub(crate) struct Session {
    pub client: Client,
    pub server: Arc<Server>,
    /// Triggers and foreign keys of the target do not fire for us.
    pub replica: bool,
}

impl Session {
    pub async fn connect(config: &Config, purpose: Purpose) -> Result<Session> {
        let client = dial(config).await?;
        let server = Arc::new(ask(&client, config).await?);
        let mut session = Session { client, server, replica: false };
        if session.server.version >= 170_000 {
            session.run("setting up the session", "SET transaction_timeout = 0").await?;
        }
        if purpose == Purpose::Write {
            session.prepare_for_writing().await?;
        }
        Ok(session)
    }

    async fn prepare_for_writing(&mut self) -> Result<()> {
        let sql = "SELECT CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END";
        self.run("setting up the session", sql).await?;
        self.replica = match self.client.batch_execute("SET session_replication_role = replica").await {
            Ok(()) => true,
            Err(error) if crate::error::state(&error) == Some("42501") => false,
            Err(error) => return Err(from_driver("setting up the session", error)),
        };
        Ok(())
    }

    /// Runs statements and ignores their rows.
    pub async fn run(&self, doing: &str, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|e| from_driver(doing, e))
    }

    /// The rows of all statements of a script, by the text protocol.
    pub async fn query(&self, doing: &str, sql: &str) -> Result<Vec<Answer>> {
        let messages = self.client.simple_query(sql).await.map_err(|e| from_driver(doing, e))?;
        Ok(messages
            .into_iter()
            .filter_map(|m| match m {
                SimpleQueryMessage::Row(row) => Some(Answer(row)),
                _ => None,
            })
            .collect())
    }

    /// The first row, where there is one.
    pub async fn first(&self, doing: &str, sql: &str) -> Result<Option<Answer>> {
        Ok(self.query(doing, sql).await?.into_iter().next())
    }
}

/// The rows that each statement touched.
pub(crate) fn counts(messages: &[SimpleQueryMessage]) -> Vec<u64> {
    messages
        .iter()
        .filter_map(|m| match m {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        })
        .collect()
}

async fn dial(config: &Config) -> Result<Client> {
    let doing = format!("connecting to {}", config.place());
    let mut options = tokio_postgres::Config::new();
    options
        .host(&config.host)
        .port(config.port)
        .user(&config.user)
        .dbname(&config.database)
        .application_name(&config.application)
        .options(format!("{} {PINNED}", config.options).trim_start())
        .connect_timeout(Duration::from_secs(15))
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(SILENCE)
        .ssl_mode(match config.tls.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
    if let Some(password) = &config.password {
        options.password(password);
    }
    let failed = |e| from_driver(&doing, e);
    let client = match tls::client_config(config)? {
        None => {
            let (client, connection) = options.connect(NoTls).await.map_err(failed)?;
            // Its error reaches the caller through the next statement.
            tokio::spawn(async move { drop(connection.await) });
            client
        }
        Some(tls) => {
            let (client, connection) = options.connect(MakeRustlsConnect::new(tls)).await.map_err(failed)?;
            tokio::spawn(async move { drop(connection.await) });
            client
        }
    };
    Ok(client)
}

async fn ask(client: &Client, config: &Config) -> Result<Server> {
    let doing = format!("asking {} which server it is", config.place());
    let sql = "SELECT current_setting('server_version'), current_setting('server_version_num'), pg_is_in_recovery(), \
               (SELECT system_identifier FROM pg_control_system()), current_database(), current_setting('server_encoding')";
    let messages = client.simple_query(sql).await.map_err(|e| from_driver(&doing, e))?;
    let row = messages.into_iter().find_map(|m| match m {
        SimpleQueryMessage::Row(row) => Some(Answer(row)),
        _ => None,
    });
    let row = row.ok_or_else(|| protocol(format!("{doing}: no answer")))?;
    if row.text(5) == "SQL_ASCII" {
        return Err(precondition(
            "TL-PG-ENCODING",
            format!(
                "the database {} is in SQL_ASCII: nobody knows in what characters its text is",
                config.database
            ),
        )
        .hint("move it into a database of another encoding, such as UTF8"));
    }
    Ok(Server {
        identity: ServerIdentity {
            product: "PostgreSQL".to_owned(),
            version: row.text(0).to_owned(),
            id: format!("{}/{}", row.text(3), row.text(4)),
        },
        version: row.number(1)?,
        recovery: row.flag(2),
    })
}

/// A row of a text answer.
pub(crate) struct Answer(SimpleQueryRow);

impl Answer {
    /// A column's text; none for NULL and for columns that are not there.
    pub fn get(&self, column: usize) -> Option<&str> {
        if column < self.0.len() { self.0.get(column) } else { None }
    }

    /// A column's text, empty for NULL.
    pub fn text(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }

    pub fn flag(&self, column: usize) -> bool {
        self.text(column) == "t"
    }

    /// A column that must hold a number.
    pub fn number<T: std::str::FromStr>(&self, column: usize) -> Result<T> {
        let text = self.text(column);
        text.parse().map_err(|_| protocol(format!("the server's answer '{text}' is no number")))
    }
}
