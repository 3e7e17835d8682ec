//! The stream of changes, read by a thread of its own.
//!
//! ```text
//!   connection ──▶ [ queue, at most 4 MiB ] ──▶ next()
//!       ▲                                          │
//!       └── status: every half second, when asked, and soon after acknowledge()
//! ```
//!
//! * The server drops who is silent, and a consumer may be busy for minutes: the thread tells the status by its own clock. While the queue is
//!   full it does not read, and the server waits.
//! * The server may forget what it is told to be durable: it is told what was acknowledged, never more, and nothing before the first
//!   acknowledgement.
//! * The server sends each message by itself. Whoever reads each as it comes is woken for each, and to wake costs the server more than to
//!   send. So once messages come one after another, the thread sleeps for a moment between reads and lets them gather. A task of the
//!   common runtime could sleep, too, but its socket would still wake the runtime for each message; a thread with a
//!   runtime of its own is deaf while it sleeps. Measured: a quarter of the processor time, in two thirds of the time.

use super::connection::Connection;
use super::pgoutput::EPOCH_2000;
use crate::Result;
use crate::config::Config;
use crate::error::protocol;
use crate::position::Lsn;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidelock_endpoint::{EndpointError, ErrorKind};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// What may wait for the consumer; reading stops beyond it.
const BUDGET: usize = 4 << 20;
/// What one `next` hands out, about.
const RUN: usize = 256 << 10;
/// The server hears of us at least this often. Its shortest patience that makes sense is a second.
const STATUS: Duration = Duration::from_millis(500);
/// Statuses that acknowledgements bring about keep this distance.
const SOON: Duration = Duration::from_millis(20);
/// How long messages gather.
const GATHER: Duration = Duration::from_micros(300);
/// Reads without a rest between them, before messages are left to gather.
const BUSY: u32 = 8;
/// A server of which nothing is heard for so long is asked to answer; it is gone when it does not.
const QUIET: Duration = Duration::from_secs(30);
const GONE: Duration = Duration::from_secs(330);
/// How long a status may take to be sent.
const SENDING: Duration = Duration::from_secs(60);
/// How long parting may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the server sent.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// A pgoutput message, whole.
    Message(Bytes),
    /// All changes that were committed before this place have been sent.
    KeepAlive { end: Lsn },
}

impl Frame {
    fn weight(&self) -> usize {
        size_of::<Frame>() + if let Frame::Message(bytes) = self { bytes.len() } else { 0 }
    }
}

/// The changes of one slot, in order. Dropping it ends the connection at once.
pub(crate) struct Feed {
    shared: Arc<Shared>,
}

impl Feed {
    /// Connects and starts the stream; the slot begins where it was last confirmed, or at `from` where that is later.
    pub async fn start(config: &Config, slot: &str, publication: &str, from: Lsn) -> Result<Feed> {
        let shared = Arc::new(Shared::default());
        let (started, outcome) = oneshot::channel();
        let begin = Begin {
            config: config.clone(),
            slot: slot.to_owned(),
            publication: publication.to_owned(),
            from,
        };
        let place = config.place();
        let failed = move |e: io::Error| {
            let message = format!("starting a thread that reads the changes of {place}: {e}");
            EndpointError::new(ErrorKind::Unavailable, "TL-PG-UNAVAILABLE", message)
        };
        let (shared_there, failed_there) = (shared.clone(), failed.clone());
        let named = thread::Builder::new().name("postgres-feed".to_owned());
        let spawned = named.spawn(move || {
            // Made here: a runtime must not be dropped inside of another, which a thread that is not to be had would do.
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(begin.run(shared_there, started)),
                // Whoever asked is gone only when nobody wants to know.
                Err(error) => drop(started.send(Err(failed_there(error)))),
            }
        });
        spawned.map_err(failed)?;
        match outcome.await {
            Ok(Ok(())) => Ok(Feed { shared }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(vanished()),
        }
    }

    /// The next frames in order: waits for one, then takes all that are there, up to some 256 KiB. Cancel-safe. After an error the feed is dead.
    pub async fn next(&mut self) -> Result<Vec<Frame>> {
        loop {
            if let Some(run) = self.shared.hand_out()? {
                return Ok(run);
            }
            self.shared.filled.notified().await;
        }
    }

    /// What is durable at our side: the server is told soon that it may forget what is before. Never moves backwards.
    pub fn acknowledge(&self, durable: Lsn) {
        if self.shared.acknowledged.fetch_max(durable.0, Ordering::AcqRel) < durable.0 {
            self.shared.look.notify_one();
        }
    }

    /// What waits to be handed out, in bytes.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shared.queue().weight
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.closing.notify_one();
    }
}

