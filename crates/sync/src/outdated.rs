//! Flows whose place at the target means nothing any more, in this state directory: they are refused until everything is copied anew.
//!
//! A journal that was set back counts on, and would reach the job's place again with other transactions; a `--full` that was broken off has taken the old
//! journal away. Neither can be seen later, so it is written down before, and taken back once the target's checkpoint begins anew.

use crate::deliver::reader_name;
use crate::{Result, SyncError};
use tidelock_journal::StateStore;

fn entry(job: &str, target: &str) -> String {
    format!("outdated {}", reader_name(job, target))
}

/// Writes down why.
pub fn mark(state: &StateStore, job: &str, target: &str, reason: &str) -> Result<()> {
    Ok(state.save_job_status(&entry(job, target), reason, 0)?)
}

/// The job begins anew at the target.
pub fn clear(state: &StateStore, job: &str, target: &str) -> Result<()> {
    if reason(state, job, target)?.is_some() {
        mark(state, job, target, "")?;
    }
    Ok(())
}

/// Why, if it is written down.
pub fn reason(state: &StateStore, job: &str, target: &str) -> Result<Option<String>> {
    let status = state.job_status(&entry(job, target))?;
    Ok(status.map(|s| s.status).filter(|reason| !reason.is_empty()))
}

/// What is told then.
pub fn refused(job: &str, source: &str, reason: &str) -> SyncError {
    let message =
        format!("{job} cannot go on with {source}: {reason}; copy anew with `tidelock sync {job} --full`");
    SyncError::stopped("TL-SYNC-STATE-OLD", message)
}
