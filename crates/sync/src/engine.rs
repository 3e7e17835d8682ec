//! All jobs of one configuration: what the command line and the service call.

use crate::capture::{Capture, Reached};
use crate::checkpoint::Progress;
use crate::deliver::settle::{Arrived, Opposite};
use crate::flow::FlowRun;
use crate::job::{Job, Route};
use crate::observe::Observer;
use crate::planning::{self, Planning, Purpose, Report};
use crate::running::{Captured, Ended, Running};
use crate::status::{self, JobStatus, Keeper};
use crate::verify::{self, TableReport};
use crate::{Result, SyncError};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidelock_endpoint::{Cleanup, Endpoint, ServerIdentity};
use tidelock_journal::{Journal, JournalOptions, StateLock, StateOptions, StateStore};
use tidelock_model::{Position, TableName};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Everything that a configuration names, ready to work.
pub struct Engine {
    /// The endpoints by name.
    pub endpoints: BTreeMap<String, Arc<dyn Endpoint>>,
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Journals, plans, conflict log.
    pub state: PathBuf,
    /// Limits of every journal.
    pub journal: JournalOptions,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
}

/// What `plan` says of one direction of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// The job.
    pub job: String,
    /// Written to.
    pub target: String,
    /// The statements that a run would execute there.
    pub statements: Vec<String>,
}

/// What is known of jobs and journals.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// A tidelock works with this state directory now.
    pub running: bool,
    /// The jobs that ever ran.
    pub jobs: Vec<JobStatus>,
    /// Each source's journal, as [`JournalStatus`](tidelock_journal::JournalStatus) has it.
    pub journals: BTreeMap<String, serde_json::Value>,
}

/// How `sync` is asked to work.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// Copy again what was copied.
    pub full: bool,
    /// Only these tables are copied again; empty: all.
    pub tables: Vec<String>,
}

impl Engine {
    /// The jobs called `name`, or all.
    pub fn select(&self, name: Option<&str>) -> Result<Vec<&Job>> {
        let Some(name) = name else { return Ok(self.jobs.iter().collect()) };
        let jobs: Vec<&Job> = self.jobs.iter().filter(|j| j.name == name).collect();
        if jobs.is_empty() {
            let all: Vec<&str> = self.jobs.iter().map(|j| j.name.as_str()).collect();
            return Err(SyncError::stopped(
                "TL-SYNC-NO-JOB",
                format!("there is no job {name}; there are: {}", all.join(", ")),
            ));
        }
        Ok(jobs)
    }

    fn endpoint(&self, name: &str) -> Result<&Arc<dyn Endpoint>> {
        let missing = || SyncError::stopped("TL-SYNC-NO-ENDPOINT", format!("there is no endpoint {name}"));
        self.endpoints.get(name).ok_or_else(missing)
    }

    async fn plannings(
        &self,
        job: &Job,
        purpose: Purpose,
        cancel: &CancellationToken,
    ) -> Result<Vec<Planning>> {
        let directions = job.route.directions();
        let mut opposite: Vec<Vec<TableName>> = vec![Vec::new(); directions.len()];
        if let [(a, b), _] = directions[..] {
            let (a, b) = (self.endpoint(a)?, self.endpoint(b)?);
            opposite = vec![planning::tables_of(job, b).await?, planning::tables_of(job, a).await?];
        }
        let mut all = Vec::new();
        for ((source, target), opposite) in directions.into_iter().zip(opposite) {
            let (source, target) = (self.endpoint(source)?, self.endpoint(target)?);
            let observer = &self.observer;
            all.push(planning::direction(job, purpose, &opposite, source, target, observer, cancel).await?);
        }
        Ok(all)
    }

    async fn ready(&self, job: &Job, cancel: &CancellationToken) -> Result<Vec<Planning>> {
        let all = self.plannings(job, Purpose::Follow, cancel).await?;
        planning::refuse_errors(job, &all)?;
        Ok(all)
    }

    /// Connects and lists every unmet precondition of the jobs, touching nothing.
    pub async fn check(&self, job: Option<&str>) -> Result<Vec<Report>> {
        let cancel = CancellationToken::new();
        let mut reports = Vec::new();
        for job in self.select(job)? {
            reports
                .extend(self.plannings(job, Purpose::Follow, &cancel).await?.into_iter().map(|p| p.report));
        }
        Ok(reports)
    }

