use crate::{Ask, Coverage, Inspection, Result, ServerIdentity, Source, Target, Verdict};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use tidelock_model::{Column, Position, Table};

/// One endpoint as the config names it. Printing it never shows the URL's password.
#[derive(Clone)]
pub struct EndpointConfig {
    /// The name in the config; it is also the origin mark of changes first made there.
    pub name: String,
    /// The whole URL, with its secret.
    pub url: String,
    /// How the connection is protected.
    pub tls: TlsOptions,
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("name", &self.name)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// TLS for one endpoint.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// How much is asked of the server.
    pub mode: TlsMode,
    /// A PEM file with the authorities to trust, in place of the system's.
    pub ca: Option<PathBuf>,
}

/// How much TLS is asked of the server, as PostgreSQL's `sslmode` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// When the server offers it; the certificate is not checked.
    #[default]
    Prefer,
    /// Always; the certificate is not checked.
    Require,
    /// Always; the certificate must come from a trusted authority.
    VerifyCa,
    /// Always; from a trusted authority and for this host.
    VerifyFull,
}

/// How a source's changes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptureKind {
    /// The database's own log.
    Log,
    /// Triggers that fill a change table.
    Trigger,
}

/// What an engine can do, whatever the server says.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// The engine's name: `postgres`, `mysql`, `sqlite`. Types of kind `Native` and default expressions carry it.
    pub engine: &'static str,
    /// Ways of capture, the best first; none: it cannot be followed.
    pub captures: &'static [CaptureKind],
    /// It can be written to.
    pub target: bool,
    /// Readers and loaders that may work side by side; 1 for a single-writer engine's loads.
    pub parallel_loads: usize,
}

/// One endpoint: a cheap handle that opens sessions. Shared by all jobs that use it.
#[async_trait]
pub trait Endpoint: Send + Sync {
    /// The name in the config.
    fn name(&self) -> &str;

    /// What the engine can do.
    fn capabilities(&self) -> &Capabilities;

    /// Connects, looks, and tells **all** that is missing for `ask.role`, with the statement that mends it. Changes nothing.
    /// An `Err` is for what keeps it from looking at all (no connection, password refused).
    async fn inspect(&self, ask: &Ask) -> Result<Inspection>;

    /// A session for reading changes and rows. `capture` names what it reads by.
    async fn source(&self, capture: CaptureKind) -> Result<Box<dyn Source>>;

    /// A session for writing on behalf of `job`.
    async fn target(&self, job: &str) -> Result<Box<dyn Target>>;

    /// What would hold this source column here: in a table to be made (`existing` is `None`), or in a column that is there.
    /// `from` is the source's engine name: the same engine may take the native type word for word; `at` is the server here, as inspected. Pure.
    fn column_verdict(
        &self,
        from: &str,
        at: &ServerIdentity,
        column: &Column,
        existing: Option<&Column>,
    ) -> Verdict;

    /// Whether the column in this place of `table`, which is to be made here, gets the default that it has there, or one that means the same. `from` and `at`
    /// as above. Pure.
    fn keeps_default(&self, _from: &str, _at: &ServerIdentity, _table: &Table, _column: usize) -> bool {
        true
    }

    /// Compares two positions of this endpoint's history. Pure. An error when either cannot be read or they are not comparable.
    fn compare(&self, a: &Position, b: &Position) -> Result<Ordering>;

    /// Whether a snapshot read at `mark` already holds the transaction that began with `at` (see `Record::Begin`). Pure.
    fn covers(&self, mark: &Position, at: &str) -> Result<Coverage>;

    /// Lists, and with `remove` also removes, what tidelock put into this database: for one `job` its checkpoints (and their table, when it is the last job
    /// there); for all jobs also what captures changes, which is not one job's own: slots, publications, triggers, change tables. Never a table of the user's.
    async fn cleanup(&self, job: Option<&str>, remove: bool) -> Result<Vec<Cleanup>>;
}

/// One thing that tidelock put into a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cleanup {
    /// `slot`, `publication`, `trigger`, `table`, `checkpoint`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The statement that removes it.
    pub statement: String,
}
