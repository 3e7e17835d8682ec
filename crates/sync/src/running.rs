//! Captures and flows at work, and how they end.

use crate::capture::Reached;
use crate::{Result, SyncError};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{CaptureKind, Endpoint};
use tidelock_journal::{Journal, StateLock};
use tidelock_model::Position;
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
}

/// Everything that was started together.
pub struct Running {
    /// Stops all of it.
    pub stop: CancellationToken,
    /// By the source's name.
    pub captures: BTreeMap<String, Captured>,
    /// Each flow's source, and how far the flow is.
    pub flows: Vec<(String, watch::Receiver<u64>)>,
    /// The captures and flows.
    pub tasks: JoinSet<Result<()>>,
    /// Keeps other processes off the state directory until the journals are closed.
    pub lock: StateLock,
}

impl Running {
    /// Until asked to stop, or until one part cannot go on: then the others are stopped cleanly, and its error is returned.
    pub async fn until_stopped(mut self, cancel: &CancellationToken) -> Result<()> {
        let mut first = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended
                .unwrap_or_else(|e| Err(SyncError::stopped("TL-SYNC-TASK", format!("a job broke: {e}"))));
            if first.is_ok() && !matches!(ended, Err(SyncError::Cancelled)) {
                first = ended;
            }
            self.stop.cancel();
        }
        for capture in self.captures.into_values() {
            capture.journal.close().await;
        }
        drop(self.lock);
        if cancel.is_cancelled() && first.is_ok() { Err(SyncError::Cancelled) } else { first }
    }

    /// Until everything is delivered that was committed before this call, then stops cleanly.
    pub async fn finish_at_head(mut self, cancel: &CancellationToken) -> Result<()> {
        let goal = async {
            let mut goals = BTreeMap::new();
            for (name, capture) in &mut self.captures {
                let at = SyncError::at(name);
                capture.reached.wait_for(|r| r.ready).await.map_err(|_| SyncError::Cancelled)?;
                let mut source = capture.endpoint.source(capture.kind).await.map_err(&at)?;
                let head = source.head().await.map_err(&at)?;
                goals.insert(name.clone(), reach(capture, &head).await?);
            }
            for (source, delivered) in &mut self.flows {
                let goal = goals[source];
                delivered.wait_for(|d| *d >= goal).await.map_err(|_| SyncError::Cancelled)?;
            }
            Ok::<(), SyncError>(())
        };
        tokio::select! {
            reached = goal => { if let Err(error) = reached { if !matches!(error, SyncError::Cancelled) { self.stop.cancel(); return Err(error); } } }
            () = cancel.cancelled() => {}
        }
        self.stop.cancel();
        match self.until_stopped(cancel).await {
            Err(SyncError::Cancelled) if !cancel.is_cancelled() => Ok(()),
            other => other,
        }
    }
}

/// Waits until capture has read up to `head`; the sequence that stands there.
async fn reach(capture: &mut Captured, head: &Position) -> Result<u64> {
    loop {
        let reached = capture.reached.borrow_and_update().clone();
        if let Some(position) = &reached.position {
            let order =
                capture.endpoint.compare(position, head).map_err(SyncError::at(capture.endpoint.name()))?;
            if order != Ordering::Less {
                return Ok(reached.sequence);
            }
        }
        capture.reached.changed().await.map_err(|_| SyncError::Cancelled)?;
    }
}