/// What consumer and thread share.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// To the consumer: there is something in the queue, or the end.
    filled: Notify,
    /// To the thread: the queue has room again, or the acknowledgement moved.
    look: Notify,
    closing: Notify,
    acknowledged: AtomicU64,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    weight: usize,
    /// Why nothing more will come.
    end: Option<EndpointError>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self) -> bool {
        self.queue().weight >= BUDGET
    }

    fn push(&self, frames: Vec<Frame>) {
        if !frames.is_empty() {
            self.queue().push(frames);
            self.filled.notify_one();
        }
    }

    /// The first run of the queue; none while it is empty.
    fn hand_out(&self) -> Result<Option<Vec<Frame>>> {
        let mut queue = self.queue();
        if queue.frames.is_empty() {
            return queue.end.as_ref().map_or(Ok(None), |end| Err(again(end)));
        }
        let was_full = queue.weight >= BUDGET;
        let run = queue.pop_run();
        if was_full {
            self.look.notify_one();
        }
        Ok(Some(run))
    }

    fn end(&self, error: EndpointError) {
        self.queue().end.get_or_insert(error);
        self.filled.notify_one();
    }
}

impl Queue {
    /// A keepalive takes the place of the one before it, which it includes.
    fn push(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            if let (Frame::KeepAlive { end }, Some(Frame::KeepAlive { end: last })) =
                (&frame, self.frames.back_mut())
            {
                *last = *end;
                continue;
            }
            self.weight += frame.weight();
            self.frames.push_back(frame);
        }
    }

    fn pop_run(&mut self) -> Vec<Frame> {
        let (mut count, mut weight) = (0, 0);
        for frame in &self.frames {
            (count, weight) = (count + 1, weight + frame.weight());
            if weight >= RUN {
                break;
            }
        }
        self.weight -= weight;
        self.frames.drain(..count).collect()
    }
}

/// The same error once more; none of ours has a source.
fn again(error: &EndpointError) -> EndpointError {
    let again = EndpointError::new(error.kind, error.code, error.message.clone());
    match &error.hint {
        Some(hint) => again.hint(hint.clone()),
        None => again,
    }
}

/// What the thread begins with.
struct Begin {
    config: Config,
    slot: String,
    publication: String,
    from: Lsn,
}

impl Begin {
    /// The thread's work. Whoever no longer waits for the start ends it.
    async fn run(self, shared: Arc<Shared>, mut started: oneshot::Sender<Result<()>>) {
        let connected = tokio::select! {
            connected = self.connect() => connected,
            () = started.closed() => return,
        };
        match connected {
            Ok(connection) => {
                let reader = Reader::new(connection, shared);
                if started.send(Ok(())).is_ok() {
                    reader.run().await;
                }
            }
            // Nobody waits for it.
            Err(error) => drop(started.send(Err(error))),
        }
    }

    async fn connect(&self) -> Result<Connection> {
        let mut connection = Connection::open(&self.config).await?;
        connection.start(&self.config, &self.slot, &self.publication, self.from).await?;
        Ok(connection)
    }
}

/// The thread's side.
struct Reader {
    connection: Connection,
    shared: Arc<Shared>,
    /// When the last status was sent, and what it said.
    told_at: Instant,
    told: Lsn,
    /// When anything was last heard of the server, or nobody listened.
    heard_at: Instant,
    /// The server asks for a status.
    asked: bool,
    /// Reads without a rest.
    busy: u32,
}

impl Reader {
    fn new(connection: Connection, shared: Arc<Shared>) -> Reader {
        let now = Instant::now();
        Reader { connection, shared, told_at: now, told: Lsn(0), heard_at: now, asked: false, busy: 0 }
    }

    async fn run(mut self) {
        let _guard = Guard(self.shared.clone());
        let shared = self.shared.clone();
        let error = tokio::select! {
            biased;
            () = shared.closing.notified() => None,
            Err(error) = self.follow() => Some(error),
        };
        match error {
            Some(error) => shared.end(error),
            // The server notices the end of the connection in any case.
            None => drop(timeout(FAREWELL, self.part()).await),
        }
    }

