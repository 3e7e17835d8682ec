//! `sync` ends when everything is delivered that was committed before it began.
//!
//! One part that fails does not keep the others from arriving; but who can only arrive with the help of one that failed is not waited for: the other
//! direction of its job, and whoever waits for room in a journal that the one that failed holds.

use crate::capture::{Reached, reach};
use crate::context::pause;
use crate::deliver::settle::Arrived;
use crate::observe::{Event, Observer, Part};
use crate::running::{Flowing, Running};
use crate::{Result, SyncError};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{CaptureKind, Endpoint};
use tidelock_model::Position;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked, once a flow failed, whether others wait for it.
const LOOK: Duration = Duration::from_millis(500);

/// What was waited for.
enum Reach {
    /// A source was read so far: its journal's sequence.
    Source(String, Result<u64>),
    /// A flow arrived, or ended.
    Flow(Flowing),
}

impl Running {
    /// Until everything is delivered that was committed before this call, then stops cleanly. An error is returned when any part failed.
    pub async fn finish_at_head(mut self, cancel: &CancellationToken) -> Result<()> {
        let mut waits: FuturesUnordered<BoxFuture<'static, Reach>> = FuturesUnordered::new();
        for (name, capture) in &self.captures {
            let (name, observer) = (name.clone(), self.observer.clone());
            let goal = Goal {
                endpoint: capture.endpoint.clone(),
                kind: capture.kind,
                reached: capture.reached.clone(),
                stop: capture.stop.clone(),
            };
            waits.push(Box::pin(async move { Reach::Source(name, goal.reach(&*observer).await) }));
        }
        let all = self.flows.clone();
        let mut left = all.clone();
        let mut first = Ok(());
        while !left.is_empty() {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    first = first.and(Err(SyncError::Cancelled));
                    break;
                }
                Some(ended) = self.tasks.join_next() => {
                    first = first.and(self.ended(ended));
                    let at_work = |f: &Flowing| self.flows.iter().any(|g| g.is(f));
                    left.retain(|f| all.iter().filter(|g| g.job == f.job).all(at_work));
                }
                Some(reach) = waits.next() => match reach {
                    Reach::Source(name, Ok(goal)) => {
                        for flow in left.iter().filter(|f| f.source == name) {
                            waits.push(Box::pin(arrival(flow.clone(), goal)));
                        }
                    }
                    Reach::Source(_, Err(SyncError::Cancelled)) => {}
                    Reach::Source(name, Err(error)) => {
                        first = first.and(Err(error));
                        left.retain(|f| f.source != name);
                    }
                    Reach::Flow(flow) => left.retain(|f| !f.is(&flow)),
                },
                () = tokio::time::sleep(LOOK), if first.is_err() => {
                    let at_work = |f: &Flowing| self.flows.iter().any(|g| g.is(f));
                    for failed in all.iter().filter(|f| !at_work(f)) {
                        if let Some(capture) = self.captures.get(&failed.source).filter(|c| c.journal.status().full) {
                            capture.stop.cancel();
                        }
                    }
                }
            }
        }
        self.stop.cancel();
        let rest = self.until_stopped().await;
        // A part that failed took its channel along: its error tells more than the broken channel does.
        match first {
            Err(SyncError::Cancelled) => rest.and(first),
            first => first.and(rest),
        }
    }
}

/// How far a source has to be read.
struct Goal {
    endpoint: Arc<dyn Endpoint>,
    kind: CaptureKind,
    reached: watch::Receiver<Reached>,
    /// Its capture cannot go on.
    stop: CancellationToken,
}

impl Goal {
    /// The journal's sequence at which everything is that the source has committed by now. What can be retried is retried: the capture may not even have met it.
    async fn reach(mut self, observer: &dyn Observer) -> Result<u64> {
        self.reached.wait_for(|r| r.ready).await.map_err(|_| SyncError::Cancelled)?;
        let mut attempt = 0;
        let head = loop {
            match self.head().await.map_err(SyncError::at(self.endpoint.name())) {
                Ok(head) => break head,
                Err(error) => {
                    let part = Part::Capture(self.endpoint.name());
                    pause(part, error, &mut attempt, observer, &self.stop).await?;
                }
            }
        };
        if attempt > 0 {
            let endpoint = self.endpoint.name().to_owned();
            observer.event(&Event::Capture { endpoint, error: None, milliseconds: None });
        }
        reach(&*self.endpoint, &mut self.reached, &head).await
    }

    async fn head(&self) -> tidelock_endpoint::Result<Position> {
        self.endpoint.source(self.kind).await?.head().await
    }
}

async fn arrival(mut flow: Flowing, goal: u64) -> Reach {
    let there = |a: &Option<Arrived>| a.is_some_and(|a| a.settled && a.sequence >= goal);
    if flow.delivered.wait_for(there).await.is_err() {
        // It ended: its task tells why.
        std::future::pending::<()>().await;
    }
    Reach::Flow(flow)
}

#[cfg(test)]
mod tests;
