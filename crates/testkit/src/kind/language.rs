//! What testkit must know of a family of databases: how to speak with one, how a server of it is run, and what it spells in its own way.
//! A family is one file (and, where a server is run, one more beside it); everything else here is the same for all.

use std::path::Path;

use anyhow::Result;
use async_trait::async_trait;
use rustix::process::Signal;

use super::Kind;
use crate::lab::{Folders, Launch, Options};
use crate::session::{Row, Session};

/// A family of databases.
#[async_trait]
pub(crate) trait Language: Sync {
    /// The schemes of its urls; the first is the one that is written.
    fn schemes(&self) -> &'static [&'static str];

    /// Asks for the version.
    fn version(&self) -> &'static str;

    /// Connects by the simplest path that the driver has.
    async fn connect(&self, url: &str) -> Result<Box<dyn Connection>>;

    /// Its servers; `None` where a database is a file.
    fn servers(&self) -> Option<&'static dyn Servers>;

    /// What the conformance suite writes for it.
    #[cfg(feature = "conformance")]
    fn dialect(&self) -> &'static Dialect;
}

/// One connection; see [`Session`] for the contract of both.
#[async_trait]
pub(crate) trait Connection: Send {
    async fn execute(&mut self, sql: &str) -> Result<()>;
    async fn query(&mut self, sql: &str) -> Result<Vec<Row>>;
}

/// How servers of a family are run, and databases made on them.
#[async_trait]
pub(crate) trait Servers: Sync {
    /// Its containers: a file of compose in `lab/`.
    fn compose(&self) -> &'static str;

    /// The administrator's url.
    fn url(&self, port: u16, password: &str) -> String;

    /// Makes the data folder `data`, which does not exist yet, in a folder that belongs to the servers' user.
    fn initialise(&self, folders: &Folders, kind: Kind, data: &Path, password: &str) -> Result<()>;

    /// Writes what the server reads at each start into its run folder.
    fn prepare(&self, folders: &Folders, kind: Kind, run: &Path, password: &str) -> Result<()>;

    /// The command line of a server whose data is in `run/data` and whose programs are below `home`.
    fn launch(&self, kind: Kind, home: &Path, run: &Path, port: u16, options: &Options) -> Launch;

    /// The signal that ends it as a crash would.
    fn crash(&self) -> Signal;

    /// Makes a database.
    fn create(&self, name: &str) -> String;

    /// Lists the databases.
    fn databases(&self) -> &'static str;

    /// Drops a database with whatever holds it: sessions, and what reads its log.
    async fn remove(&self, session: &mut Session, name: &str) -> Result<()>;
}

/// What the conformance suite writes in a family's own way.
#[cfg(feature = "conformance")]
pub(crate) struct Dialect {
    /// The type of a text of any length.
    pub long_text: &'static str,
    /// The type of a text that can be a key.
    pub key_text: &'static str,
    /// The type of a whole number that the database counts by itself, as a primary key.
    pub numbering: &'static str,
    /// One backslash inside of a literal.
    pub backslash: &'static str,
    /// What a session runs first, so that the log keeps every commit.
    pub keep_log: Option<&'static str>,
    /// The log is there whether or not somebody captures.
    pub log_is_there: bool,
    /// Two transactions cannot write at once.
    pub single_writer: bool,
    /// There is a TRUNCATE, and the log tells it.
    pub truncates: bool,
    /// Columns of every kind: the type, and literals of three rows.
    pub wide: &'static [(&'static str, [&'static str; 3])],
}
