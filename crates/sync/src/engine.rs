//! All jobs of one configuration: what the command line and the service call.

use crate::context::FlowContext;
use crate::job::Job;
use crate::mapping::TableMap;
use crate::observe::Observer;
use crate::planning::{self, Planning, Purpose, Report};
use crate::same_keys;
use crate::schema::{HISTORY, SchemaChange};
use crate::starting::Unready;
use crate::status::{self, JobStatus};
use crate::verify::{self, TableReport};
use crate::{Judgement, Result, SyncError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidelock_endpoint::{Cleanup, Endpoint};
use tidelock_journal::{Journal, JournalOptions, StateLock, StateStore};
use tidelock_model::TableName;
use tokio_util::sync::CancellationToken;

/// How long what is to be removed may be held by somebody.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to remove it.
const PAUSE: Duration = Duration::from_millis(200);

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
    /// Read from.
    pub source: String,
    /// Written to.
    pub target: String,
    /// What becomes of each table.
    pub tables: Vec<PlannedTable>,
    /// The statements that a run would execute at the source.
    pub at_source: Vec<String>,
    /// The statements that a run would execute at the target.
    pub at_target: Vec<String>,
}

/// What `plan` says of one table.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedTable {
    /// At the source.
    pub table: String,
    /// At the target.
    pub to: String,
    /// Each column at the source with its name at the target, in the target's order.
    pub columns: Vec<(String, String)>,
    /// What else is done with its rows: `where: amount > 0`, `email: sha256`, `total = price * 2.0`.
    pub rules: Vec<String>,
}

impl PlannedTable {
    fn of(map: &TableMap) -> PlannedTable {
        let from = map.columns.iter().map(|place| map.source.columns[*place].name.clone());
        let to = map.target.columns.iter().map(|c| c.name.clone());
        PlannedTable {
            table: map.source.name.to_string(),
            to: map.target.name.to_string(),
            columns: from.zip(to).collect(),
            rules: map.rules().map(|rules| rules.told(&map.target)).unwrap_or_default(),
        }
    }
}

/// What is known of jobs and journals.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// A tidelock works with this state directory now.
    pub running: bool,
    /// The jobs that ever ran.
    pub jobs: Vec<JobStatus>,
    /// What was done because tables of the sources changed: the last of each flow, in order.
    pub schema_changes: Vec<SchemaChange>,
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

impl SyncOptions {
    /// All tables are copied again.
    pub(crate) fn everything(&self) -> bool {
        self.full && self.tables.is_empty()
    }
}

