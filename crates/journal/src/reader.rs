//! Reading for one job. What it relies on, in the order in which the writer does it:
//!
//! 1. A segment is in the ring before it is in the file, and committed in the file before the ring drops it and moves its floor: what stands
//!    up to a floor that was seen is found in the file by any query that begins later.
//! 2. It goes from the file only when all readers have confirmed it, or by a cut. So a query that finds nothing up to the floor finds what was cut,
//!    and the reader's place moves to the floor: nothing ever comes there, as ids are not used twice.
//! 3. A cut is committed in the file first, and then, under one lock, the ring is cut, `cuts` is counted and `cutting` ends. In between the ring
//!    goes on where the file has a hole; hence nothing is handed out while `cutting`, and what was read under another `cuts` is thrown away.

use crate::row::{COLUMNS, Row};
use crate::shared::Shared;
use crate::{JournalError, Segment, file, pieces};
use rusqlite::{Connection, params};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Most bytes and segments that one visit to the file brings back.
const AHEAD_BYTES: u64 = 4 << 20;
const AHEAD_SEGMENTS: i64 = 256;

/// Reads the journal for one job, from memory while it keeps up, from the file while it is behind.
///
/// Dropping it forgets nothing: its name stays registered until [`Journal::forget_reader`](crate::Journal::forget_reader).
pub struct Reader {
    shared: Arc<Shared>,
    name: String,
    news: watch::Receiver<()>,
    pub(crate) file: Arc<Mutex<Connection>>,
    /// Read from the file and not yet handed out.
    ahead: VecDeque<(u64, Segment)>,
    /// The id of the last segment that was handed out, or behind which reading begins.
    cursor: u64,
    /// The last sequence that was handed out.
    last: u64,
    /// What was handed out ends inside a transaction.
    open: bool,
    /// The number of cuts when `ahead` was read.
    cuts: u64,
    fetch: Option<Fetch>,
}

/// What to do next.
enum Next {
    /// Hand it out, unless a cut left nothing of it that stands behind the reader's place.
    Ready(Segment),
    /// Read the ids up to this one from the file.
    File(u64),
    Wait,
}

impl Reader {
    pub(crate) fn open(shared: Arc<Shared>, name: &str, after: u64) -> Result<Reader, JournalError> {
        let news = shared.news.subscribe();
        let file = file::open_to_read(&shared.path)?;
        let (durable, cuts) = {
            let state = shared.lock();
            (state.durable_id, state.cuts)
        };
        let first: Option<i64> = file
            .query_row("SELECT min(id) FROM segment WHERE until > ?1", [after as i64], |r| r.get(0))
            .map_err(|e| JournalError::store("reading", &shared.path, e))?;
        let cursor = first.map_or(durable, |id| id as u64 - 1);
        let file = Arc::new(Mutex::new(file));
        let (name, ahead) = (name.to_owned(), VecDeque::new());
        Ok(Reader { shared, name, news, file, ahead, cursor, last: after, open: false, cuts, fetch: None })
    }

    /// The next segment; waits for one.
    ///
    /// A segment may be handed out before it is durable, and pieces of a large transaction before its end is known (the source
    /// sends committed transactions only, but it may break off). So: **commit nothing at a target whose sequence is not in
    /// [`Journal::durable`](crate::Journal::durable) yet**, and of a transaction whose commit was not handed out nothing at all.
    /// [`JournalError::Abandoned`] tells, once, that the transaction of which pieces were handed out is gone: roll it back and call `next`
    /// again. Any other error is final. After a close all that was accepted is handed out before [`JournalError::Closed`]. Cancel-safe.
    pub async fn next(&mut self) -> Result<Segment, JournalError> {
        loop {
            self.news.borrow_and_update();
            match self.look()? {
                Next::Ready(segment) if segment.batch.is_empty() => {}
                Next::Ready(segment) => return Ok(segment),
                Next::File(upto) => self.fetch(upto).await?,
                Next::Wait => self.news.changed().await.map_err(|_| JournalError::Closed)?,
            }
        }
    }

