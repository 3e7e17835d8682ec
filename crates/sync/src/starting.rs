//! Starting jobs: looking at both ends, one capture for each source, one flow for each direction.

use crate::capture::{Beginning, Capture, Reached};
use crate::checkpoint::{JobState, Progress};
use crate::deliver::reader_name;
use crate::deliver::settle::{Arrived, Opposite};
use crate::engine::{Engine, SyncOptions};
use crate::flow::FlowRun;
use crate::job::{Job, Route};
use crate::observe::{Observer, Part};
use crate::outdated;
use crate::planning::{self, Planning};
use crate::running::{Captured, Ended, Flowing, Running, Runs, Saver};
use crate::schema::{self, Changed};
use crate::status::Keeper;
use crate::{Judgement, Result, SyncError};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tidelock_endpoint::ServerIdentity;
use tidelock_journal::{Journal, StateLock, StateOptions, StateStore};
use tidelock_model::{Position, TableName};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What becomes of a job that cannot start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unready {
    /// Nothing is started.
    Refused,
    /// The others are started without it, if it is only that an endpoint does not answer.
    LeftOut,
    /// The others were at work already, and are started again without it whatever it is.
    Told,
}

impl Engine {
    /// The state directory, made where it is absent, for this process alone.
    pub(crate) fn lock(&self) -> Result<Arc<StateLock>> {
        std::fs::create_dir_all(&self.state).map_err(|e| {
            let message = format!("making the state directory {}: {e}", self.state.display());
            SyncError::stopped("TL-SYNC-STATE", message)
        })?;
        Ok(Arc::new(StateLock::acquire(&self.state)?))
    }

