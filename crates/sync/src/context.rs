use crate::observe::{Event, Observer, Part};
use crate::plan::Flow;
use crate::{Judgement, Result, SyncError, error::backoff};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock_endpoint::{CaptureKind, Endpoint};
use tokio_util::sync::CancellationToken;

/// What every part of one flow needs: the flow, its two endpoints, and who watches.
#[derive(Clone)]
pub struct FlowContext {
    /// What flows.
    pub flow: Arc<Flow>,
    /// Read from.
    pub source: Arc<dyn Endpoint>,
    /// Written to.
    pub target: Arc<dyn Endpoint>,
    /// How the source is read.
    pub capture: CaptureKind,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Asked to stop.
    pub cancel: CancellationToken,
}

impl FlowContext {
    /// `shop → crm`.
    pub fn name(&self) -> String {
        format!("{} → {}", self.flow.source, self.flow.target)
    }

    /// Tells the phase.
    pub fn phase(&self, phase: &'static str) {
        self.observer.event(&Event::Phase { job: self.flow.job.clone(), flow: self.name(), phase });
    }
}

/// Pauses before another try, or gives the error back when a person must act.
pub async fn pause(
    part: Part<'_>,
    error: SyncError,
    attempt: &mut u32,
    observer: &dyn Observer,
    cancel: &CancellationToken,
) -> Result<()> {
    let judgement = error.judge();
    if judgement == Judgement::Stop {
        return Err(error);
    }
    let pause = backoff(judgement, *attempt);
    *attempt += 1;
    let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    if judgement == Judgement::RetryLater || *attempt > 3 {
        tracing::warn!(?part, %error, milliseconds, "trying again");
        observer.event(&part.failed(&error, Some(milliseconds)));
    }
    tokio::select! {
        () = cancel.cancelled() => Err(SyncError::Cancelled),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}

/// Microseconds since 1970 by our clock.
pub fn now_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
