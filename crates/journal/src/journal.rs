use crate::lock::FileLock;
use crate::ring::Ring;
use crate::row::Tables;
use crate::shared::{Command, Offer, Reply, Shared, State};
use crate::writer::{Writer, now};
use crate::{Durable, JournalError, JournalStatus, Origin, Reader, ReaderStatus, Tail, file};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tidelock_model::Batch;
use tokio::sync::{Notify, watch};

/// The limits of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// Most bytes of segments held; when it is reached and no reader can be passed, [`Journal::append`] refuses. One batch is always taken, and a
    /// transaction that is larger by itself is taken whole, with a warning: no reader could pass it before its end.
    pub max_bytes: u64,
    /// What is older and still needed is kept, with a warning.
    pub max_age: Duration,
    /// Recent batches held in memory for readers that keep up.
    pub memory_bytes: usize,
}

/// 16 GiB, 7 days, 32 MiB.
impl Default for JournalOptions {
    fn default() -> Self {
        JournalOptions {
            max_bytes: 16 << 30,
            max_age: Duration::from_secs(7 * 86_400),
            memory_bytes: 32 << 20,
        }
    }
}

/// The journal of one source endpoint: a handle, cheap to clone. One task appends, any number read.
///
/// When the last handle is dropped, what was accepted is written and the file is let go, as [`Journal::close`] does (which
/// tells whether that went well). Readers do not keep it open.
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    durable: watch::Receiver<Durable>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal at `path`, makes it when it is absent, and cuts an unfinished transaction at its end off. Refuses when it is
    /// open elsewhere, when another version wrote it, and when it is damaged (what stands in the segments is checked as they are read).
    pub fn open(path: &Path, options: JournalOptions) -> Result<Journal, JournalError> {
        let (journal, writer) = Journal::with_writer(path, options)?;
        let thread = std::thread::Builder::new()
            .name("tidelock-journal".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| JournalError::file("starting the writer of", path, e))?;
        *journal.0.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(journal)
    }

    /// The journal and its writer, which does not run yet.
    pub(crate) fn with_writer(
        path: &Path,
        options: JournalOptions,
    ) -> Result<(Journal, Writer), JournalError> {
        if let Some(directory) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            let failed = |e| JournalError::file("making the directory", directory, e);
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let lock = FileLock::acquire(&beside(path, ".lock"))?;
        let tables = Tables::default();
        let (connection, head) = file::open(path, &tables)?;
        let durable = Durable { sequence: head.sequence, resume: head.resume.clone() };
        let (tell, durable) = watch::channel(durable);
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            id: head.id.clone(),
            options,
            tables,
            work: Condvar::new(),
            space: Notify::new(),
            news: watch::Sender::new(()),
            state: Mutex::new(State::opened(head)),
        });
        let writer = Writer::new(shared.clone(), connection, tell, lock);
        Ok((Journal(Arc::new(Handle { shared, durable, thread: Mutex::new(None) })), writer))
    }

    /// Removes the journal at `path` with all that it holds; one that is not there is no error. Refuses when it is open anywhere.
    pub fn remove(path: &Path) -> Result<(), JournalError> {
        if !path.exists() {
            return Ok(());
        }
        let _lock = FileLock::acquire(&beside(path, ".lock"))?;
        for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
            match std::fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(JournalError::file("removing", &file, e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Made with the file, and the same as long as it lives: a sequence means nothing at another journal.
    pub fn id(&self) -> &str {
        &self.0.shared.id
    }

    /// What [`Journal::begin_at`] recorded.
    pub fn origin(&self) -> Result<Option<Origin>, JournalError> {
        Ok(self.0.shared.lock().origin.clone())
    }

    /// Records where the history begins, durably, and once: in a journal that has neither an origin nor a commit.
    /// Waits for the disk.
    pub fn begin_at(&self, origin: &Origin) -> Result<(), JournalError> {
        self.ask(|state, reply| {
            if state.origin.is_some() || state.sequence > 0 || state.open || state.resume.is_some() {
                let start =
                    state.origin.as_ref().map_or("an unknown place".to_owned(), |o| o.start.to_string());
                return Err(JournalError::NotEmpty { start });
            }
            state.origin = Some(origin.clone());
            state.resume = Some(origin.start.clone());
            Ok(Command::Origin(origin.clone(), reply))
        })
    }

    /// The end, as accepted.
    pub fn tail(&self) -> Tail {
        let state = self.0.shared.lock();
        Tail { sequence: state.sequence, resume: state.resume.clone() }
    }

    /// Accepts a batch: it has its place in the order, readers see it, and it will be durable once [`Journal::durable`] tells so.
    /// For one appender. Waits while too much is waiting for the disk. [`JournalError::Full`] when the size limit is reached and
    /// trimming behind the slowest reader does not help: nothing was taken, offer it again later. A batch without records only moves
    /// `resume`. Cancel-safe: dropped before it returns, nothing was taken.
    pub async fn append(&self, batch: Arc<Batch>) -> Result<(), JournalError> {
        let shared = &self.0.shared;
        let mut asked = None;
        loop {
            let mut changed = std::pin::pin!(shared.space.notified());
            changed.as_mut().enable();
            match shared.offer(&batch, &mut asked)? {
                Offer::Taken => return Ok(()),
                Offer::Wait => changed.await,
            }
        }
    }

    /// The source broke off inside a transaction that it will send again: its pieces are removed. Readers that were handed such a piece get
    /// [`JournalError::Abandoned`] once and go on behind the commit before. Outside a transaction it does nothing.
    /// Dropping the future does not call it off.
    pub async fn abandon(&self) -> Result<(), JournalError> {
        let shared = &self.0.shared;
        {
            let mut state = shared.lock();
            state.usable()?;
            if state.open && !state.cutting {
                state.cutting = true;
                state.queue.push_back(Command::Cut);
                shared.work.notify_all();
            }
        }
        loop {
            let mut changed = std::pin::pin!(shared.space.notified());
            changed.as_mut().enable();
            {
                let state = shared.lock();
                if !state.cutting {
                    return Ok(());
                }
                if let Some(text) = &state.failed {
                    return Err(JournalError::Failed(text.clone()));
                }
            }
            changed.await;
        }
    }

    /// Tells what is durable as it becomes so. Its sender goes when the journal is closed or has failed.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.0.durable.clone()
    }

    /// A reader of the transactions behind `after`, and registers it under `name`, durably: trimming never passes it, even after a restart before it has come back.
    /// A name that is known is moved to `after`. [`JournalError::PositionLost`] when `after` is not in the journal any more, or not yet.
    pub fn reader(&self, name: &str, after: u64) -> Result<Reader, JournalError> {
        let held = |state: &State| {
            let (reader, first, last) = (name.to_owned(), state.trimmed + 1, state.sequence);
            let lost = after < state.trimmed || after > state.sequence;
            if lost { Err(JournalError::PositionLost { reader, after, first, last }) } else { Ok(()) }
        };
        self.ask(|state, reply| {
            held(state)?;
            state.readers.insert(name.to_owned(), after);
            Ok(Command::Register(name.to_owned(), after, reply))
        })?;
        // A round of trimming may have been under way; the registration was written behind it.
        let still = held(&self.0.shared.lock());
        still.inspect_err(|_| self.forget_reader(name))?;
        Reader::open(self.0.shared.clone(), name, after)
    }

    /// The reader will not come back: trimming need not wait for it.
    pub fn forget_reader(&self, name: &str) {
        let mut state = self.0.shared.lock();
        if state.readers.remove(name).is_some() {
            state.queue.push_back(Command::Forget(name.to_owned()));
            self.0.shared.work.notify_all();
        }
    }

    /// Everything up to `sequence` is durable at the reader's target: trimming may pass it. Never moves backwards; written down later, for it
    /// is only for trimming. A name that is not registered is ignored: it was forgotten.
    pub fn confirm(&self, name: &str, sequence: u64) {
        let mut state = self.0.shared.lock();
        let end = state.sequence;
        if let Some(confirmed) = state.readers.get_mut(name)
            && sequence > *confirmed
        {
            *confirmed = sequence.min(end);
            state.confirmed_since = true;
        }
    }

    /// How it is.
    pub fn status(&self) -> JournalStatus {
        let state = self.0.shared.lock();
        let readers = state.readers.iter();
        JournalStatus {
            bytes: state.stored + state.queued,
            queued: state.queued,
            oldest_seconds: state.oldest.map(|time| (now() - time).max(0) as u64 / 1_000_000),
            first: state.trimmed + 1,
            last: state.sequence,
            readers: readers
                .map(|(name, confirmed)| ReaderStatus { name: name.clone(), confirmed: *confirmed })
                .collect(),
            over_age: state.over_age,
            full: state.full,
            failed: state.failed.clone(),
        }
    }

    /// Accepts nothing more, makes all that was accepted durable, and lets the file go. Other handles find it closed.
    /// A failure to write is in the log and in [`JournalStatus::failed`].
    pub async fn close(self) {
        let shared = &self.0.shared;
        shared.close();
        loop {
            let mut changed = std::pin::pin!(shared.space.notified());
            changed.as_mut().enable();
            if shared.lock().ended {
                return;
            }
            changed.await;
        }
    }

    /// Gives the writer a command and waits for its answer.
    fn ask(
        &self,
        make: impl FnOnce(&mut State, Reply) -> Result<Command, JournalError>,
    ) -> Result<(), JournalError> {
        let (reply, answer) = sync_channel(1);
        {
            let mut state = self.0.shared.lock();
            state.usable()?;
            let command = make(&mut state, reply)?;
            state.queue.push_back(command);
            self.0.shared.work.notify_all();
        }
        answer.recv().unwrap_or_else(|_| {
            let failed = self.0.shared.lock().failed.clone();
            Err(JournalError::Failed(
                failed.unwrap_or_else(|| "its writer ended; the log tells why".to_owned()),
            ))
        })
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl State {
    fn opened(head: file::Head) -> State {
        State {
            queue: VecDeque::new(),
            queued: 0,
            ring: Ring::above(head.last_id),
            next_id: head.last_id + 1,
            sequence: head.sequence,
            open: false,
            resume: head.resume,
            origin: head.origin,
            readers: head.readers,
            confirmed_since: false,
            durable_id: head.last_id,
            stored: head.stored,
            trimmed: head.trimmed,
            oldest: head.oldest,
            trim_asked: 0,
            trim_done: 0,
            cutting: false,
            cuts: 0,
            cut_behind: 0,
            full: false,
            over_age: false,
            closing: false,
            ended: false,
            failed: None,
        }
    }
}

impl Shared {
    fn close(&self) {
        self.lock().closing = true;
        self.work.notify_all();
        self.wake();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.get_mut().ok().and_then(Option::take)
            && thread.join().is_err()
        {
            tracing::error!(journal = %self.shared.path.display(), "the journal's writer panicked");
        }
    }
}
