//! Flows whose place at the target means nothing any more, in this state directory: they are refused until everything is copied anew.
//!
//! A journal that was set back counts on, and would reach the job's place again with other transactions; a `--full` that was broken off has taken the old
//! journal away. Neither can be seen later, so it is written down before, and taken back once the target's checkpoint begins anew.
//!
//! Whether a journal was set back can be told from where it ended when it was opened, and only from that: the capture appends before a flow looks, and there may be
//! flows that do not run this time. So that end is written down for every flow before the capture begins, and stays until the flow has been held against it.

use crate::deliver::reader_name;
use crate::{Result, SyncError};
use tidelock_journal::{Journal, StateStore};

fn entry(job: &str, target: &str) -> String {
    format!("outdated {}", reader_name(job, target))
}

/// Writes down why.
pub fn mark(state: &StateStore, job: &str, target: &str, reason: &str) -> Result<()> {
    Ok(state.save_job_status(&entry(job, target), reason, 0)?)
}

/// The job's checkpoint at the target is one of this journal: it begins anew, or was held against [`end`].
pub fn clear(state: &StateStore, job: &str, target: &str) -> Result<()> {
    if reason(state, job, target)?.is_some() {
        mark(state, job, target, "")?;
    }
    if text(state, &unchecked(job, target))?.is_some() {
        state.save_job_status(&unchecked(job, target), "", 0)?;
    }
    Ok(())
}

fn unchecked(job: &str, target: &str) -> String {
    format!("unchecked {}", reader_name(job, target))
}

/// Writes down where the journal ends, before anything is appended. An earlier end of the same journal stays: the flow was not held against it yet, so its target can
/// be no further by this state directory.
pub fn opened(state: &StateStore, job: &str, target: &str, journal: &Journal) -> Result<()> {
    let now = journal.tail().sequence;
    let sequence = end(state, job, target, journal)?.map_or(now, |before| before.min(now));
    Ok(state.save_job_status(&unchecked(job, target), &format!("{} {sequence}", journal.id()), 0)?)
}

/// The sequence that the target cannot stand behind unless the journal was set back; none once that was looked at.
pub fn end(state: &StateStore, job: &str, target: &str, journal: &Journal) -> Result<Option<u64>> {
    let text = text(state, &unchecked(job, target))?;
    let written = text.as_deref().and_then(|text| text.split_once(' '));
    Ok(written.filter(|(id, _)| *id == journal.id()).and_then(|(_, sequence)| sequence.parse().ok()))
}

fn text(state: &StateStore, entry: &str) -> Result<Option<String>> {
    Ok(state.job_status(entry)?.map(|s| s.status).filter(|text| !text.is_empty()))
}

/// Why, if it is written down.
pub fn reason(state: &StateStore, job: &str, target: &str) -> Result<Option<String>> {
    text(state, &entry(job, target))
}

/// What is told then.
pub fn refused(job: &str, source: &str, reason: &str) -> SyncError {
    let message =
        format!("{job} cannot go on with {source}: {reason}; copy anew with `tidelock sync {job} --full`");
    SyncError::stopped("TL-SYNC-STATE-OLD", message)
}
