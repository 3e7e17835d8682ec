//! Progress as lines, for logs and pipes: at most one every few seconds for each table and flow, and the last one always.

use super::progress::Progress;
use super::{Watcher, say, sentence};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidelock_sync::observe::{Event, Observer};

const EVERY: Duration = Duration::from_secs(3);

/// Writes to standard error.
#[derive(Default)]
pub struct Lines {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    progress: Progress,
    told: HashMap<(String, String), Instant>,
    untold: u64,
}

impl Observer for Lines {
    fn event(&self, event: &Event) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.progress.event(event, now);
        if let Some(line) = state.line(event, now) {
            say(&line);
        }
    }
}

impl Watcher for Lines {
    fn finish(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for ((job, name), flow) in &state.progress.flows {
            if flow.transactions > 0 {
                say(&format!("{job}: {name}: {} applied", flow.total()));
            }
        }
        if state.untold > 0 {
            say(&format!("{} more conflicts; `tidelock status` counts them", state.untold));
        }
    }
}

impl State {
    fn line(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Rows { job, table, .. } => {
                let key = (job.clone(), table.clone());
                let entry = self.progress.tables.get(&key)?;
                let (line, began) = (entry.line(now), entry.began);
                self.told.entry(key.clone()).or_insert(began);
                self.due(key, now).then(|| format!("{table}: {line}"))
            }
            Event::TableDone { job, table, .. } => {
                let line = self.progress.tables.get(&(job.clone(), table.clone()))?.line(now);
                Some(format!("{table}: {line}"))
            }
            Event::TablePlanned { .. } => None,
            Event::Applied { job, flow, .. } => {
                let key = (job.clone(), flow.clone());
                let line = self.progress.flows.get(&key)?.line();
                self.due(key, now).then(|| format!("{job}: {flow}: {line}"))
            }
            Event::Conflict { job, .. } => {
                if self.due((job.clone(), "conflict".to_owned()), now) {
                    sentence(event)
                } else {
                    self.untold += 1;
                    None
                }
            }
            other => sentence(other),
        }
    }

    /// Whether something may be told about this again.
    fn due(&mut self, key: (String, String), now: Instant) -> bool {
        match self.told.get(&key) {
            Some(last) if now.duration_since(*last) < EVERY => false,
            _ => {
                self.told.insert(key, now);
                true
            }
        }
    }
}
