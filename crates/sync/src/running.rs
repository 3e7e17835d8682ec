//! Captures and flows at work, and how they end.
//!
//! One part that cannot go on does not stop the others: a flow ends alone, a capture ends with the flows that read it. When no flow is left
//! everything ends, with the first error.

use crate::capture::{Reached, reach};
use crate::context::now_micros;
use crate::deliver::settle::Arrived;
use crate::observe::{Observer, Part};
use crate::{Result, SyncError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{CaptureKind, Endpoint};
use tidelock_journal::{Journal, StateLock, StateStore};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
    /// A flow of a job: the job, the direction.
    Flow(String, String, Result<()>),
}

/// Everything that was started together.
pub struct Running {
    /// Stops all of it.
    pub stop: CancellationToken,
    /// By the source's name.
    pub captures: BTreeMap<String, Captured>,
    /// Each flow's source, and how far the flow is.
    pub flows: Vec<(String, watch::Receiver<Option<Arrived>>)>,
    /// The captures and flows.
    pub tasks: JoinSet<Ended>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// The history of the jobs that run.
    pub runs: Runs,
    /// Keeps other processes off the state directory until the journals are closed.
    pub lock: StateLock,
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
    /// Until asked to stop, or until no flow is left that could go on; the first error is returned.
    pub async fn until_stopped(mut self) -> Result<()> {
        let mut first = Ok(());
        let mut flows = self.flows.len();
        while let Some(ended) = self.tasks.join_next().await {
            let result = match ended {
                Ok(Ended::Capture(source, result)) => {
                    if let (Err(error), Some(capture)) = (&result, self.captures.get(&source)) {
                        self.failed(Part::Capture(&source), error);
                        capture.stop.cancel();
                    }
                    result
                }
                Ok(Ended::Flow(job, flow, result)) => {
                    flows -= 1;
                    if let Err(error) = &result {
                        self.failed(Part::Flow { job: &job, flow: &flow }, error);
                    }
                    let told = self.runs.ended(&job, result.as_ref().err());
                    result.and(told)
                }
                Err(error) => {
                    self.stop.cancel();
                    Err(SyncError::stopped("TL-SYNC-TASK", format!("a part broke: {error}")))
                }
            };
            if flows == 0 {
                self.stop.cancel();
            }
            first = first.and(result);
        }
        for capture in self.captures.into_values() {
            capture.journal.close().await;
        }
        drop(self.lock);
        first
    }

    fn failed(&self, part: Part<'_>, error: &SyncError) {
        tracing::error!(?part, %error, "stopped");
        self.observer.event(&part.failed(error, None));
    }

    /// Until everything is delivered that was committed before this call, then stops cleanly. An error is returned when any part failed.
    pub async fn finish_at_head(mut self, cancel: &CancellationToken) -> Result<()> {
        let arrived = async {
            let mut goals = BTreeMap::new();
            for (name, capture) in &mut self.captures {
                let at = SyncError::at(name);
                capture.reached.wait_for(|r| r.ready).await.map_err(|_| SyncError::Cancelled)?;
                let mut source = capture.endpoint.source(capture.kind).await.map_err(&at)?;
                let head = source.head().await.map_err(&at)?;
                let goal = reach(&*capture.endpoint, &mut capture.reached, &head).await?;
                goals.insert(name.clone(), goal);
            }
            for (source, delivered) in &mut self.flows {
                let goal = goals[source];
                delivered
                    .wait_for(|d| d.is_some_and(|d| d.settled && d.sequence >= goal))
                    .await
                    .map_err(|_| SyncError::Cancelled)?;
            }
            Ok::<(), SyncError>(())
        };
        let arrived = tokio::select! {
            arrived = arrived => arrived,
            () = cancel.cancelled() => Err(SyncError::Cancelled),
        };
        self.stop.cancel();
        // A part that failed took its channel along: its error tells more than the broken channel does.
        self.until_stopped().await.and(arrived)
    }
}
