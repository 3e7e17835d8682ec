//! One flow from wherever its target says it stands: create tables, copy what was never copied, then follow.

use crate::capture::Reached;
use crate::capture::since::Since;
use crate::checkpoint::{
    ChunkState, CopiedColumn, CopiedTable, JobState, Progress, STREAM_LANE, Server, encode,
};
use crate::context::{FlowContext, pause};
use crate::deliver::settle::{Arrived, Opposite};
use crate::deliver::{Delivery, Finish, durable, reader_name};
use crate::job::Job;
use crate::mapping::TableMap;
use crate::observe::Part;
use crate::outdated;
use crate::schema::{self, Changed};
use crate::snapshot;
use crate::sweep;
use crate::{Result, SyncError};
use std::cmp::Ordering;
use std::sync::Arc;
use tidelock_endpoint::{Ask, Moved, Role, Target};
use tidelock_journal::{Journal, StateStore};
use tidelock_model::{Position, TableName};
use tokio::sync::watch;

/// How far back in a journal that was there before a new job begins: transactions that the journal holds but that the copy's view might just miss.
const SLACK: u64 = 10_000;

/// A flow with everything that its tries share.
pub struct FlowRun {
    /// The job.
    pub job: Job,
    /// The other jobs of the configuration.
    pub others: Vec<Job>,
    /// The flow and its endpoints.
    pub context: FlowContext,
    /// Its source's journal.
    pub journal: Journal,
    /// Plans of chunks, conflicts.
    pub state: Arc<StateStore>,
    /// How far the source was read.
    pub reached: watch::Receiver<Reached>,
    /// How far the target is; `None` until the first copy is whole.
    pub delivered: watch::Sender<Option<Arrived>>,
    /// The other direction of a two-way job.
    pub opposite: Option<Opposite>,
    /// Tables to copy again although they were copied (source names); emptied when that is done.
    pub again: std::sync::Mutex<Vec<tidelock_model::TableName>>,
    /// Tables that changed while they were followed.
    pub changed: Changed,
    /// What was in the way of this copy was taken away.
    pub cleared: bool,
}

