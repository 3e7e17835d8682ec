//! One delivery for each flow: `journal → fold → target`, with the checkpoint in the target's transaction.
//!
//! What decides is [`assemble`]; here is only what does. A delivery that keeps up is handed batches before they are durable and applies them meanwhile, but
//! it commits at the target only what the journal has on disk: the checkpoint never stands beyond the journal.
//!
//! After any failure the target's transaction is gone and everything begins again from the checkpoint that the target holds.

pub mod assemble;
mod older;
pub mod settle;

use crate::apply::{Decisions, apply};
use crate::capture::Reached;
use crate::checkpoint::{JobState, STREAM_LANE, Unsettled, encode};
use crate::context::{FlowContext, now_micros};
use crate::observe::Event;
use crate::{Result, SyncError};
use assemble::{Assembler, Covers, Skip, Step};
use futures_util::FutureExt;
use settle::{Arrived, Asked, Opposite};
use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};
use tidelock_endpoint::{Endpoint, Target};
use tidelock_journal::{Journal, JournalError, Reader, Segment, StateStore};
use tidelock_model::{Position, Record};
use tokio::sync::watch;

/// How often a place is written down when there was nothing to apply (passed-over transactions).
const IDLE_CHECKPOINT: Duration = Duration::from_secs(1);
/// Batches that are committed together while there is more to read. Two-way, where others write the same rows, each is committed by itself.
const BATCHES: usize = 32;
/// Where so many changes come in the time of [`GATHER`], more are waited for before the next commit …
const CROWD: u64 = 32;
/// … at most for so long.
const GATHER: Duration = Duration::from_millis(10);
/// Most that is read ahead to see whether an open transaction ends soon.
const AHEAD_BYTES: usize = 8 << 20;
/// How often it is looked whether what waits for the other direction, or for capture, can be done.
const UNSETTLED: Duration = Duration::from_millis(20);

type Read = std::result::Result<Segment, JournalError>;

/// Indexes and foreign keys can be made behind this place.
pub struct Finish {
    /// The place, in the source's terms.
    pub head: Position,
    /// How far the source was read.
    pub reached: watch::Receiver<Reached>,
    /// The place in the journal, once the source was read so far.
    pub at: Option<u64>,
}

/// One flow's delivery from where it stands.
pub struct Delivery<'a> {
    /// The flow.
    pub context: &'a FlowContext,
    /// Its source's journal.
    pub journal: &'a Journal,
    /// Reads behind the checkpoint.
    pub reader: Reader,
    /// Read already, to see whether an open transaction ends soon.
    ahead: VecDeque<Read>,
    /// Where conflicts are written.
    pub log: &'a StateStore,
    /// A session of the target, outside a transaction.
    pub target: Box<dyn Target>,
    /// What the target's checkpoint says.
    pub state: JobState,
    /// Tells how far everything is delivered.
    pub delivered: &'a watch::Sender<Option<Arrived>>,
    /// The other direction of a two-way job.
    pub opposite: Option<Opposite>,
    /// What is to be made once the stream is past the copy's views, while it is still to be made.
    pub finish: Option<Finish>,
    open: bool,
    decisions: Decisions,
    asked: Option<Asked>,
    /// The rows of the state that are unsettled.
    unsettled: HashSet<Unsettled>,
    /// When the last commit was done.
    written: Instant,
    /// Changes come thick and fast, as the last commit tells.
    crowded: bool,
    /// Until when more is waited for before the next commit.
    gathering: Option<Instant>,
}

impl Finish {
    /// The journal's sequence at the place, if the source was read so far.
    fn reached(&self, source: &dyn Endpoint) -> Result<Option<u64>> {
        let reached = self.reached.borrow();
        let Some(position) = &reached.position else { return Ok(None) };
        let order = source.compare(position, &self.head).map_err(SyncError::at(source.name()))?;
        Ok((order != Ordering::Less).then_some(reached.sequence))
    }
}

impl<'a> Delivery<'a> {
    /// Ready to run.
    pub fn new(
        context: &'a FlowContext,
        journal: &'a Journal,
        reader: Reader,
        log: &'a StateStore,
        target: Box<dyn Target>,
        state: JobState,
        delivered: &'a watch::Sender<Option<Arrived>>,
    ) -> Self {
        let unsettled = state.unsettled.iter().cloned().collect();
        Delivery {
            context,
            journal,
            reader,
            ahead: VecDeque::new(),
            log,
            target,
            state,
            delivered,
            opposite: None,
            finish: None,
            open: false,
            decisions: Decisions::default(),
            asked: None,
            unsettled,
            written: Instant::now(),
            crowded: false,
            gathering: None,
        }
    }