    async fn follow(&mut self) -> Result<Infallible> {
        loop {
            let due = self.due();
            if due <= Instant::now() {
                self.tell().await?;
                continue;
            }
            let (shared, room) = (self.shared.clone(), !self.shared.full());
            let begun = Instant::now();
            if !room {
                self.heard_at = begun;
            }
            tokio::select! {
                drained = self.connection.fill(), if room => {
                    let drained = drained?;
                    self.heard_at = Instant::now();
                    self.take_in()?;
                    self.gather(drained, begun);
                }
                () = shared.look.notified() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// When the next status is due.
    fn due(&self) -> Instant {
        if self.asked {
            self.told_at
        } else if self.shared.acknowledged.load(Ordering::Acquire) > self.told.0 {
            self.told_at + SOON
        } else {
            self.told_at + STATUS
        }
    }

    /// Leaves the server time to send more than one message, when it is sending many. Nothing else is on this thread.
    fn gather(&mut self, drained: bool, begun: Instant) {
        self.busy = if begun.elapsed() < Duration::from_millis(1) { self.busy.saturating_add(1) } else { 0 };
        if drained && self.busy >= BUSY {
            thread::sleep(GATHER);
        }
    }

    /// Queues the frames that have come whole; those before an error, too.
    fn take_in(&mut self) -> Result<()> {
        let mut frames = Vec::new();
        let result = self.frames(&mut frames);
        self.shared.push(frames);
        result
    }

    fn frames(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        while let Some((tag, mut body)) = self.connection.take()? {
            match tag {
                b'd' => match body.first() {
                    // Two places in the log and a time come before the message.
                    Some(b'w') if body.len() >= 25 => {
                        body.advance(25);
                        frames.push(Frame::Message(body));
                    }
                    Some(b'k') if body.len() == 18 => {
                        body.advance(1);
                        frames.push(Frame::KeepAlive { end: Lsn(body.get_u64()) });
                        self.asked |= body[8] == 1;
                    }
                    _ => {
                        return Err(protocol(format!(
                            "a piece of the stream of {} bytes that is not known",
                            body.len()
                        )));
                    }
                },
                // Done with copying, or with the command.
                b'c' | b'C' => return Err(self.connection.ended()),
                b'E' => return Err(self.connection.complaint(body)),
                b'N' | b'S' | b'A' => {}
                other => return Err(self.connection.unexpected(other)),
            }
        }
        Ok(())
    }

    /// Tells the server what is durable.
    async fn tell(&mut self) -> Result<()> {
        let durable = Lsn(self.shared.acknowledged.load(Ordering::Acquire));
        let silent = self.heard_at.elapsed();
        if silent >= GONE {
            return Err(silence(format!("the server has not answered for {} s", silent.as_secs())));
        }
        match timeout(SENDING, self.connection.send(&status(durable, silent >= QUIET))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.last_words().await.unwrap_or(error)),
            Err(_) => {
                return Err(silence(format!("the server has taken nothing for {} s", SENDING.as_secs())));
            }
        }
        (self.told, self.told_at, self.asked) = (durable, Instant::now(), false);
        Ok(())
    }

    /// Why the server hung up, where it said so before.
    async fn last_words(&mut self) -> Option<EndpointError> {
        loop {
            let filled = timeout(FAREWELL, self.connection.fill()).await;
            let Ok(Ok(_)) = filled else { return None };
            if let Err(error) = self.take_in() {
                return Some(error);
            }
        }
    }

    /// The last status and a farewell, so that the slot is free as soon as can be.
    async fn part(&mut self) {
        if self.tell().await.is_ok() {
            const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
            drop(self.connection.send(&TERMINATE).await);
            self.connection.shut().await;
        }
    }
}

/// A consumer never waits for a thread that is no more.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end(vanished());
    }
}

fn vanished() -> EndpointError {
    silence("the thread that reads them has ended")
}

fn silence(what: impl Display) -> EndpointError {
    EndpointError::new(ErrorKind::Unavailable, "TL-PG-UNAVAILABLE", format!("reading the changes: {what}"))
}

/// A standby status update: written, flushed and applied up to here; the server answers it where `ask` wants that.
fn status(durable: Lsn, ask: bool) -> [u8; 39] {
    // A clock before 1970 tells nothing; the server only shows it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
    let mut bytes = [0; 39];
    bytes[..6].copy_from_slice(&[b'd', 0, 0, 0, 38, b'r']);
    for at in [6, 14, 22] {
        bytes[at..at + 8].copy_from_slice(&durable.0.to_be_bytes());
    }
    bytes[30..38].copy_from_slice(&(now - EPOCH_2000).to_be_bytes());
    bytes[38] = u8::from(ask);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Frame {
        Frame::Message(Bytes::from(vec![0; length]))
    }

    #[test]
    fn runs_are_handed_out_in_order_and_by_size() {
        let mut queue = Queue::default();
        queue.push((0..10).map(|n| message(RUN / 4 + n)).collect());
        let sizes = |run: Vec<Frame>| -> Vec<usize> {
            run.iter().map(|f| f.weight() - size_of::<Frame>() - RUN / 4).collect()
        };
        assert_eq!(sizes(queue.pop_run()), [0, 1, 2, 3]);
        assert_eq!(sizes(queue.pop_run()), [4, 5, 6, 7]);
        assert_eq!(sizes(queue.pop_run()), [8, 9]);
        assert_eq!((queue.weight, queue.pop_run().len()), (0, 0));
    }

    #[test]
    fn a_keepalive_takes_the_place_of_the_one_before_it() {
        let mut queue = Queue::default();
        let at = |n| Frame::KeepAlive { end: Lsn(n) };
        queue.push(vec![at(1), at(2), message(1), at(3)]);
        queue.push(vec![at(4)]);
        let run = queue.pop_run();
        assert!(matches!(
            &run[..],
            [Frame::KeepAlive { end: Lsn(2) }, Frame::Message(_), Frame::KeepAlive { end: Lsn(4) }]
        ));
        assert_eq!(queue.weight, 0);
    }

    #[test]
    fn a_status_claims_what_is_durable_three_times() {
        assert_eq!(status(Lsn(1), true)[38], 1);
        let bytes = status(Lsn(0x1_0000_0002), false);
        assert_eq!(bytes.len(), 39);
        assert_eq!(bytes[..6], *b"d\0\0\0\x26r");
        for at in [6, 14, 22] {
            assert_eq!(bytes[at..at + 8], [0, 0, 0, 1, 0, 0, 0, 2]);
        }
        assert_eq!(bytes[38], 0);
    }
}
