//! `run`: all jobs until asked to stop, those too that cannot start yet.

use crate::context::pause;
use crate::engine::{Engine, SyncOptions};
use crate::job::Job;
use crate::observe::{Observer, Part};
use crate::schema::{self, Shapes};
use crate::starting::Unready;
use crate::{Judgement, Result, SyncError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks whether tables came, went or changed.
const WATCH: Duration = Duration::from_secs(5);

impl Engine {
    /// Runs all jobs until asked to stop, or until none can go on; then the first error is returned. A job whose endpoint is away at the start joins
    /// the others when it answers: they are stopped cleanly for that moment.
    pub async fn run(&self, cancel: &CancellationToken) -> Result<()> {
        let (jobs, options) = (self.select(None)?, SyncOptions::default());
        let (mut unready, mut attempt, mut replans, lock) = (Unready::LeftOut, 0, 0, self.lock()?);
        loop {
            let (mut running, away) = match self.start(&jobs, &options, unready, &lock, cancel).await {
                Ok(started) => started,
                Err(SyncError::Cancelled) => return Ok(()),
                Err(error) => {
                    let SyncError::Endpoint { endpoint, .. } = &error else { return Err(error) };
                    let endpoint = endpoint.clone();
                    match pause(Part::Capture(&endpoint), error, &mut attempt, &*self.observer, cancel).await
                    {
                        Ok(()) => continue,
                        Err(SyncError::Cancelled) => return Ok(()),
                        Err(final_one) => return Err(final_one),
                    }
                }
            };
            let shapes = std::mem::take(&mut running.shapes);
            if away.is_empty() {
                let stop = running.stop.clone();
                let mut working = std::pin::pin!(running.until_stopped());
                let (ended, changed) = tokio::select! {
                    biased;
                    ended = &mut working => (ended, false),
                    () = self.until_changed(&jobs, &shapes) => {
                        stop.cancel();
                        (working.await, true)
                    }
                };
                match ended {
                    Err(error) if error.judge() == Judgement::Replan && !cancel.is_cancelled() => {
                        self.again(error, &mut replans, cancel).await?;
                    }
                    // What failed before was told.
                    _ if changed && !cancel.is_cancelled() => {}
                    ended => return ended,
                }
                unready = Unready::Told;
                continue;
            }
            let saver = running.saver.take();
            let (stop, observer) = (running.stop.clone(), running.observer.clone());
            let idle = running.flows.is_empty();
            let mut working = std::pin::pin!(async {
                if idle {
                    running.stop.cancelled().await;
                }
                running.until_stopped().await
            });
            let mut answers = std::pin::pin!(self.until_one_answers(away, &mut attempt, &*observer, cancel));
            let (ended, answered) = tokio::select! {
                biased;
                ended = &mut working => match ended {
                    Err(error) if error.judge() == Judgement::Replan && !cancel.is_cancelled() => {
                        self.again(error, &mut replans, cancel).await?;
                        (Ok(()), Ok(()))
                    }
                    // Where all that worked has failed, there is still the one that is waited for.
                    ended => (ended, answers.await),
                },
                answered = &mut answers => {
                    if idle || answered.is_ok() {
                        stop.cancel();
                    }
                    (working.await, answered)
                }
            };
            if let Some(saver) = saver {
                saver.end().await;
            }
            match answered {
                Err(refused) if !cancel.is_cancelled() => return ended.and(Err(refused)),
                Ok(()) if !cancel.is_cancelled() => {}
                _ => return ended,
            }
            // What failed meanwhile was told, and is told again by the new start.
            unready = Unready::Told;
        }
    }

    /// Pauses before everything is planned anew, because tables of a source are not what they were.
    pub(crate) async fn again(
        &self,
        error: SyncError,
        attempt: &mut u32,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let SyncError::Endpoint { endpoint, .. } = &error else { return Err(error) };
        let endpoint = endpoint.clone();
        pause(Part::Capture(&endpoint), error, attempt, &*self.observer, cancel).await
    }

    /// Until the tables that the jobs ask for are others, or look otherwise, than they were planned. What the stream tells by itself comes sooner; a new table, or a new column in which
    /// nothing is written yet, only shows here.
    async fn until_changed(&self, jobs: &[&Job], planned: &Shapes) {
        let cancel = CancellationToken::new();
        loop {
            tokio::time::sleep(WATCH).await;
            for job in jobs.iter().filter(|j| planned.contains_key(&j.name)) {
                match self.ready(job, &cancel).await {
                    Ok(now) if schema::shapes(now.iter()).get(&job.name) != planned.get(&job.name) => return,
                    Ok(_) => {}
                    // Whoever works there tells it, if it lasts.
                    Err(error) => tracing::debug!(job = job.name, %error, "looking for changed tables"),
                }
            }
        }
    }

    /// Tries, with growing pauses, until one of the jobs that were left out can start. One that answers and refuses is told, and not tried again.
    /// When none is left, the last refusal is returned.
    pub(crate) async fn until_one_answers(
        &self,
        mut away: Vec<(&Job, SyncError)>,
        attempt: &mut u32,
        observer: &dyn Observer,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let mut last = SyncError::Cancelled;
        while !away.is_empty() {
            for (job, error) in std::mem::take(&mut away) {
                let part = Part::Job(&job.name);
                match pause(part, error, attempt, observer, cancel).await {
                    Ok(()) => {}
                    Err(SyncError::Cancelled) => return Err(SyncError::Cancelled),
                    Err(refused) => {
                        observer.event(&part.failed(&refused, None));
                        last = refused;
                        continue;
                    }
                }
                match self.made_ready(job, cancel).await {
                    Ok(_) => return Ok(()),
                    Err(again) => away.push((job, again)),
                }
            }
        }
        Err(last)
    }
}
