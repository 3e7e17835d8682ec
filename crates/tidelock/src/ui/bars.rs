//! Progress as bars, for a terminal: a bar for each table, a line for each direction.

use super::progress::Progress;
use super::{Watcher, sentence, text};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidelock_sync::observe::{Event, Observer};

/// Bars shown at once; what is done makes room.
const MOST: usize = 12;
const REDRAW: Duration = Duration::from_millis(100);

/// Draws on standard error.
pub struct Bars {
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    progress: Progress,
    bars: HashMap<(String, String), (ProgressBar, Instant)>,
}

impl Bars {
    /// Nothing is drawn before the first event.
    pub fn new() -> Bars {
        Bars { screen: MultiProgress::new(), state: Mutex::default() }
    }

    fn say(&self, line: &str) {
        // On a screen that cannot be drawn on, saying nothing is all there is.
        let _ = self.screen.println(line);
    }

    fn draw(&self, state: &mut State, key: (String, String), now: Instant) {
        let Some(table) = state.progress.tables.get(&key).cloned() else { return };
        if table.done {
            if let Some((bar, _)) = state.bars.remove(&key) {
                self.screen.remove(&bar);
            }
            self.say(&format!("{}: {}", key.1, table.line(now)));
            return;
        }
        if !state.bars.contains_key(&key) {
            if state.bars.len() >= MOST {
                return;
            }
            let bar = self.screen.add(ProgressBar::new(table.expected));
            bar.set_style(style("{prefix:24!} {bar:30} {msg}"));
            bar.set_prefix(key.1.clone());
            state.bars.insert(key.clone(), (bar, now - REDRAW));
        }
        if let Some((bar, drawn)) = state.bars.get_mut(&key)
            && now.duration_since(*drawn) >= REDRAW
        {
            *drawn = now;
            bar.set_length(table.expected.max(table.rows));
            bar.set_position(table.rows);
            bar.set_message(table.line(now));
        }
    }

    fn draw_flow(&self, state: &mut State, key: (String, String), now: Instant) {
        let Some(flow) = state.progress.flows.get(&key).cloned() else { return };
        let bars = &mut state.bars;
        let (bar, drawn) = bars.entry(key.clone()).or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {prefix} {msg}"));
            bar.set_prefix(format!("{}: {}:", key.0, key.1));
            (bar, now - REDRAW)
        });
        if now.duration_since(*drawn) >= REDRAW || flow.transactions == 0 {
            *drawn = now;
            bar.set_message(flow.line());
            bar.tick();
        }
    }
}

impl Observer for Bars {
    fn event(&self, event: &Event) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.progress.event(event, now);
        match event {
            Event::TablePlanned { job, table, .. }
            | Event::Rows { job, table, .. }
            | Event::TableDone { job, table, .. } => {
                self.draw(&mut state, (job.clone(), table.clone()), now);
            }
            Event::Phase { job, flow, .. } | Event::Applied { job, flow, .. } => {
                self.draw_flow(&mut state, (job.clone(), flow.clone()), now);
            }
            other => {
                if let Event::Verified { job, table, .. } = other
                    && let Some((bar, _)) = state.bars.remove(&(job.clone(), table.clone()))
                {
                    self.screen.remove(&bar);
                }
                if let Some(line) = sentence(other) {
                    self.say(&line);
                }
            }
        }
    }
}

impl Watcher for Bars {
    fn finish(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for ((job, name), flow) in &state.progress.flows {
            if flow.transactions > 0 {
                self.say(&format!("{job}: {name}: {} applied", flow.total()));
            }
        }
        for (bar, _) in state.bars.values() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━╌")
}

/// A verified table as a sentence.
pub fn verified(table: &str, counts: [u64; 4]) -> String {
    let [matched, different, missing, extra] = counts;
    if different + missing + extra == 0 {
        return format!("{table}: {} equal", text::count(matched, "row"));
    }
    format!(
        "{table}: {} equal, {} different, {} missing, {} extra",
        text::number(matched),
        text::number(different),
        text::number(missing),
        text::number(extra)
    )
}