/// How often a `sync` begins anew because tables of a source were replaced under its hands.
const REPLANS: u32 = 5;

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

    /// Where a source's journal is.
    pub(crate) fn journal_of(&self, source: &str) -> PathBuf {
        self.state.join("journal").join(format!("{source}.db"))
    }

    pub(crate) fn endpoint(&self, name: &str) -> Result<&Arc<dyn Endpoint>> {
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

    pub(crate) async fn ready(&self, job: &Job, cancel: &CancellationToken) -> Result<Vec<Planning>> {
        let all = self.plannings(job, Purpose::Follow, cancel).await?;
        planning::refuse_errors(job, &all)?;
        Ok(all)
    }

    /// Connects and lists every unmet precondition of the jobs, touching nothing. With `data` the rows are looked at, too: whether keys fall together at the target.
    pub async fn check(&self, job: Option<&str>, data: bool) -> Result<Vec<Report>> {
        let cancel = CancellationToken::new();
        let mut reports = Vec::new();
        for job in self.select(job)? {
            for Planning { context, mut report, .. } in self.plannings(job, Purpose::Follow, &cancel).await? {
                if report.is_ready()
                    && let Err(error) = at_target(&context).await
                {
                    report.findings.insert(0, error.finding(&context.flow.target)?);
                }
                if data && report.is_ready() {
                    report.findings.splice(0..0, same_keys::look(&context).await?);
                }
                reports.push(report);
            }
        }
        Ok(reports)
    }

    /// What a run would create and how tables are mapped, touching nothing.
    pub async fn plan(&self, job: Option<&str>) -> Result<Vec<Planned>> {
        let cancel = CancellationToken::new();
        let mut all = Vec::new();
        for job in self.select(job)? {
            for planning in self.ready(job, &cancel).await? {
                let (flow, context) = (&planning.flow, &planning.context);
                let at_target = at_target(context).await?;
                let at = SyncError::at(&flow.source);
                let mut source = context.source.source(context.capture).await.map_err(&at)?;
                let at_source = source.plan(&flow.source_tables()).await.map_err(&at)?;
                all.push(Planned {
                    job: flow.job.clone(),
                    source: flow.source.clone(),
                    target: flow.target.clone(),
                    tables: flow.tables.iter().map(|t| PlannedTable::of(t)).collect(),
                    at_source,
                    at_target,
                });
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
        let (lock, mut attempt) = (self.lock()?, 0);
        loop {
            let (running, _) = self.start(&jobs, options, Unready::Refused, &lock, cancel).await?;
            match running.finish_at_head(cancel).await {
                Err(error) if error.judge() == Judgement::Replan && attempt < REPLANS => {
                    self.again(error, &mut attempt, cancel).await?;
                }
                done => return done,
            }
        }
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
            let mut plannings = self.plannings(job, Purpose::Compare, cancel).await?;
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
                all.journals.insert(endpoint.to_owned(), status::parse(&entry)?);
            } else if entry.job.starts_with(HISTORY) {
                all.schema_changes.extend(status::parse::<Vec<SchemaChange>>(&entry)?);
            } else if !entry.job.contains(' ') {
                all.jobs.push(status::parse(&entry)?);
            }
        }
        all.running = StateLock::is_held(&self.state);
        Ok(all)
    }

    /// Lists, and with `remove` also removes, what tidelock put into the databases of a job, or of all.
    /// Removing needs the state directory: nothing may be at work. For all jobs, the journals of their sources go too.
    pub async fn cleanup(&self, job: Option<&str>, remove: bool) -> Result<Vec<(String, Cleanup)>> {
        let _lock = if remove && self.state.exists() { Some(StateLock::acquire(&self.state)?) } else { None };
        let mut names: Vec<&str> =
            self.select(job)?.iter().flat_map(|j| j.route.directions()).flat_map(|(a, b)| [a, b]).collect();
        names.sort_unstable();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            let endpoint = self.endpoint(name)?;
            // Listed before, because a removal that has to be tried again finds only what the first one left.
            let found = endpoint.cleanup(job, false).await.map_err(SyncError::at(name))?;
            if remove {
                removed(&**endpoint, job).await?;
            }
            all.extend(found.into_iter().map(|c| (name.to_owned(), c)));
            if remove && job.is_none() {
                Journal::remove(&self.journal_of(name))?;
            }
        }
        Ok(all)
    }
}

/// What a run would run at a flow's target first.
async fn at_target(context: &FlowContext) -> Result<Vec<String>> {
    let (flow, at) = (&context.flow, SyncError::at(&context.flow.target));
    let mut target = context.target.target(&flow.job).await.map_err(&at)?;
    let tables: Vec<_> = flow.tables.iter().map(|t| t.target.clone()).collect();
    let engine = context.source.capabilities().engine;
    let mut all = target.plan(engine, &tables).await.map_err(&at)?;
    all.extend(target.alter(engine, &flow.alterations, true).await.map_err(&at)?);
    Ok(all)
}

/// Removes what tidelock put into a database. What just ended may hold some of it for a moment: its server notices a little later.
async fn removed(endpoint: &dyn Endpoint, job: Option<&str>) -> Result<()> {
    let began = Instant::now();
    loop {
        match endpoint.cleanup(job, true).await.map_err(SyncError::at(endpoint.name())) {
            Err(error) if error.judge() == Judgement::RetryNow && began.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done.map(drop),
        }
    }
}