    /// Delivers until asked to stop, then writes down where it is.
    pub async fn run(mut self) -> Result<()> {
        let source = self.context.source.clone();
        let name = self.context.flow.source.clone();
        let covers = move |mark: &Position, at: &str| source.covers(mark, at).map_err(SyncError::at(&name));
        let flow = self.context.flow.clone();
        let batches = if flow.two_way.is_some() { 1 } else { BATCHES };
        let mut assembler = Assembler::new(
            &flow.marks.target,
            flow.tables.clone(),
            self.state.sequence,
            flow.batch_size,
            batches,
        );
        if flow.two_way.is_some() {
            assembler.each_key_once();
        }
        assembler.set_marks(self.state.marks.clone());
        let (source, name) = (self.context.source.clone(), flow.source.clone());
        assembler.skip_to(self.state.skip_to.clone().map(|to| {
            let place = to.clone();
            let compare = move |p: &Position| source.compare(p, &place).map_err(SyncError::at(&name));
            Skip { to, compare: Box::new(compare) }
        }));
        let cancel = self.context.cancel.clone();
        loop {
            let ready = match self.next().now_or_never() {
                None => self.gather(&assembler).await,
                ready => ready,
            };
            let segment = match ready {
                Some(segment) => segment?,
                None => {
                    self.idle(&mut assembler).await?;
                    let waits = !self.state.unsettled.is_empty() || self.finish.is_some();
                    let pause = tokio::time::sleep(if waits { UNSETTLED } else { IDLE_CHECKPOINT });
                    tokio::select! {
                        biased;
                        () = cancel.cancelled() => break,
                        segment = self.next() => segment?,
                        () = pause, if waits || self.state.sequence < assembler.sequence => continue,
                    }
                }
            };
            if cancel.is_cancelled() {
                break;
            }
            self.segment(&segment, &mut assembler, &covers).await?;
            self.passed_over(&mut assembler).await?;
        }
        if self.open {
            self.target.rollback().await.map_err(SyncError::at(&flow.target))?;
        } else if !assembler.is_inside()
            && !assembler.is_pending()
            && self.state.sequence < assembler.sequence
        {
            self.checkpoint(&mut assembler).await?;
        }
        if !self.state.unfinished {
            let tables: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
            self.target.next_numbers(&tables).await.map_err(SyncError::at(&flow.target))?;
        }
        Ok(())
    }

    async fn segment(
        &mut self,
        segment: &Segment,
        assembler: &mut Assembler,
        covers: &Covers<'_>,
    ) -> Result<()> {
        let mut commits = segment.last + 1 - segment.first;
        for record in segment.batch.records() {
            let record = record?;
            match record {
                Record::Begin { .. } if segment.open && commits == 0 => self.before_open(assembler).await?,
                Record::Commit { .. } => commits -= 1,
                _ => {}
            }
            loop {
                match assembler.offer(&record, covers)? {
                    Step::Taken => break,
                    Step::TakenApply => {
                        self.apply(assembler).await?;
                        break;
                    }
                    Step::TakenCommit => {
                        self.commit(assembler).await?;
                        break;
                    }
                    Step::Apply => self.apply(assembler).await?,
                    Step::Commit => self.commit(assembler).await?,
                }
            }
        }
        Ok(())
    }

    /// A transaction begins that the segment does not end. Unless its end is near, what came before does not wait for it: the journal may have no room for the
    /// end until that is confirmed.
    async fn before_open(&mut self, assembler: &mut Assembler) -> Result<()> {
        let pending = assembler.is_pending();
        if !pending && self.state.sequence == assembler.sequence || self.ends_soon().await {
            Ok(())
        } else if pending {
            self.commit(assembler).await
        } else {
            self.checkpoint(assembler).await
        }
    }

    /// Reads ahead until the end of the open transaction, within bounds.
    async fn ends_soon(&mut self) -> bool {
        let until = Instant::now() + GATHER;
        let mut bytes = 0;
        while bytes < AHEAD_BYTES {
            let Ok(next) = tokio::time::timeout_at(until.into(), self.reader.next()).await else {
                return false;
            };
            let open = next.as_ref().is_ok_and(|s| s.last < s.first);
            bytes += next.as_ref().map_or(0, |s| s.batch.bytes().len());
            self.ahead.push_back(next);
            if !open {
                return true;
            }
        }
        false
    }

    async fn next(&mut self) -> Read {
        match self.ahead.pop_front() {
            Some(segment) => segment,
            None => self.reader.next().await,
        }
    }

    /// The next segment, where it is worth a moment of waiting. A commit costs the target and the journal a wait for the disk each: where
    /// transactions come faster than that, a commit for the few that are there at the moment would make all that follow wait.
    async fn gather(&mut self, assembler: &Assembler) -> Option<Read> {
        if !self.crowded || !assembler.wants_commit_when_idle() {
            return None;
        }
        let until = *self.gathering.get_or_insert_with(|| Instant::now() + GATHER);
        tokio::time::timeout_at(until.into(), self.next()).await.ok()
    }

    /// Nothing more is there to read.
    async fn idle(&mut self, assembler: &mut Assembler) -> Result<()> {
        if assembler.wants_commit_when_idle() {
            self.commit(assembler).await?;
        }
        if !assembler.is_inside() && !assembler.is_pending() {
            self.arrived(assembler).await?;
        }
        self.passed_over(assembler).await
    }

