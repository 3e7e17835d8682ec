//! Captures and flows at work, and how they end.
//!
//! One part that cannot go on does not stop the others: a flow ends alone, a capture ends with the flows that read it. When no flow is left
//! everything ends, with the first error.

use crate::capture::Reached;
use crate::context::now_micros;
use crate::deliver::settle::Arrived;
use crate::observe::{Observer, Part};
use crate::schema::Shapes;
use crate::status::Keeper;
use crate::{Judgement, Result, SyncError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{CaptureKind, Endpoint};
use tidelock_journal::{Journal, StateLock, StateStore};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How often the status is written down.
const SAVE: Duration = Duration::from_secs(1);

/// A source that is being captured.
pub struct Captured {
    /// The source.
    pub endpoint: Arc<dyn Endpoint>,
    /// How it is read.
    pub kind: CaptureKind,
    /// Where it goes.
    pub journal: Journal,
    /// How far it is.
    pub reached: watch::Receiver<Reached>,
    /// Stops the capture and the flows that read it.
    pub stop: CancellationToken,
}

/// A part that ended.
pub enum Ended {
    /// The capture of a source.
    Capture(String, Result<()>),
    /// A flow of a job.
    Flow {
        /// The job.
        job: String,
        /// The endpoint it reads.
        source: String,
        /// The direction, for people.
        name: String,
        /// How.
        result: Result<()>,
    },
}

/// Everything that was started together.
pub struct Running {
    /// Stops all of it.
    pub stop: CancellationToken,
    /// By the source's name.
    pub captures: BTreeMap<String, Captured>,
    /// The flows at work.
    pub flows: Vec<Flowing>,
    /// The captures and flows.
    pub tasks: JoinSet<Ended>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// The tables of the flows, as they were planned.
    pub shapes: Shapes,
    /// Why everything is to be stopped and planned anew.
    pub replan: Option<SyncError>,
    /// The history of the jobs that run.
    pub runs: Runs,
    /// Keeps other processes off the state directory until the journals are closed.
    pub lock: Arc<StateLock>,
    /// Writes the status down.
    pub saver: Option<Saver>,
}

/// What writes the status down, until it is ended.
pub struct Saver {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Saver {
    /// Writes the status down every second, and once more at the end.
    pub fn begin(keeper: Arc<Keeper>, state: Arc<StateStore>, journals: Vec<(String, Journal)>) -> Saver {
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let task = tokio::spawn(async move {
            loop {
                let stopped = tokio::time::timeout(SAVE, asked.cancelled()).await.is_ok();
                if let Err(error) = keeper.save(&state, &journals) {
                    tracing::warn!(%error, "writing the status");
                }
                if stopped {
                    return;
                }
            }
        });
        Saver { stop, task }
    }

    /// Returns when it is written down for the last time.
    pub async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "writing the status");
        }
    }
}

/// A flow at work.
#[derive(Clone)]
pub struct Flowing {
    /// The job.
    pub job: String,
    /// The endpoint it reads.
    pub source: String,
    /// How far it is.
    pub delivered: watch::Receiver<Option<Arrived>>,
}

impl Flowing {
    /// Whether it is this one.
    pub fn is(&self, other: &Flowing) -> bool {
        (&self.job, &self.source) == (&other.job, &other.source)
    }
}

/// The runs that were begun, in the history.
pub struct Runs {
    state: Arc<StateStore>,
    /// By job: the run, and the flows that are still at work.
    begun: BTreeMap<String, (i64, usize)>,
}

impl Runs {
    /// None was begun.
    pub fn new(state: Arc<StateStore>) -> Runs {
        Runs { state, begun: BTreeMap::new() }
    }

    /// A flow of a job begins; the first one begins the job's run.
    pub fn begun(&mut self, job: &str) -> Result<()> {
        if let Some((_, flows)) = self.begun.get_mut(job) {
            *flows += 1;
            return Ok(());
        }
        let id = self.state.begin_run(job, now_micros())?;
        self.begun.insert(job.to_owned(), (id, 1));
        Ok(())
    }

    /// A flow of a job ended; the last one ends the job's run, and so does one that failed.
    fn ended(&mut self, job: &str, error: Option<&SyncError>) -> Result<()> {
        let Some((id, flows)) = self.begun.get_mut(job) else { return Ok(()) };
        *flows -= 1;
        if *flows == 0 || error.is_some() {
            let outcome = error.map_or_else(|| "stopped".to_owned(), ToString::to_string);
            self.state.end_run(*id, now_micros(), &outcome)?;
            self.begun.remove(job);
        }
        Ok(())
    }
}

impl Running {
    /// Until asked to stop, or until no flow is left that could go on; the first error is returned, or what asks for another plan.
    pub async fn until_stopped(mut self) -> Result<()> {
        let mut first = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            first = first.and(self.ended(ended));
        }
        for capture in self.captures.into_values() {
            capture.journal.close().await;
        }
        if let Some(saver) = self.saver {
            saver.end().await;
        }
        drop(self.lock);
        self.replan.map_or(first, Err)
    }

    /// A part ended: those that it takes along are stopped, and an error is told.
    pub fn ended(&mut self, ended: std::result::Result<Ended, JoinError>) -> Result<()> {
        let result = match ended {
            Ok(Ended::Capture(source, result)) => {
                if let (Err(error), Some(capture)) = (&result, self.captures.get(&source)) {
                    if error.judge() != Judgement::Replan {
                        self.failed(Part::Capture(&source), error);
                    }
                    capture.stop.cancel();
                }
                self.planned_anew(result)
            }
            Ok(Ended::Flow { job, source, name, result }) => {
                if let Err(error) = &result
                    && error.judge() != Judgement::Replan
                {
                    self.failed(Part::Flow { job: &job, flow: &name }, error);
                }
                self.flows.retain(|f| (&f.job, &f.source) != (&job, &source));
                let told = self.runs.ended(&job, result.as_ref().err());
                self.planned_anew(result).and(told)
            }
            Err(error) => {
                self.stop.cancel();
                Err(SyncError::stopped("TL-SYNC-TASK", format!("a part broke: {error}")))
            }
        };
        if self.flows.is_empty() {
            self.stop.cancel();
        }
        result
    }

    /// Everything is stopped for what asks for another plan: that is no failure by itself.
    fn planned_anew(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Err(error) if error.judge() == Judgement::Replan => {
                self.stop.cancel();
                self.replan = Some(error);
                Ok(())
            }
            result => result,
        }
    }

    fn failed(&self, part: Part<'_>, error: &SyncError) {
        tracing::error!(?part, %error, "stopped");
        self.observer.event(&part.failed(error, None));
    }
}
