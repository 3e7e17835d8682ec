use crate::{Alteration, Delta, Result};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidelock_model::{Rows, Table};

/// How far a job has come, as the target holds it: a row of its table `tidelock_checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The job (and direction) it belongs to.
    pub job: String,
    /// The lane: `stream` for the changes, `snapshot/<table>/<number>` for a chunk that is loaded.
    pub lane: String,
    /// What `sync` needs to resume, as JSON text; opaque to the engine.
    pub state: String,
}

/// What [`Target::apply`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Updates whose row was not there.
    pub missing: u64,
    /// Inserts whose row was there already.
    pub present: u64,
}

/// How a loader writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// The table was empty when the snapshot began and no row comes twice: the fastest way there is.
    Insert,
    /// Rows may be there already: replace them by key.
    Upsert,
}

/// A session that writes one endpoint on behalf of one job.
///
/// Changes are applied between `begin` and `commit`, in one transaction of the target, and the checkpoint is part of that
/// transaction: after a crash the checkpoint tells exactly what is there. One transaction at a time; no other method may be called
/// between `begin` and `commit` but `apply`, `read` and `rollback`.
/// Foreign keys and cascades of the target do not fire for our writes where the server lets us switch them off.
#[async_trait]
pub trait Target: Send {
    /// Makes sure `tidelock_checkpoint` is there and creates those of `tables` that are absent, with columns, key, NOT NULL and defaults; neither
    /// foreign keys nor further indexes (see `finish`). `from` is the source's engine name. A table that is there is left as it is.
    /// Returns the statements it ran.
    async fn prepare(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>>;

    /// What `prepare` and `finish` would run, running nothing.
    async fn plan(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>>;

    /// Alters tables that are there, outside of any transaction. What is so already is left as it is: it may be called again after it was broken off. Returns the
    /// statements it ran; with `dry` those that it would run, running nothing.
    async fn alter(&mut self, from: &str, alterations: &[Alteration], dry: bool) -> Result<Vec<String>>;

    /// After the load: indexes and foreign keys that are absent (foreign keys only between `tables`), sequences and auto-increment set behind
    /// the largest value. Idempotent. Returns the statements it ran.
    async fn finish(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>>;

    /// When the changes have come to a stop: sets sequences of `tables` behind the largest value that was written meanwhile, so that the target can take over.
    /// Nothing to do where the server does so by itself.
    async fn next_numbers(&mut self, _tables: &[Arc<Table>]) -> Result<()> {
        Ok(())
    }

    /// Whether the table holds any row.
    async fn is_empty(&mut self, table: &Arc<Table>) -> Result<bool>;

    /// Begins to hold keys of a table that is there against each other, as the target compares them; nothing of it stays. `key` has the table's name and the key's
    /// columns alone. False where different values are never equal, or tables whose keys are compared otherwise are refused: there is nothing to be held then.
    async fn begin_trial(&mut self, key: &Arc<Table>) -> Result<bool>;

    /// Of the trial that was begun: adds the keys that are equal to none that was added before, and answers the ones of the trial that these keys are equal to now; order is free. Images have
    /// the key's columns alone.
    async fn try_keys(&mut self, keys: &Rows) -> Result<Rows>;

    /// Opens a session that loads chunks; several may work side by side up to `Capabilities::parallel_loads`.
    async fn loader(&mut self) -> Result<Box<dyn Loader>>;

    /// All checkpoints of the job, of all lanes.
    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>>;

    /// Begins a transaction that is marked as first made at `origin`, so that the capture of this endpoint tells it in `Record::Begin`.
    async fn begin(&mut self, origin: &str) -> Result<()>;

    /// Applies deltas in this order: foreign keys may need it. May be called many times within one transaction.
    /// An error leaves the transaction as failed: only `rollback` may follow.
    async fn apply(&mut self, deltas: &[Delta<'_>]) -> Result<Applied>;

    /// Reads rows by key within the transaction, locked against change until it ends. `keys` holds images of which only the key's slots are
    /// read. Rows that are not there are missing in the answer; order is free.
    async fn read(&mut self, keys: &Rows) -> Result<Rows>;

    /// Writes the checkpoint (inserting or replacing its lane), drops the lanes in `remove`, and commits. When it returns `Ok`, all is durable. When it
    /// fails, only `checkpoints` of a new session can tell whether it was.
    async fn commit(&mut self, checkpoint: &Checkpoint, remove: &[String]) -> Result<()>;

    /// Gives the transaction up.
    async fn rollback(&mut self) -> Result<()>;
}

/// A session that loads chunks of a snapshot.
#[async_trait]
pub trait Loader: Send {
    /// Begins a chunk in a transaction of its own, marked with `origin`.
    async fn begin(&mut self, table: &Arc<Table>, mode: WriteMode, origin: &str) -> Result<()>;

    /// Adds rows of that table; every column is sent. Columns that the target generates are in the images and are not written.
    async fn load(&mut self, rows: &Rows) -> Result<()>;

    /// Ends the chunk: writes its checkpoint and commits rows and checkpoint together. Durable when it returns `Ok`.
    async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<()>;
}