    /// Now and then writes down a place that was reached without anything to apply.
    async fn passed_over(&mut self, assembler: &mut Assembler) -> Result<()> {
        let waits = assembler.is_inside() || assembler.is_pending();
        if !waits && self.state.sequence < assembler.sequence && self.written.elapsed() >= IDLE_CHECKPOINT {
            self.checkpoint(assembler).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, origin: Option<&str>) -> Result<()> {
        if !self.open {
            let flow = &self.context.flow;
            self.target.begin(&flow.marks.through(origin)).await.map_err(SyncError::at(&flow.target))?;
            self.open = true;
            self.decisions.during_copy = flow.two_way.is_some() && self.finish.is_some();
        }
        Ok(())
    }

    async fn apply(&mut self, assembler: &mut Assembler) -> Result<()> {
        self.begin(assembler.origin()).await?;
        self.write(assembler).await?;
        assembler.applied();
        Ok(())
    }

    async fn write(&mut self, assembler: &mut Assembler) -> Result<()> {
        older::remove(self.context, &mut *self.target, assembler.take_doubtful()).await?;
        apply(self.context, &mut *self.target, &mut assembler.fold, &mut self.decisions).await
    }

    /// Only between transactions.
    async fn commit(&mut self, assembler: &mut Assembler) -> Result<()> {
        let changes = assembler.changes();
        let before = self.written;
        self.begin(assembler.origin()).await?;
        self.write(assembler).await?;
        self.write_checkpoint(assembler).await?;
        self.report(assembler, changes)?;
        let took = (self.written - before).as_secs_f64();
        self.crowded = changes as f64 * GATHER.as_secs_f64() >= CROWD as f64 * took;
        self.gathering = None;
        assembler.committed();
        self.arrived(assembler).await
    }

    /// Writes down a place that was reached without anything to apply.
    async fn checkpoint(&mut self, assembler: &mut Assembler) -> Result<()> {
        self.begin(None).await?;
        self.write_checkpoint(assembler).await
    }

    /// Everything up to here is at the target. The first time behind all views of the copy, what was left for then is made: indexes and foreign keys.
    async fn arrived(&mut self, assembler: &mut Assembler) -> Result<()> {
        if let Some(finish) = &mut self.finish {
            if finish.at.is_none() {
                finish.at = finish.reached(&*self.context.source)?;
            }
            if finish.at.is_none_or(|place| assembler.sequence < place) {
                return Ok(());
            }
            let flow = &self.context.flow;
            let engine = self.context.source.capabilities().engine;
            let tables: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
            self.target.finish(engine, &tables).await.map_err(SyncError::at(&flow.target))?;
            (self.finish, self.state.unfinished) = (None, false);
            self.checkpoint(assembler).await?;
            self.context.phase("following");
        }
        self.settle(assembler).await?;
        let settled = self.state.unsettled.is_empty();
        self.delivered.send_replace(Some(Arrived { sequence: assembler.sequence, settled }));
        Ok(())
    }

    async fn write_checkpoint(&mut self, assembler: &Assembler) -> Result<()> {
        durable(self.journal, assembler.sequence).await?;
        self.state.sequence = assembler.sequence;
        self.state.skip_to = assembler.skips_to().cloned();
        if let Some(position) = &assembler.position {
            self.state.position = position.clone();
        }
        self.state.marks = assembler.marks().to_vec();
        let new = self.decisions.unsettled.drain(..).filter(|u| self.unsettled.insert(u.clone()));
        self.state.unsettled.extend(new);
        let flow = &self.context.flow;
        let checkpoint = encode(&flow.job, STREAM_LANE, &self.state);
        self.target.commit(&checkpoint, &[]).await.map_err(SyncError::at(&flow.target))?;
        self.open = false;
        self.journal.confirm(&reader_name(&flow.job, &flow.target), assembler.sequence);
        self.written = Instant::now();
        Ok(())
    }

    fn report(&mut self, assembler: &Assembler, changes: u64) -> Result<()> {
        let context = self.context;
        crate::conflicts::record(context, self.log, &std::mem::take(&mut self.decisions.conflicts))?;
        let lag_micros = if assembler.time > 0 { (now_micros() - assembler.time).max(0) } else { 0 };
        context.observer.event(&Event::Applied {
            job: context.flow.job.clone(),
            flow: context.name(),
            transactions: assembler.transactions,
            changes,
            lag_micros,
        });
        Ok(())
    }
}

/// Waits until the journal has everything up to `sequence` on disk.
pub async fn durable(journal: &Journal, sequence: u64) -> Result<()> {
    let mut durable = journal.durable();
    durable.wait_for(|d| d.sequence >= sequence).await.map_err(|_| JournalError::Closed)?;
    Ok(())
}

/// A flow's name as a reader of its source's journal.
pub fn reader_name(job: &str, target: &str) -> String {
    format!("{job} → {target}")
}