    fn look(&mut self) -> Result<Next, JournalError> {
        let shared = self.shared.clone();
        let state = shared.lock();
        if let Some(text) = &state.failed {
            return Err(JournalError::Failed(text.clone()));
        }
        if self.cuts != state.cuts {
            self.cuts = state.cuts;
            self.ahead.clear();
            if self.open && self.last == state.cut_behind {
                self.open = false;
                return Err(JournalError::Abandoned);
            }
        }
        if state.cutting {
            return Ok(Next::Wait);
        }
        let found = match self.ahead.pop_front() {
            Some(found) => found,
            None if self.cursor < state.ring.floor() => return Ok(Next::File(state.ring.floor())),
            None => match state.ring.next(self.cursor) {
                Some(entry) => (entry.id, entry.segment.clone()),
                None if state.closing => return Err(JournalError::Closed),
                None => return Ok(Next::Wait),
            },
        };
        let (trimmed, end) = (state.trimmed, state.sequence);
        drop(state);
        let (id, segment) = found;
        self.hand_out(id, segment, trimmed + 1, end).map(Next::Ready)
    }

    /// Checks that the segment follows on what was handed out; of the first one, drops what stands before the reader's place.
    fn hand_out(
        &mut self,
        id: u64,
        segment: Segment,
        first: u64,
        last: u64,
    ) -> Result<Segment, JournalError> {
        if self.open && !segment.continues {
            self.open = false;
            self.ahead.push_front((id, segment));
            return Err(JournalError::Abandoned);
        }
        let segment = if segment.first <= self.last { self.behind(id, segment)? } else { segment };
        if segment.first != self.last + 1 || segment.continues != self.open {
            return Err(JournalError::PositionLost {
                reader: self.name.clone(),
                after: self.last,
                first,
                last,
            });
        }
        self.cursor = id;
        self.last = segment.last;
        self.open = segment.open;
        Ok(segment)
    }

    fn behind(&self, id: u64, segment: Segment) -> Result<Segment, JournalError> {
        let damaged = |what: &str| JournalError::damaged(&self.shared.path, format!("segment {id}"), what);
        let end = pieces::commit_end(&segment.batch, self.last - segment.first + 1);
        let end = end
            .map_err(|e| damaged(&e.to_string()))?
            .ok_or_else(|| damaged("it holds fewer commits than it tells"))?;
        let batch = pieces::rest(&segment.batch, &end).map_err(|e| damaged(&e.to_string()))?;
        Ok(Segment { batch: Arc::new(batch), first: self.last + 1, continues: false, ..segment })
    }

    /// Reads ahead from the file, off the runtime's threads. Nothing moves before it is done; who drops it finds the same reading under way the next time, so
    /// that even who never waits for long gets on.
    async fn fetch(&mut self, upto: u64) -> Result<(), JournalError> {
        let (cursor, cuts) = (self.cursor, self.cuts);
        let fetch = self.fetch.get_or_insert_with(|| {
            let (shared, file) = (self.shared.clone(), self.file.clone());
            let read = tokio::task::spawn_blocking(move || {
                let connection = file.lock().unwrap_or_else(PoisonError::into_inner);
                segments(&shared, &connection, cursor, upto)
            });
            Fetch { cursor, upto, cuts, read }
        });
        let read = (&mut fetch.read).await;
        let (from, upto, before) = (fetch.cursor, fetch.upto, fetch.cuts);
        self.fetch = None;
        let read =
            read.map_err(|e| JournalError::Failed(format!("reading the file was broken off: {e}")))??;
        if (from, before) != (cursor, cuts) || self.shared.lock().cuts != cuts {
            return Ok(());
        }
        if read.is_empty() {
            self.cursor = self.cursor.max(upto);
        }
        self.ahead = read;
        Ok(())
    }
}

/// A reading of the file that is under way.
struct Fetch {
    /// Behind which segment, up to which.
    cursor: u64,
    upto: u64,
    /// The number of cuts when it began.
    cuts: u64,
    read: JoinHandle<Result<VecDeque<(u64, Segment)>, JournalError>>,
}

fn segments(
    shared: &Shared,
    file: &Connection,
    cursor: u64,
    upto: u64,
) -> Result<VecDeque<(u64, Segment)>, JournalError> {
    let failed = |e| JournalError::store("reading", &shared.path, e);
    let sql = format!("SELECT {COLUMNS} FROM segment WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3");
    let mut statement = file.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params![cursor as i64, upto as i64, AHEAD_SEGMENTS]).map_err(failed)?;
    let (mut found, mut bytes) = (VecDeque::new(), 0);
    while bytes < AHEAD_BYTES
        && let Some(row) = rows.next().map_err(failed)?
    {
        let row = Row::read(row).map_err(failed)?;
        let id = row.id;
        let segment = row.segment(file, &shared.path, &shared.tables)?;
        bytes += segment.size();
        found.push_back((id, segment));
    }
    Ok(found)
}