    /// What a run would create, touching nothing.
    pub async fn plan(&self, job: Option<&str>) -> Result<Vec<Planned>> {
        let cancel = CancellationToken::new();
        let mut all = Vec::new();
        for job in self.select(job)? {
            for planning in self.ready(job, &cancel).await? {
                let (flow, context) = (&planning.flow, &planning.context);
                let at = SyncError::at(&flow.target);
                let mut target = context.target.target(&flow.job).await.map_err(&at)?;
                let tables: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
                let statements =
                    target.plan(context.source.capabilities().engine, &tables).await.map_err(&at)?;
                all.push(Planned { job: flow.job.clone(), target: flow.target.clone(), statements });
            }
        }
        Ok(all)
    }

    /// Copies what was never copied, delivers everything that was committed before the call, and returns.
    pub async fn sync(
        &self,
        job: Option<&str>,
        options: &SyncOptions,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let jobs = self.select(job)?;
        let running = self.start(&jobs, options, cancel).await?;
        running.finish_at_head(cancel).await
    }

    /// Runs all jobs until asked to stop, or until one cannot go on. The others are stopped cleanly then, and the error is returned.
    pub async fn run(&self, cancel: &CancellationToken) -> Result<()> {
        let jobs = self.select(None)?;
        let running = self.start(&jobs, &SyncOptions::default(), cancel).await?;
        running.until_stopped().await
    }

    /// Compares both sides of a job; those of a two-way job once, seen from the first endpoint. What differs is read again `rechecks` times.
    pub async fn verify(
        &self,
        job: &str,
        rechecks: u32,
        cancel: &CancellationToken,
    ) -> Result<Vec<TableReport>> {
        let mut reports = Vec::new();
        for job in self.select(Some(job))? {
            let mut plannings = self.plannings(job, Purpose::ReadOnce, cancel).await?;
            plannings.truncate(1);
            planning::refuse_errors(job, &plannings)?;
            for map in plannings.iter().flat_map(|p| p.flow.tables.iter().map(move |map| (p, map))) {
                reports.push(verify::table(&map.0.context, map.1, rechecks).await?);
            }
        }
        Ok(reports)
    }

    /// What every job, and every journal, was doing when it was last written down: within a second when a service runs.
    pub fn status(&self) -> Result<Status> {
        let path = self.state.join("state.db");
        if !path.exists() {
            return Ok(Status::default());
        }
        let store = StateStore::open_to_read(&path)?;
        let mut all = Status::default();
        for entry in store.job_statuses()? {
            if let Some(endpoint) = entry.job.strip_prefix(status::JOURNAL) {
                let journal = serde_json::from_str(&entry.status).unwrap_or_default();
                all.journals.insert(endpoint.to_owned(), journal);
            } else if let Ok(job) = serde_json::from_str(&entry.status) {
                all.jobs.push(job);
            }
        }
        all.running = StateLock::acquire(&self.state).is_err();
        Ok(all)
    }

