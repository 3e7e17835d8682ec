//! What every job is doing, kept while it runs and left in the embedded state for whoever asks when nothing runs.

use crate::context::now_micros;
use crate::observe::{Event, Observer};
use crate::{Result, SyncError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidelock_journal::{JobStatus as Stored, Journal, StateStore};

/// One direction of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FlowStatus {
    /// What it is doing.
    pub phase: String,
    /// Source transactions delivered since it was started.
    pub transactions: u64,
    /// Row changes in them.
    pub changes: u64,
    /// From the last delivered commit at the source to its arrival, in microseconds.
    pub lag_micros: i64,
    /// When something was last delivered, microseconds since 1970; 0 before.
    pub delivered_at: i64,
    /// The failure that is being retried or has stopped it, with what to do; none while all is well.
    pub error: Option<String>,
}

/// One job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct JobStatus {
    /// The job.
    pub job: String,
    /// Its directions, `source → target`.
    pub flows: BTreeMap<String, FlowStatus>,
    /// Rows copied by the first copy since the start.
    pub rows_copied: u64,
    /// Conflicts decided since the start.
    pub conflicts: u64,
    /// What keeps the job as a whole from starting, with what to do; none while all is well.
    pub error: Option<String>,
    /// When this was written, microseconds since 1970.
    pub at: i64,
}

/// An observer that keeps the status and hands every event on.
pub struct Keeper {
    next: Arc<dyn Observer>,
    jobs: Mutex<BTreeMap<String, JobStatus>>,
    /// What keeps the capture of an endpoint from reading.
    captures: Mutex<BTreeMap<String, String>>,
}

impl Keeper {
    /// Hands events on to `next`.
    pub fn new(next: Arc<dyn Observer>) -> Self {
        Keeper { next, jobs: Mutex::default(), captures: Mutex::default() }
    }

    /// Writes every job's status, and every journal's under `journal <endpoint>`, with the `error` of its capture.
    pub fn save(&self, state: &StateStore, journals: &[(String, Journal)]) -> Result<()> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, mut status) in jobs {
            status.at = now_micros();
            let text = serde_json::to_string(&status).expect("a status is plain data");
            state.save_job_status(&name, &text, status.at)?;
        }
        for (name, journal) in journals {
            let mut status = serde_json::to_value(journal.status()).expect("a status is plain data");
            status["error"] =
                self.captures.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().into();
            let text = status.to_string();
            state.save_job_status(&format!("{JOURNAL}{name}"), &text, now_micros())?;
        }
        Ok(())
    }
}

/// What stands before an endpoint's name where its journal's status is kept.
pub const JOURNAL: &str = "journal ";

/// Reads one entry of the state.
pub fn parse<T: for<'d> Deserialize<'d>>(entry: &Stored) -> Result<T> {
    serde_json::from_str(&entry.status).map_err(|e| {
        let message = format!(
            "reading the status of {}: {e}; it was written by another version or changed by hand",
            entry.job
        );
        SyncError::stopped("TL-SYNC-STATE-UNREADABLE", message)
    })
}

impl Observer for Keeper {
    fn event(&self, event: &Event) {
        if let Event::Capture { endpoint, error, .. } = event {
            let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
            match error {
                Some(error) => captures.insert(endpoint.clone(), error.clone()),
                None => captures.remove(endpoint),
            };
        } else if let Some(name) = event.job().map(str::to_owned) {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || JobStatus { job: name.clone(), ..JobStatus::default() };
            update(jobs.entry(name.clone()).or_insert_with(new), event);
        }
        self.next.event(event);
    }
}

fn update(status: &mut JobStatus, event: &Event) {
    match event {
        Event::Phase { flow, phase, .. } => {
            status.error = None;
            let flow = status.flows.entry(flow.clone()).or_default();
            flow.phase = (*phase).to_owned();
            if *phase == "following" {
                flow.error = None;
            }
        }
        Event::Rows { rows, .. } => status.rows_copied += rows,
        Event::Applied { flow, transactions, changes, lag_micros, .. } => {
            let flow = status.flows.entry(flow.clone()).or_default();
            flow.error = None;
            flow.transactions += transactions;
            flow.changes += changes;
            flow.lag_micros = *lag_micros;
            flow.delivered_at = now_micros();
        }
        Event::Conflict { .. } => status.conflicts += 1,
        Event::Retrying { flow, error, .. } | Event::Failed { flow, error, .. } => match flow {
            None => status.error = Some(error.clone()),
            Some(flow) => {
                let flow = status.flows.entry(flow.clone()).or_default();
                flow.error = Some(error.clone());
                if let Event::Failed { .. } = event {
                    flow.phase = "stopped".to_owned();
                }
            }
        },
        Event::TablePlanned { .. }
        | Event::TableDone { .. }
        | Event::Verified { .. }
        | Event::SchemaChange(_)
        | Event::Capture { .. } => {}
    }
}
