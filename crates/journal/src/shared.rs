//! What appender, readers and writer share: the accepted end of the journal, the queue to the writer, and the ring.

use crate::ring::{Entry, Ring};
use crate::row::Tables;
use crate::{JournalError, JournalOptions, Origin, Segment, pieces};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tidelock_model::{Batch, Position, Record};
use tokio::sync::{Notify, watch};

/// Most bytes that wait for the writer (or half of the ring, when that is less).
const QUEUE_BYTES: u64 = 16 << 20;

/// The answer to a command, for those that wait for it.
pub(crate) type Reply = SyncSender<Result<(), JournalError>>;

/// What the writer is asked to do, in order.
pub(crate) enum Command {
    Append(Entry),
    Progress(Position),
    Cut,
    Origin(Origin, Reply),
    Register(String, u64, Reply),
    Forget(String),
}

/// Everything that changes, under one lock that is never held while waiting or writing.
pub(crate) struct State {
    pub(crate) queue: VecDeque<Command>,
    pub(crate) queued: u64,
    pub(crate) ring: Ring,
    pub(crate) next_id: u64,
    pub(crate) sequence: u64,
    pub(crate) open: bool,
    pub(crate) resume: Option<Position>,
    pub(crate) origin: Option<Origin>,
    pub(crate) readers: BTreeMap<String, u64>,
    /// The confirmed sequences in memory are not those in the file.
    pub(crate) confirmed_since: bool,
    pub(crate) durable_id: u64,
    pub(crate) stored: u64,
    pub(crate) trimmed: u64,
    pub(crate) oldest: Option<i64>,
    pub(crate) trim_asked: u64,
    pub(crate) trim_done: u64,
    /// An abandoned transaction is being cut off: from the asking until the telling the appender and the readers wait.
    pub(crate) cutting: bool,
    /// Number of cuts, and the sequence behind which the last one cut.
    pub(crate) cuts: u64,
    pub(crate) cut_behind: u64,
    pub(crate) full: bool,
    pub(crate) over_age: bool,
    pub(crate) closing: bool,
    pub(crate) ended: bool,
    pub(crate) failed: Option<String>,
}

/// The journal without its handle: readers keep it alive, the writer thread does too.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) id: String,
    pub(crate) options: JournalOptions,
    pub(crate) tables: Tables,
    /// The writer waits for work here.
    pub(crate) work: Condvar,
    /// Appenders (and whoever closes) wait here for space, trims and cuts.
    pub(crate) space: Notify,
    /// Readers wait here for segments.
    pub(crate) news: watch::Sender<()>,
    pub(crate) state: Mutex<State>,
}

/// What became of an offered batch.
pub(crate) enum Offer {
    Taken,
    Wait,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops everything at an error that cannot be mended here.
    pub(crate) fn fail(&self, error: &JournalError) {
        let mut state = self.lock();
        if state.failed.is_none() {
            tracing::error!(journal = %self.path.display(), %error, "the journal stopped");
            state.failed = Some(error.to_string());
        }
        state.queue.clear();
        drop(state);
        self.wake();
    }

    /// Wakes all that wait for a change of the state.
    pub(crate) fn wake(&self) {
        self.news.send_replace(());
        self.space.notify_waiters();
    }

    /// Accepts a batch when there is room. `asked` remembers the trim that was asked for on behalf of this batch.
    pub(crate) fn offer(&self, batch: &Arc<Batch>, asked: &mut Option<u64>) -> Result<Offer, JournalError> {
        let mut state = self.lock();
        state.usable()?;
        if state.cutting {
            return Ok(Offer::Wait);
        }
        if batch.is_empty() {
            return state.progress(batch).map(|()| self.taken());
        }
        let size = batch.bytes().len() as u64 + 256;
        if state.queued > 0 && state.queued + size > QUEUE_BYTES.min(self.options.memory_bytes as u64 / 2) {
            return Ok(Offer::Wait);
        }
        let held = state.stored + state.queued;
        if held > 0 && held + size > self.options.max_bytes {
            let wanted = *asked.get_or_insert_with(|| {
                state.trim_asked += 1;
                self.work.notify_all();
                state.trim_asked
            });
            if state.trim_done < wanted {
                return Ok(Offer::Wait);
            }
            if !state.holds_one_transaction() {
                return Err(self.full(&mut state, held));
            }
            if !std::mem::replace(&mut state.full, true) {
                let (path, limit) = (self.path.display(), self.options.max_bytes);
                tracing::warn!(journal = %path, limit, "one transaction is larger than the limit; it is taken whole");
            }
        } else if std::mem::take(&mut state.full) {
            tracing::info!(journal = %self.path.display(), "the journal has room again");
        }
        let entry = state.segment(batch)?;
        state.queued += size;
        state.ring.push(entry.clone());
        state.queue.push_back(Command::Append(entry));
        Ok(self.taken())
    }