impl FlowRun {
    /// Runs until asked to stop. An error is final: what can be retried is retried here.
    pub async fn run(&mut self) -> Result<()> {
        let mut attempt = 0;
        loop {
            let before = *self.delivered.borrow();
            match self.attempt().await {
                Ok(()) | Err(SyncError::Cancelled) => {
                    self.context.phase("stopped");
                    return Ok(());
                }
                Err(error) => {
                    if *self.delivered.borrow() > before {
                        (attempt, self.cleared) = (0, false);
                    }
                    if self.changed.restarts() {
                        return Err(error);
                    }
                    let error = self.changed.take(error, &self.job)?;
                    let cleared = match self.cleared {
                        true => Ok(false),
                        false => sweep::before(&self.context, &self.state, &error, &self.others).await,
                    };
                    self.cleared |= matches!(cleared, Ok(true));
                    let error = match cleared {
                        Ok(true) => continue,
                        Ok(false) => error,
                        Err(failed) => failed,
                    };
                    let context = &self.context;
                    let (job, flow) = (&context.flow.job, &context.name());
                    let part = Part::Flow { job, flow };
                    match pause(part, error, &mut attempt, &*context.observer, &context.cancel).await {
                        Err(SyncError::Cancelled) => return Ok(()),
                        other => other?,
                    }
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<()> {
        self.context.phase("starting");
        let cancel = self.context.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => return Err(SyncError::Cancelled),
            ready = self.ready() => ready?,
        }
        self.changed.look_again(&self.job, &mut self.context).await?;
        let context = &self.context;
        let at = SyncError::at(&context.flow.target);
        let mut target = context.target.target(&context.flow.job).await.map_err(&at)?;
        let progress = Progress::read(&target.checkpoints().await.map_err(&at)?)?;
        let since = Since::read(&self.state, &context.flow.source, &self.journal)?;
        let (mut state, after) = self.place(progress.stream.as_ref(), &since)?;
        let same = progress.stream.as_ref().is_some_and(|s| s.journal == self.journal.id());
        let (mut chunks, mut stale) = self.chunks(progress.chunks);
        let replaced = self.replaced(&state, chunks.iter().filter(|_| same), &since)?;
        let mut found = self.keep_copied(&mut state)?;
        self.still_there(&state).await?;
        let engine = context.source.capabilities().engine;
        let tables: Vec<_> = context.flow.tables.iter().map(|t| t.target.clone()).collect();
        target.prepare(engine, &tables).await.map_err(&at)?;
        let altered = target.alter(engine, &context.flow.alterations, false).await.map_err(&at)?;
        durable(&self.journal, after).await?;
        for table in replaced {
            stale.extend(chunks.extract_if(.., |c| c.table == table).map(|c| c.lane()));
            schema::again(&mut state, &context.flow, &table, false);
            found.push((table, "another table has its name now".to_owned()));
        }
        found.extend(self.changed.mark(&mut state, &context.flow));
        schema::record(context, &self.state, found, altered)?;
        let name = reader_name(&context.flow.job, &context.flow.target);
        let reader = self.journal.reader(&name, after)?;
        if progress.stream.as_ref() != Some(&state) || !stale.is_empty() {
            self.write(&mut *target, &state, &stale).await?;
        }
        self.changed.written();
        outdated::clear(&self.state, &context.flow.job, &context.flow.target)?;
        self.copy(&mut *target, &mut state, &chunks, &since).await?;
        let copied = Arrived { sequence: state.sequence, settled: false };
        self.delivered.send_if_modified(|d| d.is_none() && d.replace(copied).is_none());
        let finish = if state.unfinished { Some(self.past_all_views().await?) } else { None };
        context.phase(if finish.is_some() { "catching up" } else { "following" });
        let mut delivery =
            Delivery::new(context, &self.journal, reader, &self.state, target, state, &self.delivered);
        (delivery.finish, delivery.opposite) = (finish, self.opposite.clone());
        delivery.run().await
    }

    /// The place behind which the target is as the source once was: every view that the copy was read from is older, and at a two-way job also whatever
    /// the other direction's copy wrote at the source. Capture may be far from it still, and may be waiting for this very delivery to make room in the journal.
    async fn past_all_views(&self) -> Result<Finish> {
        let context = &self.context;
        if let Some(opposite) = &self.opposite {
            self.until(&opposite.arrived, Option::is_some).await?;
        }
        let head = async {
            let mut source = context.source.source(context.capture).await?;
            source.head().await
        };
        let head = tokio::select! {
            () = context.cancel.cancelled() => return Err(SyncError::Cancelled),
            head = head => head.map_err(SyncError::at(&context.flow.source))?,
        };
        Ok(Finish { head, reached: self.reached.clone(), at: None })
    }

    /// Waits for something of the other direction. When that ends before, it is told there why.
    async fn until<T: Clone>(
        &self,
        told: &watch::Receiver<T>,
        enough: impl FnMut(&T) -> bool + Send,
    ) -> Result<()> {
        let mut told = told.clone();
        tokio::select! {
            () = self.context.cancel.cancelled() => Err(SyncError::Cancelled),
            done = told.wait_for(enough) => done.map(drop).map_err(|_| SyncError::Cancelled),
        }
    }

    /// The tables in whose place another one is captured since they were copied. Refuses those that were not captured all the time.
    fn replaced<'c>(
        &self,
        state: &JobState,
        going_on: impl Iterator<Item = &'c ChunkState>,
        since: &Since,
    ) -> Result<Vec<TableName>> {
        let asked = self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let going_on: Vec<_> = going_on.map(|c| (&c.table, c.since)).collect();
        let all = schema::followed(state, &self.context.flow).chain(going_on);
        let all = all.filter(|(table, _)| !asked.contains(table));
        let strict = !schema::follows(&self.job);
        since.check(all, strict, &self.context.flow.job, &self.context.flow.source)
    }

    /// A table that left the job, or is mapped otherwise than when it was copied, is copied anew when it is there again: changes were passed over meanwhile. So is one that is
    /// asked for again. What was written to another table of the target, or both ways, is copied as if for the first time. Of those that only look otherwise it is told.
    fn keep_copied(&self, state: &mut JobState) -> Result<Vec<(TableName, String)>> {
        let (mut found, flow) = (Vec::new(), &self.context.flow);
        let asked = self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let map_of = |table: &TableName| flow.tables.iter().find(|m| m.source.name == *table);
        for copied in state.copied.clone() {
            let (map, asked) = (map_of(&copied.table), asked.contains(&copied.table));
            let typed = |m: &TableMap| copied.columns.is_empty() || copied.columns == CopiedColumn::of(m);
            let same = map.is_some_and(|m| m.shape() == copied.shape && typed(m));
            let moved = map.filter(|_| flow.two_way.is_none()).map_or(Moved::No, |m| copied.moved(m));
            if same && !asked && moved == Moved::No {
                let known = state.copied.iter_mut().find(|c| c.table == copied.table);
                let now = map.filter(|_| flow.two_way.is_none()).and_then(|m| m.stored.as_deref());
                known.into_iter().zip(now).for_each(|(k, now)| k.stored = Some(now.clone()));
                continue;
            }
            if moved != Moved::No && !asked && !schema::follows(&self.job) {
                return Err(SyncError::stopped(
                    "TL-SYNC-SCHEMA-CHANGED",
                    format!(
                        "the rows of table {0} were moved or rewritten as a whole (a partition that came or went, or USING), which the log does not tell; copy it anew with \
                         `tidelock sync {1} --full --tables {0}`",
                        copied.table, flow.job
                    ),
                ));
            }
            let elsewhere = map.is_some_and(|m| copied.to.as_ref() != Some(&m.target.name));
            if elsewhere || flow.two_way.is_some() {
                state.copied.retain(|c| c.table != copied.table);
                continue;
            }
            let filtered = map.and_then(|m| m.filter()).is_some_and(|f| copied.filter.as_deref() != Some(f));
            let kept = map.is_some_and(|m| !self.may_go(moved, &m.target.name)) && !filtered;
            schema::again(state, flow, &copied.table, kept);
            if map.is_some() && !asked {
                let what = match moved {
                    Moved::No => "it is copied in another shape than before",
                    Moved::Came | Moved::Refiled | Moved::Went => {
                        "its rows were moved or rewritten as a whole, which the log does not tell"
                    }
                };
                found.push((copied.table, what.to_owned()));
            }
        }
        // Of a copy that was not whole: rows that were loaded may have gone.
        for map in flow.tables.iter().filter(|_| flow.two_way.is_none()) {
            let moved = snapshot::moved(&self.state, &self.context, map)?;
            if self.may_go(moved, &map.target.name) {
                schema::again(state, flow, &map.source.name, false);
            }
        }
        state.anew.retain(|a| map_of(&a.table).is_none_or(|m| m.target.name == a.before.0));
        // Where others write too, somebody has looked after what only the target has.
        for anew in &mut state.anew {
            let now = map_of(&anew.table).and_then(|m| m.stored.as_deref());
            if let (Some(now), Some(before)) = (now, &anew.stored) {
                anew.kept &= !self.may_go(now.since(before), &anew.before.0);
            }
            anew.stored = now.cloned().or(anew.stored.take());
            anew.kept |= asked.contains(&anew.table) && self.shared(&anew.before.0);
        }
        Ok(found)
    }

    /// Rows of a table of the target may have no counterpart any more, after what became of the source's.
    fn may_go(&self, moved: Moved, to: &TableName) -> bool {
        match moved {
            Moved::No | Moved::Came => false,
            // Most often nothing went: no reason to stop where others write, too.
            Moved::Refiled => !self.shared(to),
            Moved::Went => true,
        }
    }

    /// Another job of the configuration may write this table of the target, too.
    fn shared(&self, to: &TableName) -> bool {
        self.others.iter().any(|job| job.may_write(&self.context.flow.target, to))
    }

    /// The chunks that the copy may go on behind, and the lanes of those that mean nothing any more: of tables that are copied again, or left the job.
    fn chunks(&self, all: Vec<ChunkState>) -> (Vec<ChunkState>, Vec<String>) {
        let again = self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let own = self.context.flow.source_tables();
        let (going_on, stale): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|c| own.contains(&c.table) && !again.contains(&c.table));
        (going_on, stale.iter().map(ChunkState::lane).collect())
    }

    /// A target's table that was copied and is gone would be made again, empty, and only followed.
    async fn still_there(&self, state: &JobState) -> Result<()> {
        let flow = &self.context.flow;
        let copied = |m: &&Arc<TableMap>| state.copied.iter().any(|c| c.table == m.source.name);
        let names: Vec<_> = flow.tables.iter().filter(copied).map(|m| m.target.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let ask = Ask { role: Role::Target, tables: Some(names.clone()) };
        let found = self.context.target.inspect(&ask).await.map_err(SyncError::at(&flow.target))?;
        let gone = |n: &&TableName| !found.tables.iter().any(|t| t.name == **n);
        let gone: Vec<String> = names.iter().filter(gone).map(ToString::to_string).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let (list, job) = (gone.join(", "), &flow.job);
        let message = format!(
            "{list} was copied to {} and is not there any more; bring it back, or copy it anew with `tidelock sync {job} --full --tables {}`",
            flow.target,
            gone.join(",")
        );
        Err(SyncError::stopped("TL-SYNC-TARGET-GONE", message))
    }

    /// `--full` for all tables: where the job stood does not matter any more.
    fn wants_everything_again(&self) -> bool {
        let again = self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.context.flow.source_tables().iter().all(|t| again.contains(t))
    }

    async fn ready(&self) -> Result<()> {
        let mut reached = self.reached.clone();
        reached.wait_for(|r| r.ready).await.map(drop).map_err(|_| SyncError::Cancelled)
    }

    /// Where delivery begins: the state, and the journal's sequence to read behind.
    fn place(&self, stream: Option<&JobState>, since: &Since) -> Result<(JobState, u64)> {
        let context = &self.context;
        let reached = self.reached.borrow().clone();
        let status = self.journal.status();
        let start = self.journal.origin()?.map(|o| o.start);
        let (Some(start), server) = (start, reached.server.clone()) else {
            return Err(SyncError::stopped(
                "TL-SYNC-NO-BEGINNING",
                "the journal has no beginning although its capture runs; please report this",
            ));
        };
        let after = status.last.saturating_sub(SLACK).max(status.first.saturating_sub(1));
        let fresh = || JobState {
            journal: self.journal.id().to_owned(),
            sequence: after,
            position: reached.position.clone().unwrap_or_else(|| start.clone()),
            server: server.clone(),
            copied: vec![],
            anew: vec![],
            marks: vec![],
            unfinished: false,
            skip_to: None,
            unsettled: vec![],
        };
        let Some(state) = stream else { return Ok((fresh(), after)) };
        if self.wants_everything_again() {
            return Ok((
                JobState { copied: state.copied.clone(), anew: state.anew.clone(), ..fresh() },
                after,
            ));
        }
        let (job, source) = (&context.flow.job, &context.flow.source);
        if let Some(reason) = outdated::reason(&self.state, job, &context.flow.target)? {
            return Err(outdated::refused(job, source, &reason));
        }
        if state.journal == self.journal.id() {
            let end = outdated::end(&self.state, job, &context.flow.target, &self.journal)?;
            let end = end.unwrap_or(status.last);
            if state.sequence > end {
                let reason = format!(
                    "it stands at transaction {} of {source}, and the journal ended at {end}: the state directory is older than the target (restored from a backup?)",
                    state.sequence
                );
                outdated::mark(&self.state, job, &context.flow.target, &reason)?;
                return Err(outdated::refused(job, source, &reason));
            }
            return Ok((state.clone(), state.sequence));
        }
        let mut state = self.other_journal(state, start, server, status.first)?;
        state.copied.iter_mut().for_each(|c| c.since = since.of(&c.table));
        state.anew.iter_mut().filter(|a| a.since != 0).for_each(|a| a.since = since.of(&a.table));
        state.marks.iter_mut().for_each(|m| m.told = None);
        Ok((state, 0))
    }

    /// The job was delivered from another journal: this one must hold everything behind the job's position.
    fn other_journal(
        &self,
        state: &JobState,
        start: Position,
        server: Option<Server>,
        first: u64,
    ) -> Result<JobState> {
        let context = &self.context;
        let same_server = state.server.as_ref().zip(server.as_ref()).is_some_and(|(a, b)| a.id == b.id);
        let order =
            context.source.compare(&start, &state.position).map_err(SyncError::at(&context.flow.source))?;
        if !same_server || order == Ordering::Greater || first > 1 {
            let message = format!(
                "{} stands at {} of {}, but this state directory's journal begins at {}: what lies between is not there; use the state directory that the \
                 job ran with, or copy anew with `tidelock sync {} --full`",
                context.flow.job, state.position, context.flow.source, start, context.flow.job
            );
            return Err(SyncError::stopped("TL-SYNC-POSITION-LOST", message));
        }
        let skip_to = (order == Ordering::Less).then(|| state.position.clone());
        let journal = self.journal.id().to_owned();
        Ok(JobState { journal, sequence: 0, server, skip_to, ..state.clone() })
    }

    async fn copy(
        &self,
        target: &mut dyn Target,
        state: &mut JobState,
        done: &[ChunkState],
        since: &Since,
    ) -> Result<()> {
        let context = &self.context;
        let again =
            std::mem::take(&mut *self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if !again.is_empty() {
            // The checkpoint does not name them any more: from here on an interrupted `--full` goes on like any first copy, by plans of its own.
            self.state.forget_plans(&snapshot::plan_name(context))?;
        }
        let wanted = |t: &&Arc<TableMap>| !state.copied.iter().any(|c| c.table == t.source.name);
        let tables: Vec<Arc<TableMap>> = context.flow.tables.iter().filter(wanted).cloned().collect();
        if tables.is_empty() {
            return Ok(());
        }
        if let Some(opposite) = &self.opposite {
            // A row that somebody deletes at the target behind the copy's back would not be missed.
            self.until(&opposite.reached, |r| r.ready).await?;
        }
        context.phase("snapshot");
        let told = schema::told(&self.journal, &context.flow, state).await?;
        let kept = Some((&*self.state, since));
        let marks = snapshot::run(context, target, &tables, done, (&state.anew, &told), kept, None).await?;
        for map in tables.iter().filter(|m| state.anew.iter().any(|a| a.table == m.source.name && !a.kept)) {
            sweep::behind(context, target, map, state, &self.others).await?;
        }
        state.unfinished = true;
        for map in &tables {
            state.marks.retain(|m| m.table != map.source.name);
            state.anew.retain(|a| a.table != map.source.name);
            state.copied.push(CopiedTable::now(map, since.of(&map.source.name)));
        }
        state.marks.extend(marks);
        let lanes =
            Progress::read(&target.checkpoints().await.map_err(SyncError::at(&context.flow.target))?)?;
        let lanes: Vec<String> = lanes.chunks.iter().map(|c| c.lane()).collect();
        self.write(target, state, &lanes).await?;
        self.state.forget_plans(&snapshot::plan_name(context))?;
        Ok(())
    }

    async fn write(&self, target: &mut dyn Target, state: &JobState, remove: &[String]) -> Result<()> {
        let flow = &self.context.flow;
        let at = SyncError::at(&flow.target);
        target.begin(&flow.marks.source).await.map_err(&at)?;
        target.commit(&encode(&flow.job, STREAM_LANE, state), remove).await.map_err(&at)
    }
}
