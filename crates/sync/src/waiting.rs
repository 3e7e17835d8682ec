//! `run`: all jobs until asked to stop, those too that cannot start yet.

use crate::context::pause;
use crate::deliver::settle::Arrived;
use crate::engine::{Engine, SyncOptions};
use crate::job::Job;
use crate::observe::{Observer, Part};
use crate::schema::{self, Shapes};
use crate::starting::Unready;
use crate::{Judgement, Result, SyncError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two looks whether tables came, went or changed.
const WATCH: Duration = Duration::from_secs(5);

/// A service that worked for so long begins its pauses anew.
const SETTLED: Duration = Duration::from_secs(60);

impl Engine {
    /// Runs all jobs until asked to stop, or until none can go on; then the first error is returned. A job whose endpoint is away at the start joins
    /// the others when it answers: they are stopped cleanly for that moment.
    pub async fn run(&self, cancel: &CancellationToken) -> Result<()> {
        match self.serve(cancel).await {
            Err(SyncError::Cancelled) => Ok(()),
            ended => ended,
        }
    }

    async fn serve(&self, cancel: &CancellationToken) -> Result<()> {
        let (jobs, options) = (self.select(None)?, SyncOptions::default());
        let (mut unready, mut attempt, mut replans, lock) = (Unready::LeftOut, 0, 0, self.lock()?);
        loop {
            let began = Instant::now();
            let (mut running, away) = match self.start(&jobs, &options, unready, &lock, cancel).await {
                Ok(started) => started,
                Err(error) => {
                    let SyncError::Endpoint { endpoint, .. } = &error else { return Err(error) };
                    let endpoint = endpoint.clone();
                    pause(Part::Capture(&endpoint), error, &mut attempt, &*self.observer, cancel).await?;
                    continue;
                }
            };
            let (saver, shapes) = (running.saver.take(), std::mem::take(&mut running.shapes));
            let (stop, observer) = (running.stop.clone(), running.observer.clone());
            let waits = !away.is_empty();
            let idle = waits && running.flows.is_empty();
            let at_work = |job: &&&Job| running.flows.iter().any(|flow| flow.job == job.name);
            let at_work: Vec<&Job> = jobs.iter().filter(at_work).copied().collect();
            let copied = running.flows.iter().map(|flow| flow.delivered.clone()).collect::<Vec<_>>();
            let mut working = std::pin::pin!(async {
                if idle {
                    running.stop.cancelled().await;
                }
                running.until_stopped().await
            });
            let mut answers = std::pin::pin!(self.until_one_answers(away, &mut attempt, &*observer, cancel));
            let mut changed = std::pin::pin!(self.until_changed(&at_work, &shapes, &copied));
            let (mut refused, mut restart) = (None, false);
            let ended = loop {
                tokio::select! {
                    biased;
                    ended = &mut working => break ended,
                    answered = &mut answers, if waits && !restart && refused.is_none() => {
                        restart = answered.is_ok();
                        refused = answered.err();
                        if idle || restart {
                            stop.cancel();
                        }
                    }
                    () = &mut changed, if !restart => {
                        restart = true;
                        stop.cancel();
                    }
                }
            };
            let replan = ended.as_ref().is_err_and(|error| error.judge() == Judgement::Replan);
            if waits && !replan && !restart && refused.is_none() {
                // Where all that worked has failed, there is still the one that is waited for.
                refused = answers.await.err();
                restart = refused.is_none();
            }
            if let Some(saver) = saver {
                saver.end().await;
            }
            if began.elapsed() > SETTLED {
                replans = 0;
            }
            match ended {
                ended if cancel.is_cancelled() => return ended,
                Err(error) if replan => self.again(error, &mut replans, cancel).await?,
                // What failed before was told, and is told again by the new start.
                _ if restart => {}
                ended => return ended.and(refused.map_or(Ok(()), Err)),
            }
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
    /// nothing is written yet, only shows here. While an endpoint of one of them does not answer nothing is started anew: its job would be left out, and its source not be captured. Nor while a first
    /// copy is under way (`copied`): tables that come and go would keep it from ever ending.
    async fn until_changed(
        &self,
        at_work: &[&Job],
        planned: &Shapes,
        copied: &[watch::Receiver<Option<Arrived>>],
    ) {
        let cancel = CancellationToken::new();
        loop {
            tokio::time::sleep(WATCH).await;
            let (mut changed, mut away) = (false, false);
            for job in at_work {
                match self.ready(job, &cancel).await {
                    Ok(now) => {
                        let now = now.first().map_or(&[][..], |p| &p.flow.tables);
                        changed |= planned.get(&job.name).is_some_and(|then| !schema::alike(now, then));
                    }
                    Err(error) => {
                        away |= error.judge() != Judgement::Stop;
                        // Whoever works there tells it, if it lasts.
                        tracing::debug!(job = job.name, %error, "looking for changed tables");
                    }
                }
            }
            let whole = copied.iter().all(|flow| flow.borrow().is_some() || flow.has_changed().is_err());
            if changed && !away && whole {
                return;
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
