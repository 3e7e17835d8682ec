//! All jobs of one configuration: what the command line and the service call.

use crate::capture::{Capture, Reached};
use crate::checkpoint::Progress;
use crate::flow::FlowRun;
use crate::job::Job;
use crate::observe::Observer;
use crate::planning::{self, Planning, Purpose, Report};
use crate::running::{Captured, Running};
use crate::verify::{self, TableReport};
use crate::{Result, SyncError};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
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
        let mut all = Vec::new();
        for (source, target) in job.route.directions() {
            let (source, target) = (self.endpoint(source)?, self.endpoint(target)?);
            all.push(planning::direction(job, purpose, source, target, &self.observer, cancel).await?);
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
        running.until_stopped(cancel).await
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
        let lock = StateLock::acquire(&self.state)?;
        let stop = cancel.child_token();
        let mut plannings = Vec::new();
        for job in jobs {
            plannings.extend(self.ready(job, &stop).await?);
        }
        let state = Arc::new(StateStore::open(&self.state.join("state.db"), StateOptions::default())?);
        let mut running = Running {
            stop: stop.clone(),
            captures: BTreeMap::new(),
            flows: Vec::new(),
            tasks: JoinSet::new(),
            lock,
        };
        for planning in &plannings {
            if !running.captures.contains_key(&planning.flow.source) {
                self.start_capture(&mut running, planning, &plannings).await?;
            }
        }
        for planning in plannings {
            let source = &running.captures[&planning.flow.source];
            let again = planning.flow.source_tables().into_iter().filter(|t| {
                options.full
                    && (options.tables.is_empty() || options.tables.iter().any(|p| crate::job::matches(p, t)))
            });
            let (delivered, watch) = watch::channel(0);
            let run = FlowRun {
                journal: source.journal.clone(),
                state: state.clone(),
                reached: source.reached.clone(),
                delivered,
                again: Mutex::new(again.collect()),
                context: planning.context,
            };
            running.flows.push((planning.flow.source.clone(), watch));
            running.tasks.spawn(async move { run.run().await });
        }
        Ok(running)
    }

    async fn start_capture(
        &self,
        running: &mut Running,
        planning: &Planning,
        all: &[Planning],
    ) -> Result<()> {
        let name = &planning.flow.source;
        let endpoint = self.endpoint(name)?.clone();
        let same: Vec<&Planning> = all.iter().filter(|p| p.flow.source == *name).collect();
        let mut tables: Vec<TableName> = same.iter().flat_map(|p| p.flow.source_tables()).collect();
        tables.sort();
        tables.dedup();
        let journal =
            Journal::open(&self.state.join("journal").join(format!("{name}.db")), self.journal.clone())?;
        let resume_new_at = if journal.origin()?.is_none() { oldest(&same).await? } else { None };
        let (sender, reached) = watch::channel(Reached::default());
        let kind = planning.context.capture;
        let observer = self.observer.clone();
        let capture = Capture {
            endpoint: endpoint.clone(),
            kind,
            tables,
            journal: journal.clone(),
            resume_new_at,
            observer,
            reached: sender,
        };
        let stop = running.stop.clone();
        running.tasks.spawn(async move { capture.run(&stop).await });
        running.captures.insert(name.clone(), Captured { endpoint, kind, journal, reached });
        Ok(())
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
