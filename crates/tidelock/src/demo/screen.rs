//! What the demo shows: redrawn in place on a terminal, calm lines elsewhere, events for machines.

use crate::ui::progress::{Flow, Progress};
use crate::ui::{Colours, Ui, Watcher, print, say, text};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidelock_sync::observe::{Event, Observer};
use tokio::sync::watch;

/// Conflicts shown.
const CONFLICTS: usize = 6;
/// Between two lines where nothing can be redrawn.
const CALM: Duration = Duration::from_secs(4);
/// Over which rates are measured.
const WINDOW: Duration = Duration::from_secs(2);

/// Where the demo shows itself.
pub struct Screen {
    mode: Mode,
    /// Where a terminal is not drawn on, the events go here as well.
    events: Option<Arc<dyn Watcher>>,
    state: Mutex<State>,
    following: watch::Sender<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Drawn(Colours),
    Lines,
    Json,
}

struct State {
    progress: Progress,
    phase: String,
    conflicts: u64,
    last: VecDeque<String>,
    /// Changes delivered at moments past, for the rates.
    samples: VecDeque<(Instant, Vec<u64>)>,
    drawn: usize,
    told: Instant,
    told_conflicts: u64,
}

impl Screen {
    /// An empty one.
    pub fn new(ui: Ui) -> Screen {
        let mode = match ui.json {
            true => Mode::Json,
            false if std::io::stdout().is_terminal() => Mode::Drawn(Colours::of(&std::io::stdout())),
            false => Mode::Lines,
        };
        let state = State {
            progress: Progress::default(),
            phase: String::new(),
            conflicts: 0,
            last: VecDeque::new(),
            samples: VecDeque::new(),
            drawn: 0,
            told: Instant::now(),
            told_conflicts: 0,
        };
        let events = (mode == Mode::Json).then(|| ui.watcher());
        Screen { mode, events, state: Mutex::new(state), following: watch::channel(0).0 }
    }

    /// Waits until so many directions are past their first copy.
    pub async fn following(&self, flows: usize) {
        // The sender lives as long as this does.
        let _ = self.following.subscribe().wait_for(|count| *count >= flows).await;
    }

    /// Conflicts decided so far.
    pub fn conflicts(&self) -> u64 {
        self.state().conflicts
    }

    /// One line, once.
    pub fn say(&self, line: &str) {
        if self.mode != Mode::Json {
            let _ = print(line);
        }
    }

    /// What is going on from now on.
    pub fn phase(&self, phase: &str) {
        let mut state = self.state();
        state.phase = phase.to_owned();
        match self.mode {
            Mode::Drawn(colours) => state.redraw(colours, None, [0, 0]),
            Mode::Lines => drop(print(phase)),
            Mode::Json => {}
        }
    }

