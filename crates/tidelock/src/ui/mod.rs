//! What people and machines see: progress while something runs, results when it is done, and errors.
//!
//! Results go to standard output; progress and errors go to standard error. With `--json` all of it goes to standard output, one
//! object a line, the result last.

mod bars;
mod colour;
mod failure;
mod plain;
pub mod progress;
pub mod report;
pub mod text;

pub use colour::Colours;
pub use failure::{Failure, Usage};

use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use tidelock_sync::observe::{Event, Observer};

/// An observer that shows what it is told.
pub trait Watcher: Observer {
    /// Nothing more comes: says what was held back and leaves the screen clean.
    fn finish(&self);
}

/// How to speak.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// For machines.
    pub json: bool,
}

impl Ui {
    /// Shows progress as it suits: bars on a terminal, lines elsewhere, JSON when asked for.
    pub fn watcher(self) -> Arc<dyn Watcher> {
        if self.json {
            Arc::new(Json)
        } else if std::io::stderr().is_terminal() {
            Arc::new(bars::Bars::new())
        } else {
            Arc::new(plain::Lines::default())
        }
    }

    /// Prints a result: as JSON, or as the text that `text` makes of it.
    pub fn result<T: Serialize>(
        self,
        result: &T,
        text: impl FnOnce(&T, Colours) -> String,
    ) -> std::io::Result<()> {
        if self.json {
            return print(&serde_json::to_string(result).map_err(std::io::Error::other)?);
        }
        let text = text(result, Colours::of(&std::io::stdout()));
        if text.is_empty() { Ok(()) } else { print(&text) }
    }

    /// Prints an error.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            // A reader that is gone cannot be told.
            let _ = print(&failure.json());
        } else {
            say(&failure.text(Colours::of(&std::io::stderr())));
        }
    }
}

/// Prints a line; a reader that went away (`| head`) is no error.
pub fn print(line: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", line.trim_end_matches('\n')) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says a line to people, on standard error; when nobody reads it any more, the work goes on.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

struct Json;

impl Observer for Json {
    fn event(&self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            let _ = print(&line);
        }
    }
}

impl Watcher for Json {
    fn finish(&self) {}
}

/// An event as a sentence; none for those that are counted.
fn sentence(event: &Event) -> Option<String> {
    match event {
        Event::Phase { phase: "starting" | "stopped", .. } => None,
        Event::Phase { job, flow, phase } => Some(format!("{job}: {flow}: {phase}")),
        Event::Conflict { job, table, key, conflict, rule, winner } => {
            Some(format!("{job}: conflict in {table} {key}: {conflict}; {winner} stays ({rule})"))
        }
        Event::Retrying { job, error, milliseconds, .. } => {
            let pause = text::duration(std::time::Duration::from_millis(*milliseconds));
            Some(format!("{job}: {error}; trying again in {pause}"))
        }
        Event::Failed { job, error, .. } => Some(format!("{job}: stopped: {error}")),
        Event::Capture { endpoint, error, milliseconds } => {
            let error = error.as_ref()?;
            Some(match milliseconds.map(std::time::Duration::from_millis) {
                Some(pause) => {
                    format!("reading {endpoint}: {error}; trying again in {}", text::duration(pause))
                }
                None => format!("reading {endpoint}: stopped: {error}"),
            })
        }
        Event::SchemaChange(change) => {
            Some(format!("{}: {}: {}", change.job, change.flow, text::schema_change(change)))
        }
        Event::Verified { table, matched, different, missing, extra, .. } => {
            Some(bars::verified(table, [*matched, *different, *missing, *extra]))
        }
        Event::TablePlanned { .. } | Event::Rows { .. } | Event::TableDone { .. } | Event::Applied { .. } => {
            None
        }
    }
}

#[cfg(test)]
mod tests;
