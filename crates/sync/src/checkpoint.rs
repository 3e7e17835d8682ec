use crate::mapping::TableMap;
use crate::{Result, SyncError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidelock_endpoint::{Checkpoint, Moved, ServerIdentity, Stored};
use tidelock_model::{Column, Position, TableName, Type};

/// The lane of the changes.
pub const STREAM_LANE: &str = "stream";

/// How far a job has come at its target: what stands, as JSON, in the checkpoint that commits with the rows.
///
/// The place is told twice: as a sequence of the journal it was read from, which is exact and cheap, and as the source's own position, which
/// outlives the journal: a job whose embedded state was lost goes on from there if the source still has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// The journal that `sequence` belongs to.
    pub journal: String,
    /// Transactions up to here are at the target.
    pub sequence: u64,
    /// The same place in the source's terms.
    pub position: Position,
    /// The source it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The source's tables whose first copy is whole.
    pub copied: Vec<CopiedTable>,
    /// The source's tables that are copied again because they changed, until that is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anew: Vec<Anew>,
    /// Views that the first copies were read from, until the stream is past them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<TableMark>,
    /// Indexes and foreign keys are still to be made, once the stream is past every view: rows of several views need not agree with each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// Where the source stood when the job went over to this journal, which begins before it: nothing up to here is applied again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_to: Option<Position>,
    /// Two-way: rows that the source changed and that are gone at the target, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsettled: Vec<Unsettled>,
}

/// A table whose first copy is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedTable {
    /// The source's table.
    pub table: TableName,
    /// Into what it was copied: see [`TableMap::shape`](crate::mapping::TableMap::shape). Mapped otherwise, it is not copied.
    pub shape: String,
    /// The beginning of the source's capture of it, see [`Since`](crate::capture::since::Since). With another one, changes are missing.
    #[serde(default)]
    pub since: i64,
    /// The target's table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TableName>,
    /// Its columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<CopiedColumn>,
    /// Which rows were taken, as the job says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Where the source's rows were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

impl CopiedTable {
    /// A table that is copied now.
    pub fn now(map: &TableMap, since: i64) -> CopiedTable {
        CopiedTable {
            table: map.source.name.clone(),
            shape: map.shape(),
            since,
            to: Some(map.target.name.clone()),
            columns: CopiedColumn::of(map),
            filter: map.filter().map(str::to_owned),
            stored: map.stored.as_deref().cloned(),
        }
    }

    /// What became of its rows beside what the log tells.
    pub fn moved(&self, map: &TableMap) -> Moved {
        match (&map.stored, &self.stored) {
            (Some(now), Some(before)) => now.since(before),
            _ => Moved::No,
        }
    }
}

/// A column of a table that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedColumn {
    /// What the source calls it.
    pub source: String,
    /// What the target calls it.
    pub target: String,
    /// Its type at the source.
    pub data_type: Type,
}

impl CopiedColumn {
    /// Those of a table.
    pub fn of(map: &TableMap) -> Vec<CopiedColumn> {
        let columns = map.columns.iter().map(|place| &map.source.columns[*place]).zip(&map.target.columns);
        let copied = |(from, to): (&Column, &Column)| CopiedColumn {
            source: from.name.clone(),
            target: to.name.clone(),
            data_type: from.data_type.clone(),
        };
        columns.map(copied).collect()
    }
}

/// A table that is copied again because it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    /// The source's table.
    pub table: TableName,
    /// The rows at the target are those of this table, but for what the stream tells; else not one need be the source's any more.
    pub kept: bool,
    /// As [`CopiedTable::since`], of the copy before.
    #[serde(default)]
    pub since: i64,
    /// Where the source's rows were when the target's were copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    /// The target's table, and its columns as they were copied before.
    pub before: (TableName, Vec<CopiedColumn>),
}

/// A row that the source changed and that is gone at the target: the source decides what becomes of it, see `deliver::settle`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unsettled {
    /// The target's table.
    pub table: TableName,
    /// An image of the target's row of which only the key's slots are read.
    #[serde(with = "hex")]
    pub key: Box<[u8]>,
}

