//! What was told so far of every table and flow: the one count behind bars and lines.

use super::text;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidelock_sync::observe::Event;

/// One table being read.
#[derive(Clone, Debug)]
pub struct Table {
    /// Rows expected, which is an estimate.
    pub expected: u64,
    /// Rows read.
    pub rows: u64,
    /// Since the first rows.
    pub began: Instant,
    /// Read to its end.
    pub done: bool,
}

impl Table {
    /// `120,000 of 500,000 rows, 85,000 rows/s, 4 s left`.
    pub fn line(&self, now: Instant) -> String {
        let time = now.saturating_duration_since(self.began);
        let rate = text::rate(self.rows, time);
        if self.done {
            return format!("{} in {}", text::count(self.rows, "row"), text::duration(time));
        }
        let mut line = match self.expected > self.rows {
            true => format!("{} of {} rows", text::number(self.rows), text::number(self.expected)),
            false => text::count(self.rows, "row"),
        };
        // Of the first rows alone no rate can be told.
        let measured = self.rows > 0 && time > Duration::from_millis(200);
        if measured {
            line += &format!(", {} rows/s", text::number(rate));
        }
        match self.expected.checked_sub(self.rows) {
            Some(rest) if measured && rate > 0 && rest > 0 => {
                let left = match (rest / rate).max(1) {
                    seconds @ ..60 => format!("{seconds} s"),
                    seconds => text::duration(Duration::from_secs(seconds)),
                };
                line + &format!(", {left} left")
            }
            _ => line,
        }
    }
}

/// One direction of a job.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// What it is doing.
    pub phase: String,
    /// Source transactions delivered.
    pub transactions: u64,
    /// Row changes in them.
    pub changes: u64,
    /// How late the last one was.
    pub lag_micros: i64,
}

impl Flow {
    /// `following, 1,200 transactions with 3,400 changes, 12 ms behind`.
    pub fn line(&self) -> String {
        if self.transactions == 0 {
            return self.phase.clone();
        }
        format!("{}, {}, {} behind", self.phase, self.total(), text::lag(self.lag_micros))
    }

    /// `1,200 transactions with 3,400 changes`.
    pub fn total(&self) -> String {
        let (transactions, changes) =
            (text::count(self.transactions, "transaction"), text::count(self.changes, "change"));
        format!("{transactions} with {changes}")
    }
}

/// Tables by job and name, flows by job and direction.
#[derive(Debug, Default)]
pub struct Progress {
    /// Tables being read.
    pub tables: BTreeMap<(String, String), Table>,
    /// Directions.
    pub flows: BTreeMap<(String, String), Flow>,
}

impl Progress {
    /// Counts an event in.
    pub fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Phase { job, flow, phase } => self.flow(job, flow).phase = (*phase).to_owned(),
            Event::TablePlanned { job, table, rows } => {
                let new = Table { expected: *rows, rows: 0, began: now, done: false };
                self.tables.insert((job.clone(), table.clone()), new);
            }
            Event::Rows { job, table, rows } => self.table(job, table, now).rows += rows,
            Event::TableDone { job, table, rows } => {
                let entry = self.table(job, table, now);
                (entry.rows, entry.done) = (*rows, true);
            }
            Event::Applied { job, flow, transactions, changes, lag_micros } => {
                let entry = self.flow(job, flow);
                entry.transactions += transactions;
                entry.changes += changes;
                entry.lag_micros = *lag_micros;
            }
            _ => {}
        }
    }

    fn flow(&mut self, job: &str, flow: &str) -> &mut Flow {
        self.flows.entry((job.to_owned(), flow.to_owned())).or_default()
    }

    fn table(&mut self, job: &str, table: &str, now: Instant) -> &mut Table {
        let new = Table { expected: 0, rows: 0, began: now, done: false };
        self.tables.entry((job.to_owned(), table.to_owned())).or_insert(new)
    }
}
