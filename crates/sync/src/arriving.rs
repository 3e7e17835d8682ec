//! `sync` ends when everything is delivered that was committed before it began.
//!
//! One part that fails does not keep the others from arriving; but who can only arrive with the help of one that failed is not waited for: the other
//! direction of its job, and whoever waits for room in a journal that the one that failed holds.

use crate::capture::{Reached, reach};
use crate::deliver::settle::Arrived;
use crate::running::{Flowing, Running};
use crate::{Result, SyncError};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{CaptureKind, Endpoint};
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
            let (name, endpoint) = (name.clone(), capture.endpoint.clone());
            let (kind, reached) = (capture.kind, capture.reached.clone());
            waits.push(Box::pin(async move {
                let goal = goal(&endpoint, kind, reached).await;
                Reach::Source(name, goal)
            }));
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

/// The journal's sequence at which everything is that the source has committed by now.
async fn goal(
    endpoint: &Arc<dyn Endpoint>,
    kind: CaptureKind,
    mut reached: watch::Receiver<Reached>,
) -> Result<u64> {
    let at = SyncError::at(endpoint.name());
    reached.wait_for(|r| r.ready).await.map_err(|_| SyncError::Cancelled)?;
    let mut source = endpoint.source(kind).await.map_err(&at)?;
    let head = source.head().await.map_err(&at)?;
    reach(&**endpoint, &mut reached, &head).await
}

async fn arrival(mut flow: Flowing, goal: u64) -> Reach {
    let there = |a: &Option<Arrived>| a.is_some_and(|a| a.settled && a.sequence >= goal);
    if flow.delivered.wait_for(there).await.is_err() {
        // It ended: its task tells why.
        std::future::pending::<()>().await;
    }
    Reach::Flow(flow)
}
