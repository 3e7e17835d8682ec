//! A database of one test's own.
//!
//! Its name begins with `tl_`, the test process's id and a number, so that tests in parallel, in this process and in others,
//! never meet, and so that what a killed test left behind can be told from what is in use (see `leftovers`).

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Mutex;

use crate::kind::Kind;
use crate::lab;
use crate::leftovers;
use crate::server::{Server, blocking, with_database};
use crate::session::{Row, Session};

/// A fresh database; dropped, with the replication slots on it, when the value is (unless `TIDELOCK_TEST_KEEP` is set).
pub struct Database {
    /// The server it is on.
    pub server: Server,
    /// Its name; of one that is a file, its path.
    pub name: String,
    /// The administrator's url of this database.
    pub url: String,
    /// One connection for the helpers below, made when first needed.
    session: Mutex<Option<Session>>,
    /// The folder of a database that is a file, gone with the value.
    folder: Option<tempfile::TempDir>,
}

impl Database {
    pub(crate) async fn create(server: &Server, test: &str) -> Result<Database> {
        let mut name = fresh_name(test);
        let mut folder = None;
        match server.kind.language().servers() {
            Some(servers) => server.connect().await?.execute(&servers.create(&name)).await?,
            None => {
                let parent = lab::sqlite_folder()?;
                let made =
                    tempfile::Builder::new().prefix(&name).tempdir_in(parent).context("making a folder")?;
                name = path_text(made.path().join("test.db"));
                folder = Some(made);
            }
        }
        let url = with_database(server, &name)?;
        Ok(Database { server: server.clone(), name, url, session: Mutex::new(None), folder })
    }

    /// What the database is on.
    pub fn kind(&self) -> Kind {
        self.server.kind
    }

    /// A connection of one's own, for what must not share one: transactions left open, session settings, locks.
    pub async fn session(&self) -> Result<Session> {
        Session::connect(&self.url).await
    }

    /// Runs a script of one or more statements; see [`Session::execute`].
    pub async fn execute(&self, sql: &str) -> Result<()> {
        let mut shared = self.session.lock().await;
        self.shared(&mut shared).await?.execute(sql).await
    }

    /// Runs one statement and gives the text of every value; see [`Session::query`].
    pub async fn query(&self, sql: &str) -> Result<Vec<Row>> {
        let mut shared = self.session.lock().await;
        self.shared(&mut shared).await?.query(sql).await
    }

    /// Runs one statement and gives the single value of its single row.
    pub async fn value(&self, sql: &str) -> Result<Option<String>> {
        let mut shared = self.session.lock().await;
        self.shared(&mut shared).await?.value(sql).await
    }

    /// Asks again and again until the single value is `expected`; for what another connection brings about in its own time.
    ///
    /// # Errors
    /// With the last answer, after `limit`. Errors of the statement count as "not yet": the table may still be to come.
    pub async fn wait_for(&self, sql: &str, expected: &str, limit: Duration) -> Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            let last = self.value(sql).await;
            if matches!(&last, Ok(Some(value)) if value == expected) {
                return Ok(());
            }
            if begun.elapsed() > limit {
                anyhow::bail!("waited {limit:?} for '{expected}' from: {sql}; the last answer was {last:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn shared<'a>(&self, session: &'a mut Option<Session>) -> Result<&'a mut Session> {
        match session {
            Some(session) => Ok(session),
            None => Ok(session.insert(self.session().await?)),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.session.get_mut().take();
        if std::env::var_os("TIDELOCK_TEST_KEEP").is_some() {
            eprintln!("testkit: kept {}", self.url);
            if let Some(folder) = self.folder.take() {
                let _ = folder.keep();
            }
            return;
        }
        if self.folder.is_some() {
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // As well as it can: the test may have stopped the server.
        if let Err(error) =
            blocking(Duration::from_secs(30), async move { leftovers::remove(&server, &name).await })
        {
            eprintln!("testkit: {} on {} stays behind: {error:#}", self.name, self.kind());
        }
    }
}

fn fresh_name(test: &str) -> String {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let test: String = test
        .chars()
        .take(30)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    format!("tl_{}_{number}_{test}", std::process::id())
}

fn path_text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}