    fn taken(&self) -> Offer {
        self.work.notify_all();
        self.news.send_replace(());
        Offer::Taken
    }

    fn full(&self, state: &mut State, bytes: u64) -> JournalError {
        let slowest = match state.readers.iter().min_by_key(|(_, confirmed)| **confirmed) {
            Some((name, confirmed)) => {
                format!("job '{name}', which has confirmed {confirmed} of {}", state.sequence)
            }
            None => "jobs to come (none has registered yet)".to_owned(),
        };
        let error = JournalError::Full { bytes, max: self.options.max_bytes, slowest };
        if !std::mem::replace(&mut state.full, true) {
            tracing::warn!(journal = %self.path.display(), %error, "capture waits");
        }
        error
    }
}

impl State {
    /// Neither failed nor closed.
    pub(crate) fn usable(&self) -> Result<(), JournalError> {
        match &self.failed {
            Some(text) => Err(JournalError::Failed(text.clone())),
            None if self.closing => Err(JournalError::Closed),
            None => Ok(()),
        }
    }

    fn progress(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let Some(resume) = batch.resume() else { return Ok(()) };
        if self.open {
            return Err(JournalError::Order(format!("progress to {resume} was told inside a transaction")));
        }
        self.resume = Some(resume.clone());
        if let Some(Command::Progress(position)) = self.queue.back_mut() {
            *position = resume.clone();
        } else {
            self.queue.push_back(Command::Progress(resume.clone()));
        }
        Ok(())
    }

    /// Gives the batch its place and moves the end behind it.
    fn segment(&mut self, batch: &Arc<Batch>) -> Result<Entry, JournalError> {
        let unreadable = |e| JournalError::Order(format!("the batch cannot be read: {e}"));
        let begins =
            matches!(batch.records().next().transpose().map_err(unreadable)?, Some(Record::Begin { .. }));
        if begins == self.open {
            let text = if begins {
                "a transaction begins inside another"
            } else {
                "a batch goes on with a transaction that never began"
            };
            return Err(JournalError::Order(format!("{text}, behind transaction {}", self.sequence)));
        }
        let commits = batch.commits() as u64;
        let resume = match batch.resume() {
            Some(resume) => Some(resume.clone()),
            None => pieces::commit_end(batch, commits).map_err(unreadable)?.map(|end| end.position),
        };
        if batch.resume().is_some() && commits == 0 {
            return Err(JournalError::Order("a batch without a commit tells where to resume".to_owned()));
        }
        let (first, last, open) = (self.sequence + 1, self.sequence + commits, batch.resume().is_none());
        let segment = Segment { batch: batch.clone(), first, last, continues: self.open, open };
        let entry = Entry { id: self.next_id, segment, resume: resume.clone() };
        self.next_id += 1;
        self.sequence = last;
        self.open = open;
        self.resume = resume.or(self.resume.take());
        Ok(entry)
    }

    /// All that is held, or may be trimmed soon, belongs to one transaction that goes on: no reader can pass it before its end is here.
    fn holds_one_transaction(&self) -> bool {
        self.open && !self.readers.is_empty() && self.confirmed() >= self.sequence
    }

    /// Up to where all registered readers have confirmed; nothing while there is none.
    pub(crate) fn confirmed(&self) -> u64 {
        self.readers.values().copied().min().unwrap_or(0)
    }
}
