use crate::{Result, ServerIdentity};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidelock_model::{Batch, Position, Rows, Table, TableName};

/// What [`Source::prepare`] found or made.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Which server answered.
    pub server: ServerIdentity,
    /// The capture was not there and has just been made: its history begins at `start`.
    pub created: bool,
    /// Which tables these are, where the engine can tell.
    pub identities: Vec<Identity>,
    /// The oldest position from which the stream can still be read.
    pub start: Position,
}

/// Which table has a name, and since when it is captured, in the engine's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub table: TableName,
    /// Another text once the table was replaced by one of the same name.
    pub which: String,
    /// Another text once the table was taken out of the capture and put back: changes made meanwhile are not in the stream.
    pub entry: String,
}

/// A session that reads one endpoint.
///
/// The order of work: `prepare`, then `stream` from its `start` (or from a later position that is durable elsewhere), and only then
/// `snapshot`: what the snapshot does not hold is in the stream. Overlap is expected and resolved by `Endpoint::covers`.
#[async_trait]
pub trait Source: Send {
    /// Makes sure that changes of `tables` are captured from now on: slot and publication, triggers and change table. Idempotent; adds
    /// tables to an existing capture without losing its place. Before it returns, a change committed later is in the stream.
    async fn prepare(&mut self, tables: &[TableName]) -> Result<Prepared>;

    /// As `prepare`, for whoever goes on from a position of its own: nobody is held up to find a `start`, and what stands there is not to be read from.
    async fn resume(&mut self, tables: &[TableName]) -> Result<Prepared> {
        self.prepare(tables).await
    }

    /// What `prepare` would execute at this endpoint; changes nothing.
    async fn plan(&mut self, tables: &[TableName]) -> Result<Vec<String>>;

    /// Gives up what was captured and not read, whether or not it could be: the next `prepare` begins the history anew. For whoever copies everything again.
    /// Without a capture it does nothing.
    async fn forget(&mut self) -> Result<()>;

    /// The end of the history as of now: every transaction committed before this call is at or before it.
    async fn head(&mut self) -> Result<Position>;

    /// Opens the stream behind `after`: every transaction committed later, none committed earlier. Only changes of `tables` are handed
    /// out. `server` is the identity at which `after` was recorded. A position that is no longer there, or another server, is
    /// `PositionLost`; it never starts elsewhere in silence.
    async fn stream(
        &mut self,
        tables: &[TableName],
        after: &Position,
        server: &ServerIdentity,
    ) -> Result<Box<dyn ChangeStream>>;

    /// Opens a consistent view of `tables`, held open until dropped, for up to `readers` readers.
    async fn snapshot(&mut self, tables: &[Arc<Table>], readers: usize) -> Result<Box<dyn Snapshot>>;

    /// Reads whole rows by key, as they are now; one query for all. `keys` holds images of which only the key's slots are read.
    /// Rows that are not there are missing in the answer; order is free.
    async fn read(&mut self, keys: &Rows) -> Result<Rows>;
}

/// The changes of one source, in commit order.
///
/// Keeps its own connection alive (status replies, heartbeats) whether or not anybody calls `next`: a slow consumer is held back by
/// a bounded buffer and is never disconnected for it.
#[async_trait]
pub trait ChangeStream: Send {
    /// The next batch: waits for one, then hands out all that is there, up to about 1 MiB or 10,000 changes. Transactions do not interleave; one
    /// that is larger comes in pieces. A batch without records tells progress (`Batch::resume`) when the log moved on with nothing
    /// in it for us, at least every few seconds on an idle source whose log moves.
    /// Snapshot and stream render every value identically.
    /// Cancel-safe. After an error the stream is dead: open a new one.
    async fn next(&mut self) -> Result<Batch>;

    /// Everything up to `durable` is durable on our side: the source may forget it. Never moves backwards; `durable` is a position that
    /// this stream handed out (or started from).
    async fn acknowledge(&mut self, durable: &Position) -> Result<()>;
}

/// A part of a table that one reader reads in one go; the unit of resuming a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The table.
    pub table: TableName,
    /// Its number within the table, from 0.
    pub number: u32,
    /// What the engine needs to read it again later, even after a restart and under another snapshot: together the chunks of
    /// a table always cover every row exactly once within one snapshot. Text, opaque to everybody else.
    pub bounds: String,
    /// Rows expected, for the progress bar.
    pub estimate: u64,
}

/// A consistent view of a source, held open.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// The place in the history at which the view stands, for `Endpoint::covers`.
    fn mark(&self) -> &Position;

    /// Cuts a table into chunks of about `rows` rows. An empty table has one chunk too.
    async fn chunks(&self, table: &Arc<Table>, rows: u64) -> Result<Vec<Chunk>>;

    /// Rows of a table in this view, counted by the server.
    async fn count(&self, table: &Arc<Table>) -> Result<u64>;

    /// A reader on this view; as many as were announced.
    async fn reader(&self) -> Result<Box<dyn ChunkReader>>;
}

/// Reads chunks one after the other.
#[async_trait]
pub trait ChunkReader: Send {
    /// Begins a chunk; what was not read of the one before is dropped.
    async fn open(&mut self, table: &Arc<Table>, chunk: &Chunk) -> Result<()>;

    /// The next rows of the chunk, about 1 MiB or less; `None` at its end. Every column is sent. Cancel-safe.
    async fn next(&mut self) -> Result<Option<Rows>>;
}

/// Whether a snapshot holds a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// The snapshot holds it: its changes must not be applied again.
    Held,
    /// The snapshot does not hold all of it, though it may hold later ones: apply it.
    Missed,
    /// The engine cannot tell, because the snapshot's place is not exact: apply it (which is harmless when it is held after all), unless it is known otherwise to be older.
    Unknown,
    /// Neither this transaction nor any later one is held: the mark may be forgotten.
    Past,
}