    /// Starts `jobs`; returns those that were left out because an endpoint is away, each with the error.
    pub(crate) async fn start<'j>(
        &self,
        jobs: &[&'j Job],
        options: &SyncOptions,
        unready: Unready,
        lock: &Arc<StateLock>,
        cancel: &CancellationToken,
    ) -> Result<(Running, Vec<(&'j Job, SyncError)>)> {
        let state = Arc::new(StateStore::open(&self.state.join("state.db"), StateOptions::default())?);
        let keeper = Arc::new(Keeper::new(self.observer.clone()));
        let observer: Arc<dyn Observer> = keeper.clone();
        let stop = cancel.child_token();
        let (mut plannings, mut left_out, mut refused) = (Vec::new(), Vec::new(), None);
        for job in jobs {
            match self.made_ready(job, &stop).await {
                Ok(planned) => plannings.extend(planned),
                Err(SyncError::Cancelled) => return Err(SyncError::Cancelled),
                Err(error) if unready != Unready::Refused && error.judge() != Judgement::Stop => {
                    left_out.push((*job, error));
                }
                Err(error) if unready == Unready::Told => {
                    observer.event(&Part::Job(&job.name).failed(&error, None));
                    refused = refused.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = refused.filter(|_| plannings.is_empty() && left_out.is_empty()) {
            keeper.save(&state, &[])?;
            return Err(error);
        }
        let follows = |p: &Planning| jobs.iter().any(|j| j.name == p.flow.job && schema::follows(j));
        let (captures, flows) = (BTreeMap::new(), Vec::new());
        let (tasks, runs) = (JoinSet::new(), Runs::new(state.clone()));
        let mut running = Running {
            stop,
            captures,
            flows,
            tasks,
            observer: observer.clone(),
            shapes: schema::shapes(plannings.iter().filter(|p| follows(p))),
            replan: None,
            runs,
            lock: lock.clone(),
            saver: None,
        };
        for planning in &plannings {
            let started = running.captures.contains_key(&planning.flow.source);
            if !started
                && let Err(error) =
                    self.start_capture(&mut running, planning, &plannings, options, &state).await
            {
                running.stop.cancel();
                return Err(running.until_stopped().await.err().unwrap_or(error));
            }
        }
        let arrivals: Vec<_> = plannings.iter().map(|_| watch::channel(None).0).collect();
        let opposites: Vec<_> =
            plannings.iter().map(|p| opposite(p, &plannings, &arrivals, &running)).collect();
        for ((planning, delivered), opposite) in plannings.into_iter().zip(arrivals).zip(opposites) {
            running.runs.begun(&planning.flow.job)?;
            let (own, others) =
                self.jobs.iter().cloned().partition::<Vec<Job>, _>(|j| j.name == planning.flow.job);
            let Some(job) = own.into_iter().next() else { continue };
            start_flow(
                &mut running,
                (job, others, planning),
                (delivered, opposite),
                options,
                &state,
                &observer,
            );
        }
        let journals = running.captures.iter().map(|(name, c)| (name.clone(), c.journal.clone())).collect();
        running.saver = Some(Saver::begin(keeper, state, journals));
        Ok((running, left_out))
    }

    pub(crate) async fn made_ready(&self, job: &Job, cancel: &CancellationToken) -> Result<Vec<Planning>> {
        self.make_missing_sides(job, cancel).await?;
        self.ready(job, cancel).await
    }

    /// A two-way job may begin with one side empty: its tables are made there first, so that they can be captured at once.
    async fn make_missing_sides(&self, job: &Job, cancel: &CancellationToken) -> Result<()> {
        if let Route::OneWay { .. } = job.route {
            return Ok(());
        }
        for planning in self.ready(job, cancel).await? {
            let (flow, context) = (&planning.flow, &planning.context);
            let at = SyncError::at(&flow.target);
            let mut target = context.target.target(&flow.job).await.map_err(&at)?;
            let tables: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
            target.prepare(context.source.capabilities().engine, &tables).await.map_err(&at)?;
        }
        Ok(())
    }

    async fn start_capture(
        &self,
        running: &mut Running,
        planning: &Planning,
        all: &[Planning],
        options: &SyncOptions,
        state: &Arc<StateStore>,
    ) -> Result<()> {
        let name = &planning.flow.source;
        let endpoint = self.endpoint(name)?.clone();
        let same: Vec<&Planning> = all.iter().filter(|p| p.flow.source == *name).collect();
        let mut tables: Vec<TableName> = same.iter().flat_map(|p| p.flow.source_tables()).collect();
        tables.extend(self.tables_of_others(name, &same).await?);
        tables.sort();
        tables.dedup();
        let path = self.journal_of(name);
        // Whoever reads this source is copied anew: what was captured before, and whether it can still be read, matters no more.
        let runs = |job: &str| same.iter().any(|p| p.flow.job == job);
        let anew = options.everything() && self.readers(name).iter().all(|(job, _)| runs(job));
        if anew {
            for (job, target) in self.readers(name) {
                outdated::mark(state, job, target, "an earlier `sync --full` was broken off")?;
            }
            Journal::remove(&path)?;
        }
        let journal = Journal::open(&path, self.journal)?;
        for (job, target) in self.readers(name) {
            outdated::opened(state, job, target, &journal)?;
        }
        self.forget_strangers(name, &journal);
        let beginning = match journal.origin()? {
            None if anew => Beginning::Anew,
            None if options.everything() => Beginning::Capture,
            None => self.oldest(name, &same, &journal, state).await?,
            Some(_) => Beginning::Capture,
        };
        let (sender, reached) = watch::channel(Reached::default());
        let kind = planning.context.capture;
        let capture = Capture {
            endpoint: endpoint.clone(),
            kind,
            tables,
            journal: journal.clone(),
            beginning,
            state: state.clone(),
            observer: running.observer.clone(),
            reached: sender,
        };
        let stop = running.stop.child_token();
        let (cancel, source) = (stop.clone(), name.clone());
        running.tasks.spawn(async move { Ended::Capture(source, capture.run(&cancel).await) });
        running.captures.insert(name.clone(), Captured { endpoint, kind, journal, reached, stop });
        Ok(())
    }

    /// What other jobs of the configuration want from this source: the capture is theirs too, whether or not they run now. What cannot be captured as it is
    /// is told when they run.
    async fn tables_of_others(&self, source: &str, running: &[&Planning]) -> Result<Vec<TableName>> {
        let mut tables = Vec::new();
        for job in self.jobs.iter().filter(|j| !running.iter().any(|p| p.flow.job == j.name)) {
            if job.route.directions().iter().any(|(from, _)| *from == source) {
                tables.extend(planning::followable(job, self.endpoint(source)?).await?);
            }
        }
        Ok(tables)
    }

    /// The flows of the configuration that read a source: each job with its target.
    fn readers(&self, source: &str) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        for job in &self.jobs {
            let ways = job.route.directions().into_iter().filter(|(from, _)| *from == source);
            all.extend(ways.map(|(_, to)| (job.name.as_str(), to)));
        }
        all
    }

    /// Where a journal begins that is new: the oldest position at which a job of this source stands, whether or not it runs now. All those hold the journal from there.
    async fn oldest(
        &self,
        source: &str,
        running: &[&Planning],
        journal: &Journal,
        state: &StateStore,
    ) -> Result<Beginning> {
        let endpoint = self.endpoint(source)?;
        let mut oldest: Option<(Position, ServerIdentity)> = None;
        for (job, to) in self.readers(source) {
            // One that has to begin anew will be told so.
            if outdated::reason(state, job, to)?.is_some() {
                continue;
            }
            let asked = async {
                let at = SyncError::at(to);
                let mut target = self.endpoint(to)?.target(job).await.map_err(&at)?;
                Progress::read(&target.checkpoints().await.map_err(&at)?)
            };
            let progress = match asked.await {
                // It will be told that its place is gone, if it had one.
                Err(error) if !running.iter().any(|p| p.flow.job == job) => {
                    tracing::warn!(job, source, %error, "whether it stands at an earlier place than the journal that begins now is not known");
                    continue;
                }
                progress => progress?,
            };
            let Some(JobState { position, server: Some(server), .. }) = progress.stream else { continue };
            drop(journal.reader(&reader_name(job, to), 0)?);
            let older = match &oldest {
                None => true,
                Some((least, _)) => {
                    let order = endpoint.compare(&position, least).map_err(SyncError::at(source))?;
                    order == Ordering::Less
                }
            };
            if older {
                oldest = Some((position, (&server).into()));
            }
        }
        Ok(oldest.map_or(Beginning::Capture, |(at, server)| Beginning::At(at, server)))
    }

    /// A job that left the configuration holds the journal no more: its tables are not captured any more, so that it could not go on anyway.
    fn forget_strangers(&self, source: &str, journal: &Journal) {
        let known: Vec<String> = self.readers(source).iter().map(|(job, to)| reader_name(job, to)).collect();
        for reader in journal.status().readers.iter().filter(|r| !known.contains(&r.name)) {
            tracing::info!(
                reader = reader.name,
                source,
                "is not in the configuration any more: its place in the journal is given up"
            );
            journal.forget_reader(&reader.name);
        }
    }
}

/// The other direction of a two-way job.
fn opposite(
    planning: &Planning,
    all: &[Planning],
    arrivals: &[watch::Sender<Option<Arrived>>],
    running: &Running,
) -> Option<Opposite> {
    let flow = &planning.flow;
    let other = all.iter().position(|p| p.flow.job == flow.job && p.flow.source == flow.target)?;
    let reached = running.captures.get(&flow.target)?.reached.clone();
    Some(Opposite { arrived: arrivals[other].subscribe(), reached })
}

fn start_flow(
    running: &mut Running,
    (job, others, mut planning): (Job, Vec<Job>, Planning),
    (delivered, opposite): (watch::Sender<Option<Arrived>>, Option<Opposite>),
    options: &SyncOptions,
    state: &Arc<StateStore>,
    observer: &Arc<dyn Observer>,
) {
    let source = &running.captures[&planning.flow.source];
    let asked =
        |t: &TableName| options.tables.is_empty() || options.tables.iter().any(|p| crate::job::matches(p, t));
    let again = planning.flow.source_tables().into_iter().filter(|t| options.full && asked(t)).collect();
    planning.context.observer = observer.clone();
    planning.context.cancel = source.stop.child_token();
    let watch = delivered.subscribe();
    let mut run = FlowRun {
        job,
        others,
        changed: Changed::default(),
        cleared: false,
        journal: source.journal.clone(),
        state: state.clone(),
        reached: source.reached.clone(),
        delivered,
        opposite,
        again: Mutex::new(again),
        context: planning.context,
    };
    let (job, source, name) = (planning.flow.job, planning.flow.source, run.context.name());
    running.flows.push(Flowing { job: job.clone(), source: source.clone(), delivered: watch });
    running.tasks.spawn(async move { Ended::Flow { job, source, name, result: run.run().await } });
}