/// Octets as text.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&octets.iter().map(|o| format!("{o:02x}")).collect::<String>())
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Box<[u8]>, D::Error> {
        let text = String::deserialize(from)?;
        let octet = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
        let octets: Option<Box<[u8]>> =
            text.as_bytes().chunks(2).map(|p| octet(p).filter(|_| p.len() == 2)).collect();
        octets.ok_or_else(|| D::Error::custom("an octet of a key is not two hexadecimal digits"))
    }
}

/// A [`ServerIdentity`] as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Product.
    pub product: String,
    /// Version, for people; not compared.
    pub version: String,
    /// Identity.
    pub id: String,
}

impl From<&ServerIdentity> for Server {
    fn from(s: &ServerIdentity) -> Self {
        Server { product: s.product.clone(), version: s.version.clone(), id: s.id.clone() }
    }
}

impl From<&Server> for ServerIdentity {
    fn from(s: &Server) -> Self {
        ServerIdentity { product: s.product.clone(), version: s.version.clone(), id: s.id.clone() }
    }
}

/// The views that one table's copy was read from; more than one when the copy was interrupted and resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMark {
    /// The source's table.
    pub table: TableName,
    /// Every view that holds some of its rows.
    pub marks: Vec<Position>,
    /// The target had rows already that are older than the views: the rows that went since must go there too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// Every view holds what the transactions behind this many of the journal, and the one that follows, wrote to the table, also where the engine cannot tell: see `schema::told`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<u64>,
}

/// What stands in the lane of a chunk that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkState {
    /// The source's table.
    pub table: TableName,
    /// The chunk's number.
    pub number: u32,
    /// The plan that the number belongs to.
    pub plan: String,
    /// The view it was read from.
    pub mark: Position,
    /// How many rows it had.
    pub rows: u64,
    /// As [`CopiedTable::since`].
    #[serde(default)]
    pub since: i64,
}

impl ChunkState {
    /// The lane's name.
    pub fn lane(&self) -> String {
        format!("snapshot/{}/{}", self.table, self.number)
    }
}

/// Writes a state into a checkpoint of `job`.
pub fn encode<T: Serialize>(job: &str, lane: impl Into<String>, state: &T) -> Checkpoint {
    let state = serde_json::to_string(state).expect("a checkpoint's state is plain data");
    Checkpoint { job: job.to_owned(), lane: lane.into(), state }
}

/// Reads a checkpoint. One that cannot be read is an error and never "from the beginning".
pub fn decode<T: for<'d> Deserialize<'d>>(checkpoint: &Checkpoint) -> Result<T> {
    serde_json::from_str(&checkpoint.state).map_err(|error| {
        let Checkpoint { job, lane, .. } = checkpoint;
        SyncError::stopped(
            "TL-SYNC-CHECKPOINT-UNREADABLE",
            format!("reading the checkpoint of job {job}, lane {lane}: {error}; it was written by another version or changed by hand: restore it, \
                     or delete the job's rows in tidelock_checkpoint to copy everything anew"),
        )
    })
}

/// What a target's checkpoints say about one job.
#[derive(Debug, Default)]
pub struct Progress {
    /// The stream's lane, if the job was ever started.
    pub stream: Option<JobState>,
    /// Chunks that are loaded and not yet folded into the stream's lane.
    pub chunks: Vec<ChunkState>,
}

impl Progress {
    /// The target's tables that the job has written, with their columns as they were copied, by the source's tables.
    pub fn written(self) -> BTreeMap<TableName, (TableName, Vec<CopiedColumn>)> {
        let Some(state) = self.stream else { return BTreeMap::new() };
        let copied = state.copied.into_iter().filter_map(|c| Some((c.table, (c.to?, c.columns))));
        copied.chain(state.anew.into_iter().map(|a| (a.table, a.before))).collect()
    }

    /// Reads all lanes. Lanes that engines keep for themselves are passed over.
    pub fn read(checkpoints: &[Checkpoint]) -> Result<Progress> {
        let mut progress = Progress::default();
        for checkpoint in checkpoints {
            if checkpoint.lane == STREAM_LANE {
                progress.stream = Some(decode(checkpoint)?);
            } else if checkpoint.lane.starts_with("snapshot/") {
                progress.chunks.push(decode(checkpoint)?);
            }
        }
        Ok(progress)
    }
}