    /// Shows how things are: `left` until the writers stop, and how much they wrote.
    pub fn draw(&self, left: Option<Duration>, written: [u64; 2]) {
        let mut state = self.state();
        state.sample(Instant::now());
        match self.mode {
            Mode::Drawn(colours) => state.redraw(colours, left, written),
            Mode::Lines => state.tell(left.is_none()),
            Mode::Json => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Screen {
    fn event(&self, event: &Event) {
        if let Some(events) = &self.events {
            events.event(event);
        }
        let mut state = self.state();
        state.progress.event(event, Instant::now());
        match event {
            Event::Phase { .. } => {
                let following = state.progress.flows.values().filter(|f| f.phase == "following").count();
                self.following.send_replace(following);
            }
            Event::Conflict { table, key, conflict, rule, winner, .. } => {
                state.conflicts += 1;
                state
                    .last
                    .push_back(format!("{table} {key} {}: {winner}'s stays, by {rule}", what(conflict)));
                if state.last.len() > CONFLICTS {
                    state.last.pop_front();
                }
            }
            Event::Retrying { job, error, .. } | Event::Failed { job, error, .. }
                if self.mode != Mode::Json =>
            {
                say(&format!("{job}: {error}"));
                state.drawn = 0;
            }
            Event::Capture { endpoint, error: Some(error), .. } if self.mode != Mode::Json => {
                say(&format!("{endpoint}: {error}"));
                state.drawn = 0;
            }
            _ => {}
        }
    }
}

impl Watcher for Screen {
    /// Conflicts behind the last lines are told too: what was written last may conflict while both sides are compared already.
    fn finish(&self) {
        if self.mode == Mode::Lines {
            self.state().tell_conflicts();
        }
        if let Some(events) = &self.events {
            events.finish();
        }
    }
}

impl State {
    fn sample(&mut self, now: Instant) {
        let counts = self.progress.flows.values().map(|f| f.changes).collect();
        self.samples.push_back((now, counts));
        while self.samples.len() > 1 && now.duration_since(self.samples[0].0) > WINDOW {
            self.samples.pop_front();
        }
    }

    /// Changes per second of a direction, lately.
    fn rate(&self, place: usize) -> u64 {
        let (Some((then, old)), Some((now, new))) = (self.samples.front(), self.samples.back()) else {
            return 0;
        };
        let delta = new.get(place).unwrap_or(&0).saturating_sub(*old.get(place).unwrap_or(&0));
        text::rate(delta, now.duration_since(*then).max(Duration::from_millis(200)))
    }

    fn flow(&self, place: usize, name: &str, flow: &Flow) -> Vec<String> {
        let mut cells = vec![format!("  {name}"), flow.phase.clone()];
        if flow.transactions > 0 {
            cells.push(text::count(flow.changes, "row change"));
            cells.push(format!("{} rows/s", text::number(self.rate(place))));
            cells.push(format!("{} behind", text::lag(flow.lag_micros)));
        }
        cells
    }

    fn flows(&self) -> Vec<String> {
        let flows = self.progress.flows.iter().enumerate();
        text::columns(
            &flows.map(|(place, ((_, name), flow))| self.flow(place, name, flow)).collect::<Vec<_>>(),
        )
    }

    fn tell(&mut self, last: bool) {
        let now = Instant::now();
        if !last && now.duration_since(self.told) < CALM {
            return;
        }
        self.told = now;
        for line in self.flows() {
            let _ = print(&line);
        }
        self.tell_conflicts();
    }

    /// Those that were not told yet; of many the last ones.
    fn tell_conflicts(&mut self) {
        let new = (self.conflicts - self.told_conflicts).min(CONFLICTS as u64) as usize;
        for line in self.last.iter().skip(self.last.len() - new) {
            let _ = print(&format!("  conflict: {line}"));
        }
        self.told_conflicts = self.conflicts;
    }

    fn redraw(&mut self, colours: Colours, left: Option<Duration>, written: [u64; 2]) {
        let left = left.map(|l| format!(", {} s left", l.as_secs())).unwrap_or_default();
        let mut lines = vec![(String::new(), Paint::Plain), (format!("{}{left}", self.phase), Paint::Bold)];
        lines.extend(self.flows().into_iter().map(|line| (line, Paint::Plain)));
        if written != [0, 0] {
            let [shop, till] = written.map(|w| text::count(w, "transaction"));
            lines.push((format!("  the writer: {shop} at shop, {till} at till"), Paint::Dim));
        }
        if self.conflicts > 0 {
            lines.push((format!("  {}", text::count(self.conflicts, "conflict")), Paint::Plain));
            lines.extend(self.last.iter().map(|line| (format!("    {line}"), Paint::Yellow)));
        }
        // Wrapping is off while drawing: a line that takes two would make the next drawing begin at the wrong one.
        let mut out = "\x1b[?7l".to_owned();
        if self.drawn > 0 {
            out += &format!("\x1b[{}A", self.drawn);
        }
        for (line, paint) in &lines {
            out += &format!("\r\x1b[2K{}\n", paint.of(colours, line));
        }
        out += "\x1b[J\x1b[?7h";
        self.drawn = lines.len();
        let mut stdout = std::io::stdout().lock();
        // A terminal that is gone shows nothing.
        let _ = stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush());
    }
}

/// A conflict's name in the words of someone who meets it for the first time.
fn what(conflict: &str) -> &str {
    match conflict {
        "update_origin_differs" => "was changed at both sides",
        "insert_exists" => "was inserted at both sides",
        "update_missing" | "delete_origin_differs" => "was changed at one side and deleted at the other",
        other => other,
    }
}

#[derive(Clone, Copy)]
enum Paint {
    Plain,
    Bold,
    Dim,
    Yellow,
}

impl Paint {
    fn of(self, colours: Colours, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Bold => colours.bold(text),
            Paint::Dim => colours.dim(text),
            Paint::Yellow => colours.yellow(text),
        }
    }
}
