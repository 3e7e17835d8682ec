use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidelock_model::{Batch, Position};

/// A batch in the journal, with its place there.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The records, as capture appended them (but for the first segment of a reader that begins in the middle of one).
    pub batch: Arc<Batch>,
    /// The sequence of the first commit in it; when it has none, of the transaction it belongs to.
    pub first: u64,
    /// The sequence of its last commit; `first - 1` when it has none.
    pub last: u64,
    /// It begins inside a transaction.
    pub continues: bool,
    /// It ends inside a transaction.
    pub open: bool,
}

impl Segment {
    /// The last transaction of which it holds anything: who has confirmed this one needs the segment no more.
    pub(crate) fn until(&self) -> u64 {
        self.last + u64::from(self.open)
    }

    /// What it takes of the bounded memory and of the bounded file.
    pub(crate) fn size(&self) -> u64 {
        self.batch.bytes().len() as u64 + 256
    }
}

/// The end of the journal, as accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Number of commits so far, which is the sequence of the last one.
    pub sequence: u64,
    /// Where capture must resume so that nothing is missing and nothing comes twice: behind the last accepted commit or
    /// progress; before the first one, the start in [`Origin`]. After a crash the journal opens with what was durable.
    pub resume: Option<Position>,
}

/// What is on the disk for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// Every commit up to this one is durable.
    pub sequence: u64,
    /// The source may forget everything before it.
    pub resume: Option<Position>,
}

/// Where a journal's history began, written down when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The identity of the server, as JSON text; compared at every start.
    pub server: String,
    /// The position from which capture began.
    pub start: Position,
}

/// What a person or a metric wants to know of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalStatus {
    /// Bytes held, those not yet written included.
    pub bytes: u64,
    /// Bytes accepted and not yet durable.
    pub queued: u64,
    /// Age of the oldest segment held, in seconds.
    pub oldest_seconds: Option<u64>,
    /// The first sequence that can still be read.
    pub first: u64,
    /// The sequence of the last commit.
    pub last: u64,
    /// Who reads, and how far each has confirmed, by name.
    pub readers: Vec<ReaderStatus>,
    /// Something older than the limit is still needed. It is kept.
    pub over_age: bool,
    /// The size limit is reached: capture is waiting.
    pub full: bool,
    /// What made the writer stop.
    pub failed: Option<String>,
}

/// A registered reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReaderStatus {
    /// Its name.
    pub name: String,
    /// Everything up to here is durable at its target.
    pub confirmed: u64,
}