    /// Lists, and with `remove` also removes, what tidelock put into the databases of a job, or of all.
    pub async fn cleanup(&self, job: Option<&str>, remove: bool) -> Result<Vec<(String, Cleanup)>> {
        let mut names: Vec<&str> =
            self.select(job)?.iter().flat_map(|j| j.route.directions()).flat_map(|(a, b)| [a, b]).collect();
        names.sort_unstable();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            let found = self.endpoint(name)?.cleanup(job, remove).await.map_err(SyncError::at(name))?;
            all.extend(found.into_iter().map(|c| (name.to_owned(), c)));
        }
        Ok(all)
    }

    async fn start(
        &self,
        jobs: &[&Job],
        options: &SyncOptions,
        cancel: &CancellationToken,
    ) -> Result<Running> {
        std::fs::create_dir_all(&self.state).map_err(|e| {
            SyncError::stopped(
                "TL-SYNC-STATE",
                format!("making the state directory {}: {e}", self.state.display()),
            )
        })?;
        let lock = StateLock::acquire(&self.state)?;
        let state = Arc::new(StateStore::open(&self.state.join("state.db"), StateOptions::default())?);
        let keeper = Arc::new(Keeper::new(self.observer.clone()));
        let observer: Arc<dyn Observer> = keeper.clone();
        let stop = cancel.child_token();
        let mut plannings = Vec::new();
        for job in jobs {
            self.make_missing_sides(job, &stop).await?;
            plannings.extend(self.ready(job, &stop).await?);
        }
        let (captures, flows) = (BTreeMap::new(), Vec::new());
        let mut running =
            Running { stop, captures, flows, tasks: JoinSet::new(), observer: observer.clone(), lock };
        for planning in &plannings {
            if !running.captures.contains_key(&planning.flow.source) {
                self.start_capture(&mut running, planning, &plannings, &state, &observer).await?;
            }
        }
        let arrivals: Vec<_> = plannings.iter().map(|_| watch::channel(None).0).collect();
        let opposites: Vec<_> =
            plannings.iter().map(|p| opposite(p, &plannings, &arrivals, &running)).collect();
        for ((planning, delivered), opposite) in plannings.into_iter().zip(arrivals).zip(opposites) {
            start_flow(&mut running, planning, (delivered, opposite), options, &state, &observer);
        }
        let journals = running.captures.iter().map(|(name, c)| (name.clone(), c.journal.clone())).collect();
        tokio::spawn(save_status(keeper, state, journals, running.stop.clone()));
        Ok(running)
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
        state: &Arc<StateStore>,
        observer: &Arc<dyn Observer>,
    ) -> Result<()> {
        let name = &planning.flow.source;
        let endpoint = self.endpoint(name)?.clone();
        let same: Vec<&Planning> = all.iter().filter(|p| p.flow.source == *name).collect();
        let mut tables: Vec<TableName> = same.iter().flat_map(|p| p.flow.source_tables()).collect();
        tables.extend(self.tables_of_others(name, &same).await?);
        tables.sort();
        tables.dedup();
        let path = self.state.join("journal").join(format!("{name}.db"));
        let journal = Journal::open(&path, self.journal)?;
        let resume_new_at = if journal.origin()?.is_none() { oldest(&same).await? } else { None };
        let (sender, reached) = watch::channel(Reached::default());
        let kind = planning.context.capture;
        let capture = Capture {
            endpoint: endpoint.clone(),
            kind,
            tables,
            journal: journal.clone(),
            resume_new_at,
            state: state.clone(),
            observer: observer.clone(),
            reached: sender,
        };
        let stop = running.stop.child_token();
        let (cancel, source) = (stop.clone(), name.clone());
        running.tasks.spawn(async move { Ended::Capture(source, capture.run(&cancel).await) });
        running.captures.insert(name.clone(), Captured { endpoint, kind, journal, reached, stop });
        Ok(())
    }

    /// What other jobs of the configuration want from this source: the capture is theirs too, whether or not they run now.
    async fn tables_of_others(&self, source: &str, running: &[&Planning]) -> Result<Vec<TableName>> {
        let mut tables = Vec::new();
        for job in self.jobs.iter().filter(|j| !running.iter().any(|p| p.flow.job == j.name)) {
            if job.route.directions().iter().any(|(from, _)| *from == source) {
                tables.extend(planning::tables_of(job, self.endpoint(source)?).await?);
            }
        }
        Ok(tables)
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
    mut planning: Planning,
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
    let run = FlowRun {
        journal: source.journal.clone(),
        state: state.clone(),
        reached: source.reached.clone(),
        delivered,
        opposite,
        again: Mutex::new(again),
        context: planning.context,
    };
    running.flows.push((planning.flow.source, watch));
    let job = planning.flow.job;
    running.tasks.spawn(async move { Ended::Flow(job, run.run().await) });
}

/// Writes the status down every second, and once more at the end.
async fn save_status(
    keeper: Arc<Keeper>,
    state: Arc<StateStore>,
    journals: Vec<(String, Journal)>,
    stop: CancellationToken,
) {
    loop {
        let stopped = tokio::time::timeout(Duration::from_secs(1), stop.cancelled()).await.is_ok();
        if let Err(error) = keeper.save(&state, &journals) {
            tracing::warn!(%error, "writing the status");
        }
        if stopped {
            return;
        }
    }
}

/// The oldest position at which a job of this source stands, for a journal that begins anew.
async fn oldest(plannings: &[&Planning]) -> Result<Option<(Position, ServerIdentity)>> {
    let mut oldest: Option<(Position, ServerIdentity)> = None;
    for planning in plannings {
        let (flow, context) = (&planning.flow, &planning.context);
        let at = SyncError::at(&flow.target);
        let mut target = context.target.target(&flow.job).await.map_err(&at)?;
        let Some(state) = Progress::read(&target.checkpoints().await.map_err(&at)?)?.stream else { continue };
        let Some(server) = &state.server else { continue };
        let older = match &oldest {
            Some((position, _)) => {
                context.source.compare(&state.position, position).map_err(SyncError::at(&flow.source))?
                    == Ordering::Less
            }
            None => true,
        };
        if older {
            oldest = Some((state.position.clone(), server.into()));
        }
    }
    Ok(oldest)
}
