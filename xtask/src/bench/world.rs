//! The servers of one run, as durable as real ones, and databases on them.
//!
//! They are started for this run alone and end with it, however it ends. TLS is off, for our program and for the servers' own alike: what is
//! measured is the way of a row.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tidelock_testkit::lab::{self, Options, Private};
use tidelock_testkit::{Family, Kind, Session};
use tokio::process::Command;
use url::Url;

use super::process::command;

/// PostgreSQL, as source and as target.
const POSTGRES: Kind = Kind::Postgres18;
const MARIADB: Kind = Kind::Mariadb1011;

/// Which part a server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Read from.
    Source,
    /// Written to.
    Target,
}

/// The servers. PostgreSQL's own subscription wants two of them; MariaDB is source or target, not both at once.
pub struct World {
    postgres: [Private; 2],
    mariadb: Private,
}

impl World {
    /// Starts them. Blocks.
    pub fn start() -> Result<World> {
        // Checkpoints would hit one or the other by chance.
        let postgres = Options { durable: true, ..Options::default() }
            .with("ssl", "off")
            .with("shared_buffers", "1GB")
            .with("max_wal_size", "8GB")
            .with("checkpoint_timeout", "30min");
        let mariadb = Options { durable: true, ..Options::default() }
            .with("skip-ssl", "")
            .with("innodb-buffer-pool-size", "1G")
            .with("innodb-log-file-size", "1G");
        let start = |kind, options: &Options| {
            eprintln!("starting {kind}");
            lab::start(kind, options.clone())
        };
        Ok(World {
            postgres: [start(POSTGRES, &postgres)?, start(POSTGRES, &postgres)?],
            mariadb: start(MARIADB, &mariadb)?,
        })
    }

    /// What they are, for the report.
    pub fn versions(&self) -> String {
        let short = |version: &str| version.split(['-', ' ']).next().unwrap_or_default().to_owned();
        let [postgres, _] = &self.postgres;
        format!(
            "PostgreSQL {}, MariaDB {}",
            short(&postgres.server.version),
            short(&self.mariadb.server.version)
        )
    }

    /// An empty database.
    pub async fn database(&self, family: Family, role: Role) -> Result<Base> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let server = match (family, role) {
            (Family::Mysql, _) => &self.mariadb.server,
            (_, Role::Source) => &self.postgres[0].server,
            (_, Role::Target) => &self.postgres[1].server,
        };
        let name = format!("bench_{}", MADE.fetch_add(1, Ordering::Relaxed));
        server.connect().await?.execute(&format!("CREATE DATABASE {name}")).await?;
        let mut url = Url::parse(&server.url).context("reading a server's url")?;
        let administrator = url.clone();
        url.set_path(&name);
        Ok(Base { kind: server.kind, name, url, administrator })
    }
}

/// One database.
pub struct Base {
    kind: Kind,
    name: String,
    url: Url,
    administrator: Url,
}

impl Base {
    /// What it speaks.
    pub fn family(&self) -> Family {
        self.kind.family()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// A connection.
    pub async fn session(&self) -> Result<Session> {
        Session::connect(self.url()).await
    }

    /// Runs statements, each by itself.
    pub async fn run<S: AsRef<str>>(&self, statements: &[S]) -> Result<()> {
        let mut session = self.session().await?;
        for statement in statements {
            session.execute(statement.as_ref()).await?;
        }
        Ok(())
    }

    /// The values of a statement's first row, as text.
    pub async fn text(&self, sql: &str) -> Result<String> {
        let rows = self.session().await?.query(sql).await?;
        let row = rows.into_iter().next().with_context(|| format!("nothing came from: {sql}"))?;
        Ok(row
            .into_iter()
            .map(|value| value.unwrap_or_else(|| "NULL".to_owned()))
            .collect::<Vec<_>>()
            .join(" "))
    }

    /// One of the programs that came with the server, with the way to it in its environment and arguments.
    pub fn tool(&self, name: &str) -> Result<Command> {
        let mut command = command(&lab::tool(self.kind, name)?);
        let password = self.url.password().unwrap_or_default();
        match self.family() {
            Family::Mysql => {
                command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=root"]);
                command.arg(format!("--port={}", self.port())).env("MYSQL_PWD", password);
            }
            _ => {
                let port = self.port().to_string();
                command.envs([("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "postgres")]);
                command.envs([("PGDATABASE", self.name.as_str()), ("PGPASSWORD", password)]);
            }
        }
        Ok(command)
    }

    /// The server's own client, running one statement.
    pub fn client(&self, sql: &str) -> Result<Command> {
        Ok(match self.family() {
            Family::Mysql => {
                let mut client = self.tool("mariadb")?;
                client.args(["--quick", "--batch", "--skip-column-names", "--local-infile=1"]);
                client.args(["--execute", sql, &self.name]);
                client
            }
            _ => {
                let mut client = self.tool("psql")?;
                client.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql]);
                client
            }
        })
    }

    /// How another PostgreSQL server reaches it.
    pub fn conninfo(&self) -> String {
        let password = self.url.password().unwrap_or_default();
        format!("host=127.0.0.1 port={} user=postgres password={password} dbname={}", self.port(), self.name)
    }

    fn port(&self) -> u16 {
        self.url.port().unwrap_or_default()
    }

    /// Brings what is in memory to disk, so that nobody pays for what went before.
    pub async fn settle(&self) -> Result<()> {
        match self.family() {
            Family::Mysql => self.run(&["FLUSH LOGS"]).await,
            _ => self.run(&["CHECKPOINT"]).await,
        }
    }

    /// Removes it, with the replication slots on it.
    pub async fn remove(self) -> Result<()> {
        let mut session = Session::connect(self.administrator.as_str()).await?;
        if self.family() == Family::Mysql {
            return session.execute(&format!("DROP DATABASE {}", self.name)).await;
        }
        let slots = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{}'",
            self.name
        );
        // Whoever read a slot may only just be leaving it.
        let mut tries = 0;
        while let Err(error) = session.execute(&slots).await {
            tries += 1;
            if tries > 100 {
                return Err(anyhow!(error).context("dropping a database's slots"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        session.execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}
